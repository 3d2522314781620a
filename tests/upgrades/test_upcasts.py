"""A contract made under version N closes under N+1, whose form of an event is another one."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve, frozen

from cfd_core.cfd import commands as c
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.events import ExitKind
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.serial import stored
from cfd_core.serial.conversion import decode_object, encode_object
from cfd_core.serial.records import StoredEvent
from cfd_core.serial.upcasts import UPCASTS


@frozen(kw_only=True)
class NextLockSigned(e.LockSigned):
    """What the release after next stores: two fields more, in two steps."""

    signer: str
    notes: tuple[str, ...]


def with_signer(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "signer": f"key of {fields['maker']['funder']['identity'][:8]}"}


def with_notes(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "notes": [fields["signer"]]}


NAMES = {kind: literal for kind, literal in stored.NAMES.items() if kind is not e.LockSigned}
NAMES[NextLockSigned] = ("lock-signed", 3)
NEXT = stored.Forms(NAMES, {**UPCASTS, ("lock-signed", 1): with_signer, ("lock-signed", 2): with_notes})


def test_a_contract_of_version_n_closes_under_a_later_one(open_museum: Callable[..., Any]) -> None:
    museum = open_museum(NEXT)
    pair = museum.pair
    seen = [x.event for x in pair.taker.log if isinstance(x.event, NextLockSigned)]
    assert len(seen) == 3
    assert all(event.notes == (event.signer,) and event.signer.startswith("key of ") for event in seen)
    museum.switch_on()
    cfd = museum.cfd(pair.taker, "rolled")
    pair.taker.give(c.ForceClose(cfd.id))
    pair.run()
    pair.attest(48_935, cfd.held.live.draft.revision.settlement)
    pair.mine(18)
    for node in pair.nodes:
        phase = museum.cfd(node, "rolled").phase
        assert isinstance(phase, p.Closed)
        assert phase.kind is ExitKind.CET


def test_each_version_on_the_way_is_read(records: list[StoredEvent]) -> None:
    at = next(n for n, record in enumerate(records) if record.name == "lock-signed")
    before, first = records[:at], records[at]
    fields = decode_object(first.payload, "event", stored.MAX_EVENT)
    second = evolve(first, schema=2, payload=encode_object({**fields, "signer": "me"}))
    third = evolve(first, schema=3, payload=encode_object({**fields, "signer": "me", "notes": []}))
    *_, (_, event) = stored.read_events([*before, second], NEXT)
    assert isinstance(event, NextLockSigned)
    assert event.notes == ("me",)
    *_, (_, event) = stored.read_events([*before, third], NEXT)
    assert isinstance(event, NextLockSigned)
    assert event.notes == ()
    for later, forms in ((evolve(third, schema=4), NEXT), (second, stored.FORMS)):
        with pytest.raises(DecodeError, match="not known to this release"):
            list(stored.read_events([*before, later], forms))


def test_what_cannot_be_upcast_is_refused(records: list[StoredEvent]) -> None:
    at = next(n for n, record in enumerate(records) if record.name == "lock-signed")
    for payload in (b"{}", b'{"maker":1}', b'{"maker":{"funder":{"identity":null}}}'):
        with pytest.raises(DecodeError):
            list(stored.read_events([*records[:at], evolve(records[at], payload=payload)], NEXT))


@pytest.mark.parametrize(
    ("names", "upcasts"),
    [
        (stored.NAMES, {}),
        ({**stored.NAMES, e.LockGone: ("lock-gone", 2)}, UPCASTS),
        (stored.NAMES, {**UPCASTS, ("lock-gone", 1): dict}),
        ({**stored.NAMES, e.LockGone: ("lock-gone", 3)}, {**UPCASTS, ("lock-gone", 2): dict}),
        ({**stored.NAMES, e.LockGone: ("lock-seen", 1)}, UPCASTS),
    ],
)
def test_a_release_that_cannot_read_what_was_stored_is_refused(names: Any, upcasts: Any) -> None:
    with pytest.raises(RuleViolation):
        stored.Forms(names, upcasts)
