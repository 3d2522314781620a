"""Mutations of real messages: of their bytes, of their JSON, and of what their texts encode in turn.

Every choice comes from the `Random` that is passed in, so a seed tells the whole story. JSON is kept as `Pairs`
(objects with their order and their duplicates) and written by hand, so that what no encoder would write can be written:
duplicate keys, huge numbers, deep nesting, lone surrogates.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BYTES: Final = (
    b"\x00",
    b"\xff",
    b"\n",
    b"\x00" * 32,
    b"\xff" * 33,
    b"\x02" + b"\x00" * 32,
    b"\x02" + b"\xff" * 32,
    b"\x03" + (5).to_bytes(32, "big"),
    CURVE_ORDER.to_bytes(32, "big"),
    (CURVE_ORDER - 1).to_bytes(32, "big"),
    b"\xfd\xff\xff",
    b"\xfe\xff\xff\xff\xff",
    b"\xff" * 9,
    b"\xff\xff",
)
"""No points, the group's order, counts that promise more than there is."""
TEXTS: Final = (
    "",
    "\ud800",
    "\x00",
    "é",
    "１",
    "\u202e",
    " ",
    "\n",
    "%n",
    "../",
    "NaN",
    "-0",
    "0" * 300,
    "1E+999999999",
)
NUMBERS: Final = (-1, 0, 1, 2**31, 2**32, 2**53, 2**63, 2**64, 10**30, -(10**30), 10**4000)


class Pairs(list[Any]):
    """A JSON object as (name, value) pairs, in order, duplicates kept."""


class Raw(str):
    """Text that stands in the JSON as it is."""


LITERALS: Final = tuple(
    map(Raw, ("1.0", "1e3", "NaN", "-Infinity", "-0", "9" * 5000, "nul", "[" * 3000, '{"a":' * 3000))
)


def read(raw: bytes | str) -> Any:
    """JSON as `Pairs`, lists and scalars; raises `ValueError`."""
    return json.loads(raw, object_pairs_hook=Pairs)


def write(value: Any) -> str:
    """The JSON of what `read` gave, or of what a mutation made of it."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(name)}:{write(inner)}" for name, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return _digits(value)
    return json.dumps(value)


def _digits(value: int) -> str:
    """Python refuses to spell very long integers in decimal: all of ours are powers of ten or short."""
    return str(value) if abs(value) < 10**4000 else ("-" if value < 0 else "") + "1" + "0" * 4000


class Mutator:
    """`others` are further real samples to splice from and to take texts of."""

    def __init__(self, random: Random, others: Sequence[bytes] = ()) -> None:
        self.random = random
        self.others = others

    # --- bytes -----------------------------------------------------------------------------------------------------

    def blob(self, raw: bytes) -> bytes:
        """A few changes of any kind, mostly one."""
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            raw = self.random.choice(self._byte_changes)(raw)
        return raw

    @property
    def _byte_changes(self) -> tuple[Callable[[bytes], bytes], ...]:
        return (
            self._flip,
            self._set,
            self._insert,
            self._delete,
            self._cut,
            self._repeat,
            self._overwrite,
            self._splice,
        )

    def _at(self, raw: bytes) -> int:
        return self.random.randint(0, len(raw))

    def _slice(self, raw: bytes) -> tuple[int, int]:
        start = self._at(raw)
        return start, start + self.random.choice((1, 1, 2, 4, 32, 33, 64, 162))

    def _flip(self, raw: bytes) -> bytes:
        if not raw:
            return raw
        at = self.random.randrange(len(raw))
        return raw[:at] + bytes([raw[at] ^ 1 << self.random.randrange(8)]) + raw[at + 1 :]

    def _set(self, raw: bytes) -> bytes:
        at = self._at(raw)
        return raw[:at] + bytes([self.random.randrange(256)]) + raw[at + 1 :]

    def _insert(self, raw: bytes) -> bytes:
        at = self._at(raw)
        return raw[:at] + self.random.choice((*BYTES, self.random.randbytes(3))) + raw[at:]

    def _delete(self, raw: bytes) -> bytes:
        start, end = self._slice(raw)
        return raw[:start] + raw[end:]

    def _cut(self, raw: bytes) -> bytes:
        return raw[: self._at(raw)]

    def _repeat(self, raw: bytes) -> bytes:
        start, end = self._slice(raw)
        return raw[:start] + raw[start:end] * self.random.choice((2, 3, 20)) + raw[end:]

    def _overwrite(self, raw: bytes) -> bytes:
        at, value = self._at(raw), self.random.choice(BYTES)
        return raw[:at] + value + raw[at + len(value) :]

    def _splice(self, raw: bytes) -> bytes:
        other = self.random.choice(self.others) if self.others else raw
        return raw[: self._at(raw)] + other[self._at(other) :]

    # --- JSON ------------------------------------------------------------------------------------------------------

    def line(self, raw: bytes) -> bytes:
        """One JSON text with a few changes in its structure, now and then in its bytes too."""
        try:
            value = read(raw)
        except (ValueError, RecursionError):
            return self.blob(raw)
        for _ in range(self.random.choice((1, 1, 1, 2, 4))):
            value = self.value(value)
        out = write(value).encode("utf-8", "surrogatepass")
        return self.blob(out) if self.random.random() < 0.1 else out

    def value(self, value: Any) -> Any:
        """The value with one change somewhere in it."""
        if isinstance(value, list) and value and self.random.random() < 0.85:
            at = self.random.randrange(len(value))
            changed = type(value)(value)
            if isinstance(value, Pairs):
                name, inner = value[at]
                changed[at] = (name, self.value(inner))
            else:
                changed[at] = self.value(value[at])
            return changed
        if self.random.random() < 0.15:
            return self._stranger()
        if isinstance(value, Pairs):
            return self._object(value)
        if isinstance(value, list):
            return self._list(value)
        if isinstance(value, str) and not isinstance(value, Raw):
            return self._text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self.random.choice((value + 1, value - 1, -value, value * 2, *NUMBERS, *LITERALS[:6]))
        return self._stranger()

    def _stranger(self) -> Any:
        return self.random.choice(
            (None, True, False, [], Pairs(), [[]], [None] * 2000, Pairs([("", None)]), *TEXTS, *NUMBERS, *LITERALS)
        )

    def _object(self, value: Pairs) -> Pairs:
        changed = Pairs(value)
        what = self.random.randrange(6)
        if what == 0 or not changed:
            changed.append((self.random.choice(("extra", *TEXTS)), self._stranger()))
        elif what == 1:
            changed.pop(self.random.randrange(len(changed)))
        elif what == 2:
            changed.append(self.random.choice(changed))
        elif what == 3:
            at = self.random.randrange(len(changed))
            changed[at] = (self._text(str(changed[at][0])), changed[at][1])
        elif what == 4:
            changed.reverse()
        else:
            one, two = self.random.randrange(len(changed)), self.random.randrange(len(changed))
            (left, a), (right, b) = changed[one], changed[two]
            changed[one], changed[two] = (left, b), (right, a)
        return changed

    def _list(self, value: list[Any]) -> list[Any]:
        what = self.random.randrange(5)
        if what == 0 or not value:
            return [*value, self._stranger()]
        if what == 1:
            return value[: self.random.randrange(len(value))]
        if what == 2:
            return value * self.random.choice((2, 30))
        if what == 3:
            return value[::-1]
        return self.random.sample(value, len(value))

    def _text(self, text: str) -> str:
        """Mostly what the text encodes, so that the change gets past the outermost check."""
        for inner in (self._as_json, self._as_hex, self._as_base64):
            if self.random.random() < 0.7 and (changed := inner(text)) is not None:
                return changed
        at = self.random.randint(0, len(text))
        return self.random.choice(
            (
                self.random.choice(TEXTS),
                text[:at] + self.random.choice(TEXTS) + text[at:],
                text[:at],
                text + text,
                text.upper(),
                text[::-1],
                self._other_text() or text,
            )
        )

    def _as_json(self, text: str) -> str | None:
        if not text.startswith("{"):
            return None
        try:
            return write(self.value(read(text)))
        except (ValueError, RecursionError):
            return None

    def _as_hex(self, text: str) -> str | None:
        try:
            return self.blob(bytes.fromhex(text)).hex() if text else None
        except ValueError:
            return None

    def _as_base64(self, text: str) -> str | None:
        try:
            decoded = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None
        return base64.b64encode(self.blob(decoded)).decode()

    def _other_text(self) -> str | None:
        """A text of another sample: a key where a script was, another's point."""
        if not self.others:
            return None
        try:
            found = list(_texts(read(self.random.choice(self.others))))
        except (ValueError, RecursionError):
            return None
        return self.random.choice(found) if found else None


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Pairs):
        return [text for _, inner in value for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return []
