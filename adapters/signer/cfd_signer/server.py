"""The signer's process: a Unix socket for its owner alone, and an answer for each request."""

import os
import shutil
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import BoundedSemaphore, Thread
from typing import Final

from cfd_core.errors import CfdError
from cfd_signer.desk import Desk
from cfd_signer.requests import Refused, encode, read_request

MAX_CONNECTIONS: Final = 64
"""At a time; a node needs one for itself and one for each of its crypto threads. Others wait."""
WAITING: Final = 128
"""How many others may."""
IDLE_SECONDS: Final = 60.0
"""A connection on which nothing is asked for so long is closed."""


class SignerServer:
    """Answers on a socket until it is closed."""

    def __init__(self, desk: Desk, path: Path, group: str | None = None) -> None:
        """Listen at `path`, which only this user may open, and a group if one is named. `OSError` if something is there
        already, but for the socket that a signer left when it was killed; `LookupError` for an unknown group.
        """
        self._desk, self._path = desk, path
        self._free = BoundedSemaphore(MAX_CONNECTIONS)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bind()
            if group is not None:
                self._open_to(group)
        except BaseException:
            self._socket.close()
            raise
        self._socket.listen(WAITING)

    def _bind(self) -> None:
        before = os.umask(0o177)
        try:
            if _abandoned(self._path):
                self._path.unlink()
            self._socket.bind(str(self._path))
        except OSError as error:
            raise OSError(f"cannot listen at {self._path}: {error.strerror or error}") from error
        finally:
            os.umask(before)

    def _open_to(self, group: str) -> None:
        try:
            shutil.chown(self._path, group=group)
            self._path.chmod(0o660)
        except BaseException:
            self._path.unlink()
            raise

    def serve(self) -> None:
        """Until the process ends. A memory that cannot be written ends it: it must not sign what it cannot remember."""
        while True:
            self._free.acquire()
            connection, _ = self._socket.accept()
            Thread(target=self._converse, args=(connection,), name="signer", daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with ExitStack() as ending:
            ending.callback(self._free.release)
            ending.enter_context(connection)
            connection.settimeout(IDLE_SECONDS)
            try:
                self._answer_all(connection)
            except (EOFError, TimeoutError, ConnectionError):
                return
            except OSError:  # the memory cannot be written
                os._exit(1)

    def _answer_all(self, connection: socket.socket) -> None:
        read = reader(connection)
        while True:
            try:
                request = read_request(read)
            except CfdError as error:
                connection.sendall(encode(Refused(f"not a request: {error}")))
                return  # what follows may be the rest of it
            connection.sendall(encode(self._desk.answer(request)))

    def close(self) -> None:
        """Stop listening, and take the socket's name away."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


def _abandoned(path: Path) -> bool:
    """Whether a socket is there that nobody listens at."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False


def reader(connection: socket.socket) -> Callable[[int], bytes]:
    """Reads exactly so many bytes; `EOFError` when the other side ends before."""

    def read(length: int) -> bytes:
        found = bytearray()
        while len(found) < length:
            piece = connection.recv(min(length - len(found), 1 << 16))
            if not piece:
                raise EOFError
            found += piece
        return bytes(found)

    return read
