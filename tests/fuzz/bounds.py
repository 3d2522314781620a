"""What a call costs, in steps and bytes: measures that no busy machine changes."""

import sys
import tracemalloc
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from attrs import frozen

SIZE: Final = 60_000
"""Bytes of a bomb: all doors let as much in."""


@frozen
class Cost:
    """Python functions entered, and the most memory in use at once (bytes), beyond what was there before."""

    calls: int
    memory: int


def cost_of(work: Callable[[], Any], refusals: tuple[type[Exception], ...] = ()) -> Cost:
    """Do the work and count; `refusals` end it as well as a result."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    tracemalloc.start()
    held = tracemalloc.get_traced_memory()[0]
    sys.setprofile(count)
    try:
        work()
    except refusals:
        pass
    finally:
        sys.setprofile(before)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return Cost(calls, peak - held)


def bombs(sample: bytes, *, json: bool) -> Iterator[bytes]:
    """Inputs that are small and promise much, or are as long as is let in."""
    yield sample * (SIZE // max(1, len(sample)))
    for piece in (b"\x00", b"\xff", b"\xfd\xff\xff", b"\xfe\xff\xff\xff\x7f", b"\x01"):
        yield piece * (SIZE // len(piece))
        yield sample[:4] + piece * 9 + sample[4:]
        yield sample[: len(sample) // 2] + piece * 9
    if json:
        for opening, piece, closing in JSON_BOMBS:
            yield opening + piece * ((SIZE - 20) // len(piece)) + closing
        yield sample.replace(b"[", b"[" + b"[]," * (SIZE // 4), 1)
        yield sample.replace(b":", b":" + b"9" * 4_000 + b",", 1)
        yield sample.replace(b'":"', b'":"' + b"A" * SIZE, 1)


JSON_BOMBS: Final = (
    (b"", b"[", b""),
    (b"", b'{"a":', b""),
    (b"[", b"[],", b"0]"),
    (b"[", b"0,", b"0]"),
    (b'{"a":[', b'{"b":""},', b"0]}"),
    (b'{"a":"', b"\\ud800", b'"}'),
    (b"[", b'"",', b"0]"),
    (b"{", b'"a":1,', b'"b":1}'),
)
