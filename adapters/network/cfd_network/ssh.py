"""Transport over SSH: AsyncSSH on TCP, Ed25519 keys on both sides, one channel per stream.

A listener takes any Ed25519 key and knows the peer by its fingerprint; a dialler knows the fingerprint beforehand.
A stock OpenSSH client can use every protocol: `ssh -p PORT -s any@HOST cfd-offers@1`, one line per frame.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container
from socket import socket

import asyncssh

from cfd_core.values import PeerId, Secret
from cfd_network import ssh_options
from cfd_network.errors import DialFailed, ListenFailed, TransportError, WrongPeer
from cfd_network.keys import fingerprint, ssh_key
from cfd_network.limits import Limits
from cfd_network.ssh_link import VIRTUAL_PORT, SshLink
from cfd_network.ssh_stream import StreamSession
from cfd_network.switchboard import Switchboard
from cfd_network.transport import Address

OpenSocket = Callable[[str, int], Awaitable[socket]]
"""(host, port) -> a connected, non-blocking socket, for example through a proxy; raises `OSError`."""


class SshTransport(Switchboard):
    """A `Transport` whose identity is the Ed25519 key made of `seed` (32 bytes)."""

    def __init__(
        self,
        seed: Secret,
        *,
        limits: Limits | None = None,
        blocked: Container[PeerId] = (),
        open_socket: OpenSocket | None = None,
    ) -> None:
        """`open_socket` makes the connections that we dial; without it they go straight, names resolved here."""
        self._key = ssh_key(seed)
        self._open_socket = open_socket
        super().__init__(fingerprint(self._key), limits or Limits(), blocked)
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._logins: dict[_Listener, None] = {}

    async def listen(self, host: str, port: int) -> Address:
        if self._closed or self._acceptor is not None:
            raise ListenFailed("closed" if self._closed else f"listening on {self._address} already")
        try:
            self._acceptor = await asyncssh.create_server(
                lambda: _Listener(self), host, port, **ssh_options.listener(self._key, self.limits)
            )
        except OSError as error:
            raise ListenFailed(f"{Address(host, port)}: {error.strerror or error}") from error
        self._address = Address(host, self._acceptor.get_addresses()[0][1])
        return self._address

    async def dial(self, address: Address, expected_peer: PeerId) -> SshLink:
        if self._closed:
            raise DialFailed("this transport is closed")
        us = _Dialler(expected_peer)
        try:
            async with asyncio.timeout(self.limits.dial):
                return await self._dial(address, us)
        except TimeoutError:
            raise DialFailed(f"{address}: no answer within {self.limits.dial:g} s") from None
        except Exception as error:  # AsyncSSH passes on whatever a hostile answer made it stumble over
            raise us.failure(address, error) from error

    async def _dial(self, address: Address, us: "_Dialler") -> SshLink:
        options = ssh_options.dialler(self._key, self.limits)
        if self._open_socket is not None:
            options["sock"] = await self._open_socket(address.host, address.port)
        try:
            wire, _ = await asyncssh.create_connection(lambda: us, address.host, address.port, **options)
        except BaseException:
            if "sock" in options:
                options["sock"].close()
            raise
        link = SshLink(self, us.expected, wire)
        us.link = link
        try:
            await link.announce_protocols()
        except BaseException:
            wire.abort()
            raise
        if self._closed or wire.is_closed():
            wire.abort()
            raise asyncssh.ConnectionLost("closed while dialling")
        self.admit(link, accepted=False)
        self.announce(link)
        return link

    async def _stop_listening(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
        for login in tuple(self._logins):
            login.drop()

    # For `_Listener`.

    def knock(self, login: "_Listener") -> None:
        """Somebody connected and has not logged in yet."""
        if self._closed or self.accepted >= self.limits.connections:
            login.drop()
        elif len(self._logins) >= self.limits.logins:
            next(iter(self._logins)).drop()
        self._logins[login] = None

    def logged_in(self, login: "_Listener", link: SshLink) -> None:
        self._logins.pop(login, None)
        self.admit(link, accepted=True)
        if self._closed or self.accepted > self.limits.connections:
            link.abort("too many connections")

    def gone(self, login: "_Listener") -> None:
        self._logins.pop(login, None)


class _Dialler(asyncssh.SSHClient):
    """AsyncSSH's questions on a connection that we dialled."""

    def __init__(self, expected: PeerId) -> None:
        self.expected = expected
        self.found: PeerId | None = None
        self.link: SshLink | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        self.found = fingerprint(key)
        return self.found == self.expected

    def connection_lost(self, exc: Exception | None) -> None:
        if self.link is not None:
            self.link.went_down(exc)

    def failure(self, address: Address, error: Exception) -> TransportError:
        if self.found is not None and self.found != self.expected:
            return WrongPeer(self.expected, self.found)
        if isinstance(error, asyncssh.PermissionDenied):
            return DialFailed(f"{address}: the peer refused our key")
        if isinstance(error, asyncssh.ChannelListenError):
            return DialFailed(f"{address}: the peer does not take our protocols")
        if isinstance(error, OSError):
            return DialFailed(f"{address}: {error.strerror or error}")
        return DialFailed(f"{address}: no understanding ({type(error).__name__})")


class _Listener(asyncssh.SSHServer):
    """AsyncSSH's questions on a connection that we accepted. What is not answered here is refused by its defaults."""

    _wire: asyncssh.SSHServerConnection

    def __init__(self, transport: SshTransport) -> None:
        self._transport = transport
        self._peer: PeerId | None = None
        self._link: SshLink | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._wire = conn
        self._transport.knock(self)

    def drop(self) -> None:
        self._wire.abort()
        self._transport.gone(self)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        """True: a login is needed, whatever the user name."""
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        """Asked for each key a client offers, with proof or without. AsyncSSH completes the login in the same breath as
        it checks a proof, so the key asked for last before `auth_completed` is the proven one.
        """
        self._peer = None
        if key.get_algorithm() != "ssh-ed25519" or fingerprint(key) in self._transport.blocked:
            return False
        self._peer = fingerprint(key)
        return True

    def auth_completed(self) -> None:
        if self._peer is None:
            self._wire.abort()
            return
        self._link = SshLink(self._transport, self._peer, self._wire)
        self._transport.logged_in(self, self._link)

    def session_requested(self) -> StreamSession:
        if self._link is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "not logged in")
        return self._link.accept_stream(None)

    def server_requested(self, listen_host: str, listen_port: int) -> "_Nowhere | bool":
        granted = self._link is not None and self._link.hear(listen_host, listen_port)
        return _Nowhere() if granted else False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport.gone(self)
        if self._link is not None:
            self._link.went_down(exc)


class _Nowhere(asyncssh.SSHListener):
    """The listener behind a named reverse forward: no socket, nothing to close."""

    def get_port(self) -> int:
        return VIRTUAL_PORT
