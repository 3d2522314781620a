"""Running something in a forked process that cannot harm the one it came from."""

import os
import resource
import signal
from collections.abc import Callable
from typing import Final

MEMORY: Final = 4 * 1024**3
"""Bytes that one run may use."""


def fork(child: Callable[[int], int], seconds: int | None, output: str | None) -> tuple[int, str]:
    """Run `child` in a fork; its exit code (negative for a signal) and what it wrote to the pipe it is given."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            os.close(reader)
            _confine(seconds, output)
            code = child(writer)
        except BaseException as error:  # the fork must end here, whatever the mutant does
            os.write(writer, f"{type(error).__name__} outside the tests"[:200].encode())
        finally:
            os._exit(code)
    os.close(writer)
    with open(reader, "rb") as pipe:
        told = pipe.read().decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), told


def _confine(seconds: int | None, output: str | None) -> None:
    if seconds is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    if output is not None:
        sink = os.open(output, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
