"""A peer of a later release: what it says in its own version is refused clearly, and nothing else is touched."""

import json
from typing import Any

import pytest
from attrs import evolve

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.errors import DecodeError
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.rollover import messages as r
from cfd_core.protocols.settlement import messages as t
from cfd_core.serial import wire
from cfd_core.values import HOUR, RunId

SPOKEN = (m.PROTOCOL, r.PROTOCOL, t.PROTOCOL, r.RESUME_PROTOCOL)


def as_version(raw: bytes, version: int) -> bytes:
    return json.dumps({**json.loads(raw), "v": version}).encode()


@pytest.mark.parametrize("protocol", SPOKEN)
def test_a_later_protocol_is_closed_without_a_run(pair: Any, protocol: str) -> None:
    later = protocol.replace("@1", "@2")
    assert later != protocol
    before = pair.maker.engine
    step = before.handle(i.StreamOpened(RunId("in"), pair.taker.peer, later, bytes(32)), pair.maker.now)
    assert step.effects == (f.CloseStream(RunId("in")),)
    assert step.events == ()
    assert not step.engine.runs


def test_both_sides_can_tell_from_the_name_what_is_spoken(pair: Any) -> None:
    """The shell refuses the stream by its name; the engine hears it and says so to the user."""
    pair.take()
    run = next(iter(pair.taker.engine.runs))
    pair.taker.give(i.StreamClosed(run, f"the peer does not speak {m.PROTOCOL}"))
    assert pair.taker.phase == p.SetupFailed("the peer does not speak cfd-setup@1")


def test_a_first_line_of_a_later_version_begins_nothing(pair: Any) -> None:
    pair.tamper = lambda _to, raw: as_version(raw, 2) if b'"type":"order"' in raw else raw
    pair.take()
    pair.run()
    assert not pair.maker.engine.cfds
    assert not pair.maker.engine.runs
    assert isinstance(pair.taker.phase, p.SetupFailed)


@pytest.mark.parametrize("kind", [m.Params, m.Agreement])
def test_a_later_line_of_a_later_version_ends_the_run_with_the_reason(pair: Any, kind: type) -> None:
    pair.alter(pair.maker, kind, lambda message: as_version(wire.encode_message(message), 2))
    pair.take()
    pair.run()
    for node in pair.nodes:
        assert isinstance(node.phase, p.SetupFailed)
        assert "message version 2 is not 1" in node.phase.reason
        assert not node.engine.runs
        assert not node.wallet.reserved


def test_an_open_cfd_is_not_touched(open_pair: Any) -> None:
    pair = open_pair
    live = pair.draft
    pair.later(2 * HOUR)
    pair.tamper = lambda _to, raw: as_version(raw, 2)
    for command in (
        c.RollOver(pair.taker.cfd.id, bytes(32)),
        c.ProposeSettlement(pair.taker.cfd.id, pair.offer.bid),
    ):
        pair.taker.give(command)
        pair.run()
    pair.reconnect()
    for node in pair.nodes:
        assert isinstance(node.phase, p.Open)
        assert node.cfd.held.live.draft == live
        assert not node.engine.runs


def test_offers_of_a_later_version_are_refused(pair: Any) -> None:
    line = wire.encode_offers((evolve(pair.offer),))
    assert wire.decode_offers(line) == (pair.offer,)
    with pytest.raises(DecodeError, match="message version 2 is not 1"):
        wire.decode_offers(as_version(line, 2))
