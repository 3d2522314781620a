"""Events as they are kept for ever. The names and versions below are literals: they never change.

A changed event gets a new version and an upcast from the old one; golden samples of each released version must load.
"""

from typing import Final

from cfd_core.cfd import events as e
from cfd_core.cfd.events import Recorded
from cfd_core.errors import DecodeError
from cfd_core.serial.conversion import decode_object, encode_object, structure, unstructure
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.values import CfdId

MAX_EVENT: Final = 16 * 1024 * 1024

NAMES: Final[dict[type, tuple[str, int]]] = {
    e.OfferPublished: ("offer-published", 1),
    e.OfferWithdrawn: ("offer-withdrawn", 1),
    e.OrderPlaced: ("order-placed", 1),
    e.OrderRejected: ("order-rejected", 1),
    e.ContractSetupFailed: ("contract-setup-failed", 1),
    e.LockSigned: ("lock-signed", 1),
    e.LockCompleted: ("lock-completed", 1),
    e.LockSeen: ("lock-seen", 1),
    e.LockGone: ("lock-gone", 1),
    e.ForceCloseStarted: ("force-close-started", 1),
    e.CommitSeen: ("commit-seen", 1),
    e.CommitGone: ("commit-gone", 1),
    e.OracleAttested: ("oracle-attested", 1),
    e.CetSigned: ("cet-signed", 1),
    e.ExitSeen: ("exit-seen", 1),
    e.ExitGone: ("exit-gone", 1),
    e.CfdClosed: ("cfd-closed", 1),
}
_TYPES: Final = {literal: kind for kind, literal in NAMES.items()}


def to_stored(recorded: Recorded) -> StoredEvent:
    """The plain record of an event."""
    name, schema = NAMES[type(recorded.event)]
    payload = encode_object(unstructure(recorded.event))
    return StoredEvent(recorded.stream, recorded.version, name, schema, payload)


def to_revision(recorded: Recorded) -> PackedRevision | None:
    """The packed CET signatures that come with an event, if any."""
    if recorded.packed is None or not isinstance(recorded.event, e.LockSigned):
        return None
    return PackedRevision(CfdId(recorded.stream), recorded.event.revision, recorded.packed)


def from_stored(stored: StoredEvent) -> e.Event:
    """The event again; `DecodeError` for a name or version of a later release, or a damaged payload."""
    kind = _TYPES.get((stored.name, stored.schema))
    if kind is None:
        raise DecodeError(f"event {stored.name!r} version {stored.schema} is not known to this release")
    fields = decode_object(stored.payload, stored.name, MAX_EVENT)
    event: e.Event = structure(fields, kind, stored.name)
    return event
