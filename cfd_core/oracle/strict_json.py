"""JSON read strictly: UTF-8, one object, no duplicate or unknown keys, no floats, nothing after it."""

import json
import re
from collections.abc import Collection
from typing import Any, NoReturn

from cfd_core.errors import DecodeError

_HEX = re.compile(r"(?:[0-9a-f]{2})*\Z")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"not a whole number: {text:.20}")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_no_number, parse_constant=_no_number)
"""Made once: making one costs as much as reading a small object."""


def read_object(raw: bytes | str, what: str, limit: int) -> dict[str, Any]:
    """Decode one JSON object of at most `limit` bytes (or characters); `DecodeError` for anything else."""
    if len(raw) > limit:
        raise DecodeError(f"{what} is too long: {len(raw):,} of at most {limit:,} bytes")
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"{what} is not strict JSON: {error!s:.100}") from error
    if not isinstance(value, dict):
        raise DecodeError(f"{what} is not a JSON object")
    return value


def member(owner: dict[str, Any], name: str, kind: type, what: str) -> Any:
    """The value under `name`, which must be exactly of type `kind` (so a bool is not an int)."""
    value = owner.get(name)
    if type(value) is not kind:
        raise DecodeError(f"{what}: {name} is missing or not {kind.__name__}")
    return value


def only_keys(owner: dict[str, Any], required: Collection[str], optional: Collection[str], what: str) -> None:
    """Refuse missing and unknown keys."""
    missing = set(required) - owner.keys()
    unknown = owner.keys() - set(required) - set(optional)
    if missing:
        raise DecodeError(f"{what}: missing {sorted(missing)}")
    if unknown:
        raise DecodeError(f"{what}: unknown {sorted(unknown)!r:.100}")


def hex_bytes(value: object, length: int, what: str) -> bytes:
    """`length` bytes from lower-case hex."""
    if not isinstance(value, str) or len(value) != 2 * length or not _HEX.match(value):
        raise DecodeError(f"{what} is not {length} bytes of lower-case hex")
    return bytes.fromhex(value)
