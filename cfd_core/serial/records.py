"""What a store keeps: plain records, so that it depends on bytes and numbers and never on event classes."""

from typing import Any

from attrs import field, frozen
from attrs.validators import instance_of

from cfd_core.errors import RuleViolation
from cfd_core.values import CfdId


def _label(_instance: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= 200 or not value.isprintable():
        raise RuleViolation(f"{attribute.name} of a record must be 1 to 200 printable characters, not {value!r:.80}")


def _from(lowest: int) -> Any:
    def check(_instance: Any, attribute: Any, value: Any) -> None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not lowest <= value < 2**31:
            raise RuleViolation(f"{attribute.name} of a record must be from {lowest} to 2^31 - 1, not {value!r:.80}")

    return check


@frozen
class StoredEvent:
    """One domain event as it is kept for ever. Bad fields are a `RuleViolation`."""

    stream: str = field(validator=_label)
    """The aggregate it belongs to, for example a CFD id."""
    version: int = field(validator=_from(1))
    """Its place in the stream: 1, 2, 3, ... without a gap."""
    name: str = field(validator=_label)
    """The event's stored name, a literal that never changes."""
    schema: int = field(validator=_from(1))
    """Version of the payload's form; older ones are upcast when loaded."""
    payload: bytes = field(validator=instance_of(bytes), repr=False)
    """Canonical JSON in UTF-8. It may hold secrets, so it stays out of the repr."""


@frozen
class PackedRevision:
    """The binary part of one DLC revision of one CFD (signatures, mostly)."""

    cfd_id: CfdId = field(validator=_label)
    revision: int = field(validator=_from(0))
    """0 is the revision made at contract setup; each rollover makes the next."""
    data: bytes = field(validator=instance_of(bytes), repr=False)


@frozen
class StoredSnapshot:
    """What was worked out of a stream's events up to `version`, kept beside it. Bad fields are a `RuleViolation`."""

    kind: str = field(validator=_label)
    """What was worked out, for example `state`; a stream has at most one snapshot of each kind."""
    stream: str = field(validator=_label)
    version: int = field(validator=_from(1))
    """The last event that it takes in."""
    form: str = field(validator=_label)
    """The form of `data`: of use only to who makes the same."""
    data: bytes = field(validator=instance_of(bytes), repr=False)
    """It may hold secrets, so it stays out of the repr."""
