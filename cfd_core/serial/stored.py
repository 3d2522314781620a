"""Events as they are kept for ever. The names and versions below are literals: they never change.

A changed event gets a new version and an upcast from the old one; golden samples of each version must load for ever.
Announcements are big and shared by many revisions, so they are stored once (`announcement-kept`) and referred to: by
the oracle's key alone, as the terms beside it name the events.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from attrs import define

from cfd_core.cfd import events as e
from cfd_core.cfd.events import Recorded
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.oracle import Announcement
from cfd_core.serial.conversion import decode_object, encode_object, structure, unstructure
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.serial.upcasts import UPCASTS, Upcast
from cfd_core.values import CfdId

MAX_EVENT: Final = 1024 * 1024

NAMES: Final[dict[type, tuple[str, int]]] = {
    e.OfferPublished: ("offer-published", 1),
    e.OfferWithdrawn: ("offer-withdrawn", 1),
    e.AnnouncementKept: ("announcement-kept", 1),
    e.OrderPlaced: ("order-placed", 2),
    e.OrderRejected: ("order-rejected", 1),
    e.ContractSetupFailed: ("contract-setup-failed", 1),
    e.LockSigned: ("lock-signed", 1),
    e.LockCompleted: ("lock-completed", 1),
    e.LockSeen: ("lock-seen", 1),
    e.LockGone: ("lock-gone", 1),
    e.CancelSigned: ("cancel-signed", 1),
    e.LockConflictSeen: ("lock-conflict-seen", 1),
    e.LockConflictGone: ("lock-conflict-gone", 1),
    e.RolloverPrepared: ("rollover-prepared", 2),
    e.RolloverSigned: ("rollover-signed", 1),
    e.RevisionRevoked: ("revision-revoked", 2),
    e.RestoredFromBackup: ("restored-from-backup", 1),
    e.StandingLearned: ("standing-learned", 1),
    e.BackupTrusted: ("backup-trusted", 1),
    e.RolloverQuoted: ("rollover-quoted", 1),
    e.RolloverFailed: ("rollover-failed", 1),
    e.CloseSigned: ("close-signed", 1),
    e.ForceCloseStarted: ("force-close-started", 1),
    e.CommitSeen: ("commit-seen", 1),
    e.CommitGone: ("commit-gone", 1),
    e.FeeBumped: ("fee-bumped", 1),
    e.OracleAttested: ("oracle-attested", 1),
    e.OutcomeNoted: ("outcome-noted", 1),
    e.OracleEquivocated: ("oracle-equivocated", 2),
    e.OutcomeChosen: ("outcome-chosen", 1),
    e.ExitSigned: ("exit-signed", 1),
    e.ExitSeen: ("exit-seen", 1),
    e.ExitGone: ("exit-gone", 1),
    e.CloseSeen: ("close-seen", 2),
    e.CloseGone: ("close-gone", 1),
    e.CfdClosed: ("cfd-closed", 1),
}


@define(frozen=True, slots=False)
class Forms:
    """What a release stores, and how it reads what earlier ones stored."""

    names: Mapping[type, tuple[str, int]]
    """Each event's stored name and present version."""
    upcasts: Mapping[tuple[str, int], Upcast]
    """(name, version) -> from that version to the next."""

    def __attrs_post_init__(self) -> None:
        present = dict(self.names.values())
        if len(present) != len(self.names):
            raise RuleViolation("two events have one stored name")
        ways = {(name, version) for name, last in present.items() for version in range(1, last)}
        if ways != set(self.upcasts):
            raise RuleViolation("each earlier version of an event needs an upcast, and nothing else does")

    @cached_property
    def kinds(self) -> dict[str, tuple[type, int]]:
        """The event of each name, and its present version."""
        return {name: (kind, version) for kind, (name, version) in self.names.items()}


FORMS: Final = Forms(NAMES, UPCASTS)
_REFERRING: Final = (e.OrderPlaced, e.RolloverPrepared)


def to_stored(recorded: Recorded) -> StoredEvent:
    """The plain record of an event."""
    event = recorded.event
    name, schema = NAMES[type(event)]
    fields = unstructure(event)
    if isinstance(event, _REFERRING):
        fields["announcements"] = _references(event)
    return StoredEvent(recorded.stream, recorded.version, name, schema, encode_object(fields))


def to_revision(recorded: Recorded) -> PackedRevision | None:
    """The packed CET signatures that come with an event, if any."""
    if recorded.packed is None:
        return None
    number = recorded.event.revision.number if isinstance(recorded.event, e.RolloverPrepared) else 0
    return PackedRevision(CfdId(recorded.stream), number, recorded.packed)


def read_events(
    stored: Iterable[StoredEvent], forms: Forms = FORMS, announced: Iterable[Announcement] = ()
) -> Iterator[tuple[str, e.Event]]:
    """Stream and event of each record, in the order of storing; earlier versions are upcast.

    `announced`: announcements that were stored before, and are not among the records. `DecodeError` for a name or
    version of a later release, a damaged payload, or a reference to an announcement that was not stored before.
    """
    kept = {_name(announcement): announcement for announcement in announced}
    for record in stored:
        event = _read(record, kept, forms)
        if isinstance(event, e.AnnouncementKept):
            kept[_name(event.announcement)] = event.announcement
        yield record.stream, event


def _name(announcement: Announcement) -> tuple[str, str]:
    return announcement.event_id, announcement.oracle_key.hex()


def _read(record: StoredEvent, kept: dict[tuple[str, str], Announcement], forms: Forms) -> e.Event:
    found = forms.kinds.get(record.name)
    if found is None or record.schema > found[1]:
        raise DecodeError(f"event {record.name!r} version {record.schema} is not known to this release")
    kind, present = found
    fields = decode_object(record.payload, record.name, MAX_EVENT)
    for version in range(record.schema, present):
        fields = _upcast(forms.upcasts[record.name, version], fields, record)
    if issubclass(kind, _REFERRING):
        fields["announcements"] = _resolved(fields.get("announcements"), _events(fields), kept)
    event: e.Event = structure(fields, kind, record.name)
    return event


def _upcast(upcast: Upcast, fields: dict[str, Any], record: StoredEvent) -> dict[str, Any]:
    try:
        return upcast(fields)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DecodeError(f"{record.name} version {record.schema} cannot be upcast: {error!s:.100}") from error


def _references(event: e.OrderPlaced | e.RolloverPrepared) -> list[str]:
    """The oracle's key for each announcement, or only once when it is the same for all."""
    terms = event.terms.first_revision if isinstance(event, e.OrderPlaced) else event.revision
    if tuple(announcement.event_id for announcement in event.announcements) != terms.events:
        raise AssertionError("the announcements are those of the terms' events")
    keys = [announcement.oracle_key.hex() for announcement in event.announcements]
    return keys[:1] if len(set(keys)) == 1 else keys


def _events(fields: dict[str, Any]) -> list[Any]:
    """What the stored terms settle on, then what they liquidate on; not checked yet."""
    terms = fields.get("revision", fields.get("terms"))
    if not isinstance(terms, dict) or not isinstance(terms.get("liquidations"), list):
        raise DecodeError("announcements without the terms that name their events")
    return [terms.get("settlement", terms.get("event")), *terms["liquidations"]]


def _resolved(keys: Any, events: list[Any], kept: dict[tuple[str, str], Announcement]) -> list[Announcement]:
    if not isinstance(keys, list) or len(keys) not in (1, len(events)):
        raise DecodeError("announcements are referred to by one oracle key, or one for each event")
    each = keys if len(keys) == len(events) else keys * len(events)
    try:
        return [kept[str(event), str(key)] for event, key in zip(events, each, strict=True)]
    except KeyError as error:
        raise DecodeError(f"an announcement that was not stored: {error}") from error
