"""CFDs as models: one row each, and all that is known of one."""

from decimal import Decimal
from typing import Final

from cfd_web import models as m
from cfd_web.models import CfdAction

from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.summary import Summary, summary
from cfd_core.engine.punctual import next_try
from cfd_node.desk.contradictions import outcomes_of
from cfd_node.desk.figures import payoff, percent, rounded
from cfd_node.desk.progress import progress_of
from cfd_node.desk.requests import request_of
from cfd_node.desk.story import moment_of, transactions_of
from cfd_node.node import Node

ACTIONS: Final = {
    "roll over": CfdAction.ROLL_OVER,
    "settle": CfdAction.SETTLE,
    "force close": CfdAction.FORCE_CLOSE,
    "choose": CfdAction.CHOOSE,
}


def row_of(node: Node, cfd: Cfd, price: Decimal | None) -> m.CfdRow:
    """The CFD at a glance; `price` is the market's."""
    engine, now = node.engine, node.clock.now()
    found = summary(cfd, now=now, tip=engine.tip, price=price, deadlines=node.config.policy.deadlines)
    rollover = next_try(cfd, node.config.policy, engine.rollover_tries.get(cfd.id))
    changes: dict[str, object] = {"actions": _actions(node, cfd, found), "rollover_at": rollover}
    unsigned = engine.unsigned.get(cfd.id)
    if unsigned is not None and not cfd.ended:
        changes["warning"] = " ".join(filter(None, (f"Not signed: {unsigned.reason}.", found.warning)))
    return plain_row(cfd, found, price).model_copy(update=changes)


def plain_row(cfd: Cfd, found: Summary, price: Decimal | None) -> m.CfdRow:
    """What the CFD alone tells: without what can be done about it, and when it is rolled over by itself."""
    return m.CfdRow(
        id=cfd.id,
        role=cfd.role,
        peer=cfd.peer,
        product=cfd.terms.product,
        position=cfd.position,
        price=cfd.terms.price,
        quantity=cfd.terms.quantity,
        leverage=found.leverage,
        margin=found.margin,
        pool=found.pool,
        state=found.state,
        meaning=found.meaning,
        warning=found.warning,
        actions=(),
        opened_at=cfd.opened_at,
        expiry=cfd.expiry,
        next=_next(found),
        rollover_at=None,
        funding_rate=cfd.held.live.draft.revision.funding_rate if cfd.held else cfd.terms.funding_rate,
        fees_owed=found.fees_owed,
        liquidation_price=rounded(found.liquidation_price),
        mark_price=None if cfd.ended else price,
        unrealised=found.unrealised,
        realised=found.realised,
        profit_percent=percent(found.profit_percent),
        worst_case=found.worst_case,
        over=cfd.ended,
    )


def _actions(node: Node, cfd: Cfd, found: Summary) -> tuple[CfdAction, ...]:
    answers = (CfdAction.ACCEPT, CfdAction.REJECT) if request_of(node.engine, cfd) is not None else ()
    return (*answers, *(ACTIONS[action] for action in found.actions))


def _next(found: Summary) -> m.Next | None:
    if found.deadline is None:
        return None
    return m.Next(what=found.deadline.what, at=found.deadline.at, height=found.deadline.height)


def detail_of(node: Node, cfd: Cfd, price: Decimal | None) -> m.CfdDetail:
    """The CFD with its explanation; `StoreError` if its history cannot be read."""
    history = node.pump.history(cfd.id)
    curve = cfd.terms.curve_of(cfd.held.live.draft.revision if cfd.held else cfd.terms.first_revision)
    return m.CfdDetail(
        row=row_of(node, cfd, price),
        timeline=tuple(map(moment_of, history)),
        transactions=tuple(transactions_of(cfd, history, node.engine.tip)),
        payoff=payoff(curve, cfd.position),
        progress=progress_of(node, cfd),
        event=cfd.settlement.event_id,
        outcomes=outcomes_of(cfd),
    )
