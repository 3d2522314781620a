"""Sockets through a SOCKS5 proxy such as Tor's, which resolves the names: nobody here asks for them."""

import secrets
from socket import socket

from attrs import field, frozen
from cfd_network import Address
from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy


@frozen
class Socks5:
    """A proxy. Each destination has a name of its own there, so that Tor uses another circuit for each."""

    address: Address
    _session: str = field(factory=lambda: secrets.token_hex(8), repr=False)

    async def open_socket(self, host: str, port: int) -> socket:
        """A connected, non-blocking socket to `host:port`; `OSError` with the reason, also when the proxy refuses."""
        proxy = Proxy(
            proxy_type=ProxyType.SOCKS5,
            host=self.address.host,
            port=self.address.port,
            username=self._session,
            password=f"{host}:{port}"[:255],
            rdns=True,
        )
        try:
            opened: socket = await proxy.connect(dest_host=host, dest_port=port)
        except ProxyError as error:
            raise OSError(f"the proxy {self.address} does not lead to {host}:{port}: {error}") from error
        except OSError as error:
            raise OSError(f"the proxy {self.address} cannot be reached: {error.strerror or error}") from error
        return opened

    @property
    def url(self) -> str:
        """For HTTP clients."""
        return f"socks5://{self.address}"
