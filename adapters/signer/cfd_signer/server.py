"""The signer's process: a Unix socket for its owner alone, and an answer for each request."""

import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import BoundedSemaphore, Thread
from typing import Final

from cfd_core.errors import CfdError
from cfd_signer.desk import Desk
from cfd_signer.requests import Refused, encode, read_request

MAX_CONNECTIONS: Final = 8
"""At a time; a node needs one for each of its crypto threads. Others wait."""
IDLE_SECONDS: Final = 60.0
"""A connection on which nothing is asked for so long is closed."""


class SignerServer:
    """Answers on a socket until it is closed."""

    def __init__(self, desk: Desk, path: Path) -> None:
        """Listen at `path`, which only this user may open. `OSError` if something is there already."""
        self._desk, self._path = desk, path
        self._free = BoundedSemaphore(MAX_CONNECTIONS)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            self._socket.bind(str(path))
        except OSError:
            self._socket.close()
            raise
        finally:
            os.umask(before)
        self._socket.listen(MAX_CONNECTIONS)

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
