"""Decoders for what servers answer. Servers are hostile: anything unexpected is a `DecodeError`."""

import hashlib
import math
import re
from decimal import Decimal
from typing import Any, Final

from attrs import frozen

from cfd_core.errors import DecodeError
from cfd_core.values import MAX_FEE_RATE, SATS_PER_BTC, OutPoint, Txid

HEADER_BYTES: Final = 80
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*\Z")
_HASH: Final = re.compile(r"[0-9a-f]{64}\Z")
_MAX_HEIGHT: Final = 2**31


@frozen
class Tip:
    """The best block: its height and its 80-byte header."""

    height: int
    header: bytes

    @property
    def time(self) -> int:
        """The header's time, seconds since 1970."""
        return int.from_bytes(self.header[68:72], "little")


@frozen
class Unspent:
    """An unspent output; `height` 0 means in the mempool."""

    height: int
    sats: int


def scripthash(script: bytes) -> str:
    """How the protocol names a script: its SHA-256, bytes reversed, in hex."""
    return hashlib.sha256(script).digest()[::-1].hex()


def history_status(heights: dict[Txid, int]) -> str | None:
    """The digest that servers send instead of a history, None for an empty one; order matters."""
    if not heights:
        return None
    return hashlib.sha256("".join(f"{txid}:{height}:" for txid, height in heights.items()).encode()).hexdigest()


def header_hash(header: bytes) -> str:
    """A block's hash in display order."""
    return hashlib.sha256(hashlib.sha256(header).digest()).digest()[::-1].hex()


def _record(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DecodeError(f"{what} is not an object")
    return value


def _records(value: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise DecodeError(f"{what} is not a list")
    return [_record(entry, f"an entry of {what}") for entry in value]


def _whole(value: Any, what: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise DecodeError(f"{what} is not a whole number from {least} to {most}")
    return value


def hash_text(value: Any) -> str:
    """64 lower-case hex digits."""
    if not isinstance(value, str) or not _HASH.match(value):
        raise DecodeError("not 64 hex digits")
    return value


def txid(value: Any) -> Txid:
    return Txid(hash_text(value))


def status(value: Any) -> str | None:
    """A script's status: None while nothing ever paid to it."""
    return None if value is None else hash_text(value)


def raw_bytes(value: Any) -> bytes:
    if not isinstance(value, str) or not _HEX.match(value.lower()):
        raise DecodeError("not hex")
    return bytes.fromhex(value)


def header(value: Any) -> bytes:
    raw = raw_bytes(value)
    if len(raw) != HEADER_BYTES:
        raise DecodeError(f"a block header of {len(raw)} bytes")
    return raw


def tip(value: Any) -> Tip:
    record = _record(value, "the tip")
    return Tip(_whole(record.get("height"), "the tip's height", 0, _MAX_HEIGHT), header(record.get("hex")))


def history(value: Any) -> dict[Txid, int]:
    """Transaction id -> height (0 or -1: in the mempool), in the server's order."""
    return {
        txid(entry.get("tx_hash")): _whole(entry.get("height"), "a height", -1, _MAX_HEIGHT)
        for entry in _records(value, "the history")
    }


def unspent(value: Any) -> dict[OutPoint, Unspent]:
    return {
        OutPoint(txid(entry.get("tx_hash")), _whole(entry.get("tx_pos"), "an output index", 0, 2**32 - 1)): Unspent(
            _whole(entry.get("height"), "a height", 0, _MAX_HEIGHT),
            _whole(entry.get("value"), "an amount", 0, 21_000_000 * SATS_PER_BTC),
        )
        for entry in _records(value, "the unspent outputs")
    }


def fee_rate(value: Any) -> int | None:
    """sat/vB, rounded up, at least 1; None for -1 (the server does not know). Source: BTC per 1000 vB."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DecodeError("a fee rate that is not a number")
    if value == -1:
        return None
    rate = Decimal(repr(value)) * SATS_PER_BTC / 1000
    if not rate.is_finite() or not 0 <= rate <= MAX_FEE_RATE:
        raise DecodeError(f"a fee rate of {value!r:.40} BTC per 1000 vB")
    return max(1, math.ceil(rate))


def anything(value: Any) -> Any:
    """For answers nobody reads."""
    return value
