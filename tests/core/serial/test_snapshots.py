"""A snapshot is the CFD, whatever its state; and its fingerprint tells when it would mean something else."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from attrs import field, frozen

from cfd_core.cfd import events as e
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.evolve import evolve as fold
from cfd_core.errors import DecodeError
from cfd_core.serial import snapshot_form, stored
from cfd_core.serial.records import StoredEvent
from cfd_core.serial.snapshots import FORM, SnapshotCoder, announced_in
from cfd_core.values import CfdId, Secret

Lives = dict[str, tuple[StoredEvent, ...]]
CODER = SnapshotCoder()


def states(records: tuple[StoredEvent, ...]) -> list[Cfd]:
    """The CFD after each of its events."""
    found: list[Cfd] = []
    for _, event in stored.read_events(records):
        if not isinstance(event, e.NodeEvent):
            found.append(fold(found[-1] if found else None, event))
    return found


def test_every_state_of_every_sample_comes_back(lives: Lives) -> None:
    phases = set()
    for records in lives.values():
        for cfd in states(records):
            raw = CODER.encode(cfd)
            back = CODER.decode(raw, announced_in(cfd))
            assert back == cfd
            assert CODER.encode(back) == raw
            phases.add(type(cfd.phase))
    assert len(phases) >= 14


def test_the_rest_of_the_events_can_be_folded_onto_it(lives: Lives) -> None:
    """From any version on, what comes out is what all events make."""
    for records in lives.values():
        node = [record for record in records if record.stream == "node"]
        own = [record for record in records if record.stream != "node"]
        *_, last = states(records)
        for cfd in states(records)[::3]:
            back = CODER.decode(CODER.encode(cfd), announced_in(cfd))
            announced = [x.announcement for _, x in stored.read_events(node) if isinstance(x, e.AnnouncementKept)]
            for _, event in stored.read_events(own[cfd.version :], announced=announced):
                assert not isinstance(event, e.NodeEvent)
                back = fold(back, event)
            assert back == last


def test_secrets_are_kept_and_not_shown(lives: Lives) -> None:
    cfd = states(lives["punished"])[-1]
    assert cfd.held is not None
    (revoked,) = cfd.held.revoked
    back = CODER.decode(CODER.encode(cfd), announced_in(cfd))
    assert back.held is not None
    assert back.held.revoked[0].secret.reveal() == revoked.secret.reveal()
    assert isinstance(revoked.secret, Secret)


def test_what_is_no_snapshot_is_refused(lives: Lives) -> None:
    cfd = states(lives["taker"])[15]
    raw, announced = CODER.encode(cfd), announced_in(cfd)
    fields = json.loads(raw)
    step = len(raw) // 60
    damaged = [raw[:cut] for cut in range(0, len(raw), step)]
    damaged += [raw + b"x", b"[]", b"{}", b"null", b"\xff"]
    damaged += [json.dumps({key: one for key, one in fields.items() if key != name}).encode() for name in fields]
    damaged += [json.dumps({**fields, "more": 1}).encode()]
    damaged += [json.dumps({**fields, name: {"_type": "Nothing"}}).encode() for name in ("phase", "held", "terms")]
    for bad in damaged:
        with pytest.raises(DecodeError, match="not a snapshot"):
            CODER.decode(bad, announced)
    with pytest.raises(DecodeError, match="not a snapshot"):
        CODER.decode(raw, {})
    assert CODER.decode(raw, announced) == cfd


# --- the fingerprint -------------------------------------------------------------------------------------------------


@frozen
class One:
    """A state."""

    id: CfdId
    number: int


@frozen
class Another:
    """A state with one field more."""

    id: CfdId
    number: int
    more: tuple[str, ...] = field(default=())


@frozen
class Around:
    """A state with a state in it."""

    inner: One | None


@frozen
class AroundAnother:
    """The same with another one."""

    inner: Another | None


def doubled(number: int) -> int:
    return 2 * number


def tripled(number: int) -> int:
    return 3 * number


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    program = "from cfd_core.serial.snapshots import FORM; print(FORM)"
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        assert told.stdout.strip() == FORM


def test_the_fingerprint_changes_with_fields_at_any_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    of = snapshot_form.fingerprint
    prints = {of(kind, ()) for kind in (One, Another, Around, AroundAnother, Cfd)}
    assert len(prints) == 5
    assert of(Cfd, ()) == of(Cfd, ())
    before = of(Cfd, ())
    monkeypatch.setattr(snapshot_form, "MEANING", snapshot_form.MEANING + 1)
    assert of(Cfd, ()) != before


def test_the_fingerprint_changes_with_the_code_that_folds_and_codes() -> None:
    of = snapshot_form.fingerprint
    renamed = evolve_name(tripled, "doubled")
    assert of(One, (doubled,)) != of(One, (renamed,))
    assert of(One, (doubled,)) != of(One, ())
    moved = doubled.__code__.replace(co_firstlineno=999)
    assert [*snapshot_form._code(moved)] == [*snapshot_form._code(doubled.__code__)]


def evolve_name(function: Any, name: str) -> Any:
    """The same function under another name."""
    function.__qualname__ = name
    return function
