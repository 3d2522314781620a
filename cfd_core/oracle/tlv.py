"""Type-length-value records of the DLC specification: read wholly and strictly, written canonically."""

from typing import Final, Self

from cfd_core.errors import DecodeError

_WIDTHS: Final = {0xFD: (2, 0xFD), 0xFE: (4, 0x1_0000), 0xFF: (8, 0x1_0000_0000)}
"""First byte of a long BigSize -> (bytes that follow, smallest value that needs them)."""


class TlvReader:
    """Takes fields off the front of `data`; each method raises `DecodeError` when they are not there."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self._what = what

    @property
    def left(self) -> int:
        """Bytes not taken yet."""
        return len(self._data) - self._at

    def take(self, length: int) -> bytes:
        if length > self.left:
            raise DecodeError(f"{self._what} is cut short")
        self._at += length
        return self._data[self._at - length : self._at]

    def number(self, width: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(width), "big", signed=signed)

    def big_size(self) -> int:
        """A BigSize integer in its only allowed, shortest form."""
        first = self.number(1)
        if first not in _WIDTHS:
            return first
        width, smallest = _WIDTHS[first]
        value = self.number(width)
        if value < smallest:
            raise DecodeError(f"{self._what}: a length is not in its shortest form")
        return value

    def flag(self) -> bool:
        value = self.number(1)
        if value > 1:
            raise DecodeError(f"{self._what}: a yes/no field is neither")
        return bool(value)

    def text(self, limit: int) -> str:
        """A UTF-8 string of at most `limit` bytes."""
        length = self.big_size()
        if length > limit:
            raise DecodeError(f"{self._what}: a text is longer than {limit} bytes")
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise DecodeError(f"{self._what}: a text is not UTF-8") from error

    def record(self, kind: int, what: str) -> Self:
        """The value of the record that starts here, which must be of type `kind`."""
        found = self.big_size()
        if found != kind:
            raise DecodeError(f"{what}: record type {found}, expected {kind}")
        return type(self)(self.take(self.big_size()), what)

    def rest(self) -> bytes:
        """What is left, without taking it."""
        return self._data[self._at :]

    def done(self) -> None:
        if self.left:
            raise DecodeError(f"{self._what}: {self.left} bytes too many")


def big_size(value: int) -> bytes:
    """`value` as a BigSize in shortest form."""
    if value < 0xFD:
        return value.to_bytes(1, "big")
    for first, (width, smallest) in reversed(_WIDTHS.items()):
        if value >= smallest:
            return bytes([first]) + value.to_bytes(width, "big")
    raise AssertionError("unreachable: every value from 0xFD on has a width")


def text(value: str) -> bytes:
    """A string field."""
    encoded = value.encode("utf-8")
    return big_size(len(encoded)) + encoded


def record(kind: int, value: bytes) -> bytes:
    """A whole record: type, length, value."""
    return big_size(kind) + big_size(len(value)) + value
