"""A worker process: `python -m cfd_node.worker DESCRIPTOR` does what arrives on a socket, one piece after the other.

It ends when the socket does, so it never outlives the node: a node that is killed lets go of its end as well. Signals
that end a node go to all processes of a terminal or of a unit; a worker leaves them to the node. What is asked and
answered is a pickle behind its length, between a process and the child that it made.
"""

import pickle
import signal
import socket
import struct
import sys
from typing import Any, BinaryIO, Final

import cfd_core.contract.jobs  # noqa: F401 - loaded before the first piece comes

HEAD: Final = struct.Struct(">I")
"""Length of the pickle that follows."""


def packed(value: Any) -> bytes:
    """As it goes over the socket."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return HEAD.pack(len(data)) + data


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Say that all is loaded, then answer each (function, job) with (whether it was done, result) until the end."""
    answer: tuple[bool, Any] = (True, None)
    while True:
        answers.write(packed(answer))
        answers.flush()
        head = asked.read(HEAD.size)
        if len(head) < HEAD.size:
            return
        answer = _done(asked.read(HEAD.unpack(head)[0]))


def _done(data: bytes) -> tuple[bool, Any]:
    try:
        function, job = pickle.loads(data)  # noqa: S301 - from the process that made this one
        return True, function(job)
    except Exception:  # the node does it again on a thread of its own, where the error is told
        return False, None


def main() -> None:
    """Until the other end is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        with socket.socket(fileno=int(sys.argv[1])) as end, end.makefile("rb") as asked, end.makefile("wb") as answers:
            serve(asked, answers)
    except OSError:  # the node is gone
        pass


if __name__ == "__main__":
    main()
