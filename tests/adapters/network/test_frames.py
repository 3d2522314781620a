"""Lines out of bytes, however they are cut."""

from itertools import pairwise

import pytest
from cfd_network import FrameTooLarge
from cfd_network.frames import FrameBuffer
from hypothesis import given
from hypothesis import strategies as st

FRAMES = st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b" ")), max_size=20)


def taken(buffer: FrameBuffer) -> list[bytes]:
    frames = []
    while buffer.ready:
        frame = buffer.pop()
        assert frame is not None
        frames.append(frame)
    assert buffer.pop() is None
    return frames


@given(FRAMES, st.lists(st.integers(0, 450), max_size=10), st.binary(max_size=20))
def test_frames_do_not_depend_on_how_the_bytes_arrive(frames: list[bytes], cuts: list[int], tail: bytes) -> None:
    rest = tail.replace(b"\n", b" ")
    data = b"".join(frame + b"\n" for frame in frames) + rest
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    buffer, got = FrameBuffer(20), []
    for start, end in pairwise(edges):
        buffer.feed(data[start:end])
        got += taken(buffer)
    assert got == frames
    assert len(buffer) == len(rest)


@pytest.mark.parametrize("data", [b"x" * 11, b"x" * 11 + b"\n", b"x" * 5000 + b"\nok\n"])
def test_a_line_above_the_limit_is_refused_with_or_without_its_end(data: bytes) -> None:
    buffer = FrameBuffer(10)
    buffer.feed(b"first\n" + data)
    assert buffer.pop() == b"first"
    for _ in range(2):
        with pytest.raises(FrameTooLarge, match="more than 10 bytes"):
            buffer.pop()
        with pytest.raises(FrameTooLarge):
            assert buffer.ready
    buffer.clear()
    buffer.feed(b"y" * 10 + b"\n")
    assert taken(buffer) == [b"y" * 10]
