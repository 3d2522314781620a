"""Collaborative settlements: who proposes which price, and who takes it."""

from decimal import Decimal

from attrs import evolve

from cfd_core import effects as f
from cfd_core.cfd import commands as c
from cfd_core.cfd import decide
from cfd_core.cfd.aggregate import Cfd, Held
from cfd_core.contract.close import build_close, closing_price_position
from cfd_core.engine import runs
from cfd_core.engine.turn import Run, Turn
from cfd_core.errors import CfdError, PeerViolation, RuleViolation
from cfd_core.protocols.settlement import machine
from cfd_core.protocols.settlement import messages as m
from cfd_core.protocols.settlement import states as s
from cfd_core.values import Role, price


def propose(turn: Turn, command: c.ProposeSettlement) -> None:
    """Propose to close at exactly this price."""
    cfd = turn.cfd(command.cfd_id)
    at = price(command.price)
    held = decide.check_can_close(cfd, at)
    if runs.of_cfd(turn, cfd.id) is not None:
        raise RuleViolation("a protocol for this CFD is in flight")
    key = runs.fresh(turn, f"settle:{cfd.id}")
    run = runs.open_run(turn, key, cfd.peer, m.PROTOCOL, bytes(32), cfd_id=cfd.id, ours=True)
    opening = f.OpenStream(run.id, run.peer, m.PROTOCOL)
    runs.follow(turn, run, machine.start_proposer(_settlement(turn, run, cfd, held, at), opening))


def proposed(turn: Turn, run: Run, message: m.Propose) -> None:
    """The counterparty wants to close: a maker takes its own live quote by itself, the rest is for a person."""
    try:
        cfd = turn.cfds.get(message.cfd_id)
        if cfd is None or cfd.peer != run.peer:
            raise PeerViolation("there is no such CFD with you")
        held = decide.check_can_close(cfd, message.price)
        run = evolve(run, cfd_id=cfd.id)
        step = machine.start_accepter(_settlement(turn, run, cfd, held, message.price), message)
        runs.make_way(turn, run, cfd)
        turn.runs[run.id] = run
    except CfdError as error:
        runs.refuse(turn, run, message.cfd_id, str(error))
        return
    runs.follow(turn, run, step)
    if cfd.role is Role.MAKER and message.price in _quotes(turn, cfd):
        runs.answer_run(turn, turn.runs[run.id], s.PriceAccepted())


def _quotes(turn: Turn, cfd: Cfd) -> set[Decimal]:
    """Our live quotes for the side that closes the taker's position."""
    side = closing_price_position(cfd.terms.taker_position)
    fresh = [o for o in turn.offers.values() if o.product == cfd.terms.product and not o.stale(turn.now)]
    return {quote for offer in fresh if (quote := offer.price(side)) is not None}


def _settlement(turn: Turn, run: Run, cfd: Cfd, held: Held, at: Decimal) -> s.Settlement:
    return s.Settlement(
        run=run.id,
        cfd_id=cfd.id,
        role=cfd.role,
        draft=held.live.draft,
        close=build_close(held.live.draft, at),
        keys=turn.keys(cfd.id, held.live.number),
    )
