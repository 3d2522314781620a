"""Where an Electrum server is, and whether the way to it is encrypted."""

from typing import Self

from attrs import frozen

from cfd_core.errors import DecodeError

_SCHEMES = {"tcp": False, "ssl": True}


@frozen
class ServerAddress:
    """One server: `tcp://host:port` or `ssl://host:port`."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        return f"{'ssl' if self.tls else 'tcp'}://{self.name}"

    @property
    def name(self) -> str:
        """`host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `tcp://host:port` or `ssl://host:port` (IPv6 in brackets); `DecodeError` for anything else."""
        scheme, _, rest = text.partition("://")
        host, _, port = rest.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        well_named = 0 < len(bare) <= 255 and bare.isascii() and bare.isprintable() and not set(bare) & set(" /@?#[]")
        if scheme not in _SCHEMES or not well_named or (":" in bare and bare == host):
            raise DecodeError(f"not an Electrum server (ssl://host:port): {text!r:.100}")
        if not port.isascii() or not port.isdigit() or len(port) > 5 or not 0 < int(port) < 2**16:
            raise DecodeError(f"not a port: {port!r:.20}")
        return cls(bare, int(port), _SCHEMES[scheme])
