"""What rolling over, settling or force closing would mean, before anybody is asked."""

import secrets
from fractions import Fraction
from typing import Any

from cfd_web import models as m
from cfd_web.desk import Refused
from cfd_web.models import CfdAction

from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.commands import Command, ForceClose, ProposeSettlement, RollOver
from cfd_core.errors import CfdError
from cfd_core.payouts import rollover_hours
from cfd_core.values import HOUR, Position, Sats, Timestamp, round_half_up
from cfd_node.daemon.taker import NotNow, Taker
from cfd_node.desk.figures import chain_fee

BLOCK: int = 600
TERM: int = 24 * HOUR


def preview_action(taker: Taker, cfd: Cfd, action: CfdAction) -> m.ActionPreview:
    """`Refused` for actions that have no preview."""
    match action:
        case CfdAction.ROLL_OVER:
            return _roll_over(taker, cfd)
        case CfdAction.SETTLE:
            return _settle(taker, cfd)
        case CfdAction.FORCE_CLOSE:
            return _force_close(taker, cfd)
        case _:
            raise Refused(f"there is nothing to preview about {action.value}")


def _preview(taker: Taker, cfd: Cfd, action: CfdAction, command: Command | None, **fields: Any) -> m.ActionPreview:
    told: dict[str, Any] = {
        "obstacle": _obstacle(taker, cfd, command),
        "price": None,
        "payout": None,
        "gain": None,
        "fee": 0,
        "chain_fee": 0,
        "new_expiry": None,
        "money_back_at": None,
    }
    return m.ActionPreview(cfd=cfd.id, action=action, **{**told, **fields})


def _obstacle(taker: Taker, cfd: Cfd, command: Command | None) -> str:
    """Ask the engine, which is a value: nothing happens."""
    if command is None:
        return ""
    if not isinstance(command, ForceClose) and not taker.node.connected(cfd.peer):
        return "the counterparty is not connected"
    try:
        taker.node.engine.handle(command, taker.node.clock.now())
    except CfdError as error:
        return str(error)
    return ""


def _roll_over(taker: Taker, cfd: Cfd) -> m.ActionPreview:
    now = taker.node.clock.now()
    expiry = Timestamp(now // HOUR * HOUR + TERM)
    rate = cfd.held.live.draft.revision.funding_rate if cfd.held else cfd.terms.funding_rate
    try:
        hours = rollover_hours(cfd.expiry, expiry, now)
    except CfdError:
        hours = 0  # the obstacle says so
    funding = cfd.terms.funding_of(rate, hours)
    return _preview(
        taker,
        cfd,
        CfdAction.ROLL_OVER,
        RollOver(cfd.id, secrets.token_bytes(32)),
        steps=(
            "The counterparty is asked, and both sign the contract anew.",
            f"{hours} hours of funding are charged, at the maker's present rate; the figure is at the last one.",
            "Nothing happens on the chain.",
        ),
        fee=funding if cfd.position is Position.LONG else -funding,
        new_expiry=expiry,
    )


def _settle(taker: Taker, cfd: Cfd) -> m.ActionPreview:
    steps = (
        "The counterparty is asked to close at this price.",
        "If it agrees, one transaction pays both; it is final after a few blocks.",
    )
    try:
        price = taker.quote_for(cfd)
    except NotNow as error:
        return _preview(taker, cfd, CfdAction.SETTLE, None, steps=steps, obstacle=str(error))
    curve = cfd.terms.curve_of(cfd.held.live.draft.revision if cfd.held else cfd.terms.first_revision)
    payout = Sats(round_half_up(curve.payout(cfd.position, Fraction(price))))
    return _preview(
        taker,
        cfd,
        CfdAction.SETTLE,
        ProposeSettlement(cfd.id, price),
        steps=steps,
        price=price,
        payout=payout,
        gain=payout - cfd.terms.margin(cfd.role),
        chain_fee=chain_fee(cfd.terms) // 2,
        money_back_at=Timestamp(taker.node.clock.now() + 3 * BLOCK),
    )


def _force_close(taker: Taker, cfd: Cfd) -> m.ActionPreview:
    now = taker.node.clock.now()
    after = max(now + (cfd.terms.cet_timelock + 4) * BLOCK, cfd.expiry + 4 * BLOCK)
    return _preview(
        taker,
        cfd,
        CfdAction.FORCE_CLOSE,
        ForceClose(cfd.id),
        steps=(
            "The commit is published; the counterparty is not asked.",
            f"After {cfd.terms.cet_timelock} blocks, and once the oracle has spoken, the payout by its price follows.",
            "If the oracle never speaks, both get their margins back after "
            f"{cfd.terms.refund_timelock} blocks, fees so far counted.",
        ),
        chain_fee=chain_fee(cfd.terms),
        money_back_at=Timestamp(after),
    )
