"""Events as they are kept for ever. The names and versions below are literals: they never change.

A changed event gets a new version and an upcast from the old one; golden samples of each released version must load.
Announcements are big and shared by many revisions, so they are stored once (`announcement-kept`) and referred to.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from cfd_core.cfd import events as e
from cfd_core.cfd.events import Recorded
from cfd_core.errors import DecodeError
from cfd_core.oracle import Announcement
from cfd_core.serial.conversion import decode_object, encode_object, structure, unstructure
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.values import CfdId

MAX_EVENT: Final = 1024 * 1024

NAMES: Final[dict[type, tuple[str, int]]] = {
    e.OfferPublished: ("offer-published", 1),
    e.OfferWithdrawn: ("offer-withdrawn", 1),
    e.AnnouncementKept: ("announcement-kept", 1),
    e.OrderPlaced: ("order-placed", 1),
    e.OrderRejected: ("order-rejected", 1),
    e.ContractSetupFailed: ("contract-setup-failed", 1),
    e.LockSigned: ("lock-signed", 1),
    e.LockCompleted: ("lock-completed", 1),
    e.LockSeen: ("lock-seen", 1),
    e.LockGone: ("lock-gone", 1),
    e.CancelSigned: ("cancel-signed", 1),
    e.LockConflictSeen: ("lock-conflict-seen", 1),
    e.LockConflictGone: ("lock-conflict-gone", 1),
    e.RolloverPrepared: ("rollover-prepared", 1),
    e.RolloverSigned: ("rollover-signed", 1),
    e.RevisionRevoked: ("revision-revoked", 1),
    e.CloseSigned: ("close-signed", 1),
    e.ForceCloseStarted: ("force-close-started", 1),
    e.CommitSeen: ("commit-seen", 1),
    e.CommitGone: ("commit-gone", 1),
    e.FeeBumped: ("fee-bumped", 1),
    e.OracleAttested: ("oracle-attested", 1),
    e.OracleEquivocated: ("oracle-equivocated", 1),
    e.OutcomeChosen: ("outcome-chosen", 1),
    e.ExitSigned: ("exit-signed", 1),
    e.ExitSeen: ("exit-seen", 1),
    e.ExitGone: ("exit-gone", 1),
    e.CloseSeen: ("close-seen", 1),
    e.CloseGone: ("close-gone", 1),
    e.CfdClosed: ("cfd-closed", 1),
}
_TYPES: Final = {literal: kind for kind, literal in NAMES.items()}
_REFERRING: Final = (e.OrderPlaced, e.RolloverPrepared)


def to_stored(recorded: Recorded) -> StoredEvent:
    """The plain record of an event."""
    event = recorded.event
    name, schema = NAMES[type(event)]
    fields = unstructure(event)
    if isinstance(event, _REFERRING):
        fields["announcements"] = [_reference(announcement) for announcement in event.announcements]
    return StoredEvent(recorded.stream, recorded.version, name, schema, encode_object(fields))


def to_revision(recorded: Recorded) -> PackedRevision | None:
    """The packed CET signatures that come with an event, if any."""
    if recorded.packed is None:
        return None
    number = recorded.event.revision.number if isinstance(recorded.event, e.RolloverPrepared) else 0
    return PackedRevision(CfdId(recorded.stream), number, recorded.packed)


def read_events(stored: Iterable[StoredEvent]) -> Iterator[tuple[str, e.Event]]:
    """Stream and event of each record, in the order of storing.

    `DecodeError` for a name or version of a later release, a damaged payload, or a reference to an announcement that
    was not stored before.
    """
    kept: dict[tuple[str, str], Announcement] = {}
    for record in stored:
        event = _read(record, kept)
        if isinstance(event, e.AnnouncementKept):
            kept[_key(_reference(event.announcement))] = event.announcement
        yield record.stream, event


def _read(record: StoredEvent, kept: dict[tuple[str, str], Announcement]) -> e.Event:
    kind = _TYPES.get((record.name, record.schema))
    if kind is None:
        raise DecodeError(f"event {record.name!r} version {record.schema} is not known to this release")
    fields = decode_object(record.payload, record.name, MAX_EVENT)
    if kind in _REFERRING:
        fields["announcements"] = _resolved(fields.get("announcements"), kept)
    event: e.Event = structure(fields, kind, record.name)
    return event


def _reference(announcement: Announcement) -> dict[str, str]:
    return {"event": announcement.event_id, "oracle_key": announcement.oracle_key.hex()}


def _key(reference: Any) -> tuple[str, str]:
    if not isinstance(reference, dict) or set(reference) != {"event", "oracle_key"}:
        raise DecodeError("not a reference to an announcement")
    return str(reference["event"]), str(reference["oracle_key"])


def _resolved(references: Any, kept: dict[tuple[str, str], Announcement]) -> list[Announcement]:
    if not isinstance(references, list):
        raise DecodeError("announcements are a list of references")
    try:
        return [kept[_key(reference)] for reference in references]
    except KeyError as error:
        raise DecodeError(f"an announcement that was not stored: {error}") from error
