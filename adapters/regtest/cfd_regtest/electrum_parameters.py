"""What a client may pass to the Electrum server. Everything it sends is checked here before it is used."""

import re
from typing import Any, Final

from aiorpcx import RPCError

from cfd_core.values import Txid

BAD_REQUEST: Final = 1
DAEMON_ERROR: Final = 2
MAX_HEIGHT: Final = 0xFFFFFFFF
PROTOCOL_MIN: Final = (1, 4)
PROTOCOL_MAX: Final = (1, 6)

_HASH = re.compile(r"[0-9a-f]{64}\Z")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+\Z")
_VERSION = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){0,3}\Z")


def whole(value: Any, what: str = "height") -> int:
    """A non-negative integer that is not a bool."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_HEIGHT:
        raise RPCError(BAD_REQUEST, f"{value!r:.80} should be a non-negative integer ({what})")
    return value


def hash_hex(value: Any, what: str) -> str:
    """64 hex digits, as scripthashes and transaction ids are written."""
    if not isinstance(value, str) or not _HASH.match(value.lower()):
        raise RPCError(BAD_REQUEST, f"{value!r:.80} should be a {what}")
    return value.lower()


def txid(value: Any) -> Txid:
    return Txid(hash_hex(value, "transaction hash"))


def raw_bytes(value: Any) -> bytes:
    """Bytes of a transaction written as hex."""
    if not isinstance(value, str) or not _HEX.match(value):
        raise RPCError(BAD_REQUEST, f"{value!r:.80} should be a hexadecimal string")
    return bytes.fromhex(value)


def yes_or_no(value: Any) -> bool:
    if value not in (True, False):
        raise RPCError(BAD_REQUEST, f"{value!r:.80} should be a boolean value")
    return bool(value)


def negotiate(wanted: Any) -> tuple[int, ...]:
    """The highest protocol version both sides speak, from one version or a pair of least and highest."""
    bounds = wanted if isinstance(wanted, list) and len(wanted) == 2 else [wanted, wanted]
    least, highest = (_version(bound) for bound in bounds)
    chosen = min(highest, PROTOCOL_MAX)
    if chosen < max(least, PROTOCOL_MIN):
        raise RPCError(BAD_REQUEST, f"unsupported protocol version: {wanted!r:.80}")
    return chosen


def version_text(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


def _version(value: Any) -> tuple[int, ...]:
    if value is None:
        return PROTOCOL_MIN
    if not isinstance(value, str) or not _VERSION.match(value):
        raise RPCError(BAD_REQUEST, f"{value!r:.80} should be a protocol version")
    return tuple(int(part) for part in value.split("."))
