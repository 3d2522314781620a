"""One cattrs converter for wire and store: exact types, no unknown keys, every failure a `DecodeError`."""

import base64
import binascii
import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final, NoReturn, get_args, get_origin

from attrs import evolve, has
from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn

from cfd_core import values as v
from cfd_core.errors import CfdError, DecodeError, RuleViolation
from cfd_core.oracle import Announcement, Dialect, OracleKeys, SignatureStatus, read_announcement
from cfd_core.oracle.strict_json import read_object

_MAX_DECIMAL_TEXT: Final = 40


def decode_object(raw: bytes, what: str, limit: int) -> dict[str, Any]:
    """One JSON object, strictly; `DecodeError` for anything else."""
    return read_object(raw, what, limit)


def encode_object(value: dict[str, Any]) -> bytes:
    """Canonical JSON: sorted keys, no spaces, ASCII; one line."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def structure(data: Any, kind: type, what: str) -> Any:
    """Build a `kind` from plain data; `DecodeError` says what is wrong and where."""
    try:
        return converter.structure(data, kind)
    except (BaseValidationError, CfdError, ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise DecodeError(f"{what}: {_explain(error)}") from error


def unstructure(value: Any) -> Any:
    """Plain data for JSON."""
    return converter.unstructure(value)


def _explain(error: Exception) -> str:
    if isinstance(error, BaseValidationError):
        return "; ".join(transform_error(error, format_exception=_one))[:400]
    return _one(error, None)[:400]


def _one(error: BaseException, _type: type | None) -> str:
    if isinstance(error, KeyError):
        return f"missing field {error}"
    if isinstance(error, ForbiddenExtraKeysError):
        return f"unknown fields {sorted(error.extra_fields)!r:.100}"
    return str(error) or type(error).__name__


def _exact(kind: type) -> Any:
    def check(value: Any, _type: Any) -> Any:
        if type(value) is not kind:
            raise DecodeError(f"expected {kind.__name__}, not {type(value).__name__}")
        return value

    return check


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _list(value: Any, kind: Any) -> tuple[Any, ...]:
    """All our sequences are `tuple[X, ...]`; cattrs alone would take any iterable, a text or an object too."""
    if type(value) is not list:
        raise DecodeError(f"expected a list, not {type(value).__name__}")
    item, _ = get_args(kind)
    return tuple(converter.structure(one, item) for one in value)


def _object(kind: type) -> Callable[[Any, Any], Any]:
    """cattrs' own function for an attrs class, which trips over anything but a dict."""
    build: Any = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)

    def check(value: Any, _type: Any) -> Any:
        if type(value) is not dict:
            raise DecodeError(f"expected an object, not {type(value).__name__}")
        return build(value, kind)

    return check


def _bytes(value: Any, _type: Any) -> bytes:
    if type(value) is not str:
        raise DecodeError(f"expected base64 text, not {type(value).__name__}")
    try:
        decoded = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError("not base64") from error
    if base64.b64encode(decoded).decode() != value:
        raise DecodeError("not canonical base64")
    return decoded


def _decimal(value: Any, _type: Any) -> Decimal:
    if type(value) is not str or len(value) > _MAX_DECIMAL_TEXT:
        raise DecodeError("expected a decimal number as text")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise DecodeError(f"not a decimal number: {value!r}") from error
    if not number.is_finite() or str(number) != value:
        raise DecodeError(f"not a canonical decimal number: {value!r}")
    return number


def _enum(value: Any, kind: type[Enum]) -> Enum:
    if type(value) is not str:
        raise DecodeError(f"expected text, not {type(value).__name__}")
    try:
        return kind(value)
    except ValueError as error:
        raise DecodeError(f"not a {kind.__name__.lower()}: {value!r:.40}") from error


def _outpoint(value: Any, _type: Any) -> v.OutPoint:
    return v.OutPoint.parse(_exact(str)(value, str))


def _cfd_id(value: Any, _type: Any) -> v.CfdId:
    return v.cfd_id(_exact(str)(value, str))


def _offer_id(value: Any, _type: Any) -> v.OfferId:
    return v.offer_id(_exact(str)(value, str))


def _announcement_out(announcement: Announcement) -> dict[str, Any]:
    return {
        "dialect": announcement.dialect.value,
        "oracle_key": _base64(announcement.oracle_key),
        "signature_status": announcement.signature_status.value,
        "raw": _base64(announcement.raw),
    }


def _announcement_in(data: Any, _type: Any) -> Announcement:
    if isinstance(data, Announcement):
        return data  # resolved by reference already
    if type(data) is not dict or set(data) != {"dialect", "oracle_key", "signature_status", "raw"}:
        raise DecodeError("not an announcement")
    dialect = Dialect(data["dialect"])
    keys = OracleKeys(_bytes(data["oracle_key"], bytes), None)
    read = read_announcement(dialect, _bytes(data["raw"], bytes), keys)
    # the announcement key is not kept; what it proved when the announcement was accepted is
    return evolve(read, signature_status=SignatureStatus(data["signature_status"]))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _never(_value: Any, *_rest: Any) -> NoReturn:
    raise RuleViolation("secrets are not serialised")


def _make() -> Converter:
    made = Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind in (int, str, bool):
        made.register_structure_hook(kind, _exact(kind))
    made.register_structure_hook(bytes, _bytes)
    made.register_unstructure_hook(bytes, _base64)
    made.register_structure_hook(Decimal, _decimal)
    made.register_unstructure_hook(Decimal, str)
    made.register_structure_hook_func(lambda kind: isinstance(kind, type) and issubclass(kind, Enum), _enum)
    made.register_structure_hook_func(_is_tuple, _list)
    made.register_structure_hook_factory(has, _object)
    made.register_structure_hook(v.OutPoint, _outpoint)
    made.register_unstructure_hook(v.OutPoint, str)
    made.register_structure_hook(v.CfdId, _cfd_id)
    made.register_structure_hook(v.OfferId, _offer_id)
    made.register_structure_hook(Announcement, _announcement_in)
    made.register_unstructure_hook(Announcement, _announcement_out)
    made.register_structure_hook(v.Secret, _never)
    made.register_unstructure_hook(v.Secret, _never)
    return made


converter: Final = _make()
