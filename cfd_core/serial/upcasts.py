"""Stored events of earlier versions, brought to the present form. A new version of an event adds its upcast here."""

from collections.abc import Callable
from typing import Any, Final

from cfd_core.errors import DecodeError, PeerViolation
from cfd_core.oracle import Attestation
from cfd_core.serial.conversion import structure, unstructure

Fields = dict[str, Any]
Upcast = Callable[[Fields], Fields]
"""Makes the fields of a stored version those of the next. It may change what it is given, and knows nothing else."""


def _order_placed(fields: Fields) -> Fields:
    """Keys came from the CFD's id."""
    return _with(fields, "key_id", fields.get("cfd_id"))


def _rollover_prepared(fields: Fields) -> Fields:
    """When it was is not known: long ago, so nothing more is waited for."""
    return _with(fields, "at", 0)


def _close_seen(fields: Fields) -> Fields:
    """Since when it waits is not known: that is taken from the next report."""
    return _with(fields, "tip", 0)


def _revision_revoked(fields: Fields) -> Fields:
    """When it came is not known: then only the commit's own waiting counts."""
    return _with(fields, "tip", 0)


def _oracle_equivocated(fields: Fields) -> Fields:
    """The first attestation is in the stream already; its proof is enough here."""
    first: Attestation = structure(fields.get("first"), Attestation, "oracle-equivocated")
    try:
        return {**fields, "first": unstructure(first.brief)}
    except PeerViolation as error:
        raise DecodeError(f"oracle-equivocated: {error}") from error


def _with(fields: Fields, name: str, value: Any) -> Fields:
    if name in fields:
        raise DecodeError(f"version 1 had no {name}")
    return {**fields, name: value}


UPCASTS: Final[dict[tuple[str, int], Upcast]] = {
    ("order-placed", 1): _order_placed,
    ("rollover-prepared", 1): _rollover_prepared,
    ("revision-revoked", 1): _revision_revoked,
    ("close-seen", 1): _close_seen,
    ("oracle-equivocated", 1): _oracle_equivocated,
}
"""(name, version) -> from that version to the next."""
