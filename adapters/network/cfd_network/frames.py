"""Cut a byte stream into lines, keeping no more than one line and what arrived with it."""

from cfd_network.errors import FrameTooLarge


class FrameBuffer:
    """Bytes in, frames out. A frame is what stands before a newline; it may be empty.

    The bytes stay as they came until they are asked for, so many tiny frames cost no more than their bytes.
    """

    def __init__(self, max_frame: int) -> None:
        self._max_frame = max_frame
        self._data = bytearray()
        self._scanned = 0

    def __len__(self) -> int:
        return len(self._data)

    def feed(self, data: bytes) -> None:
        self._data += data

    @property
    def ready(self) -> bool:
        """Whether `pop` has a frame. `FrameTooLarge` as soon as the first line is known to be too long."""
        return self._newline() >= 0

    def pop(self) -> bytes | None:
        """The first frame, or None if it is not complete. `FrameTooLarge` as in `ready`."""
        end = self._newline()
        if end < 0:
            return None
        frame = bytes(self._data[:end])
        del self._data[: end + 1]
        self._scanned = 0
        return frame

    def clear(self) -> None:
        self._data.clear()
        self._scanned = 0

    def _newline(self) -> int:
        end = self._data.find(b"\n", self._scanned)
        self._scanned = len(self._data) if end < 0 else end
        if self._scanned > self._max_frame:
            raise FrameTooLarge(f"a frame of more than {self._max_frame:,} bytes")
        return end
