"""One position: what it is, its life, and what can be done about it."""

from typing import Final

from nicegui import ui

from cfd_web import models as m
from cfd_web.client import Call, calls
from cfd_web.models.changes import KINDS
from cfd_web.pages.asking import do_if_agreed
from cfd_web.pages.choosing import choose
from cfd_web.pages.drawing import Patch, figures, payoff, problem, transaction
from cfd_web.pages.frame import frame
from cfd_web.pages.place import Place, keep_fresh, place, quietly
from cfd_web.pages.wording import Wording, utc

VERBS: Final = {
    m.CfdAction.ACCEPT: "Accept",
    m.CfdAction.REJECT: "Reject",
    m.CfdAction.ROLL_OVER: "Roll over",
    m.CfdAction.SETTLE: "Settle",
    m.CfdAction.FORCE_CLOSE: "Force close",
    m.CfdAction.CHOOSE: "Choose a price",
}


async def position_page(cfd_id: str) -> None:
    """One CFD."""
    here = place()
    with frame(here):
        detail = _Detail(here)

    async def refresh() -> None:
        found = await quietly(here, calls.cfd(cfd_id))
        detail.show(found)

    keep_fresh(here, refresh, KINDS)


class _Detail:
    """The parts of the page. Each is drawn anew only when it has changed: whoever reads or presses keeps the place."""

    def __init__(self, here: Place) -> None:
        self._here = here
        self._buttons, self._state = Patch(), Patch()
        with ui.row().classes("w-full items-start max-md:flex-col gap-6"):
            self._figures = Patch("grow")
            self._picture = Patch("grow min-w-[50%] max-md:w-full")
        self._life = Patch()

    def show(self, found: m.CfdDetail | str) -> None:
        """What the node says of it, or why it says nothing."""
        if isinstance(found, str):
            self._state.show(found, lambda: problem(found))
            return
        here, row = self._here, found.row
        self._buttons.show((row.id, row.actions), lambda: _buttons(here, row))
        self._state.show(
            (row.price, row.state, row.meaning, row.next, row.warning, found.progress), lambda: _state(here.say, found)
        )
        values = _figures(here.say, row)
        self._figures.show(values, lambda: figures(values))
        self._picture.show((found.payoff, row.price), lambda: _picture(here.say, found))
        self._life.show((found.timeline, found.transactions, found.event), lambda: _life(here.say, found))


def _state(say: Wording, found: m.CfdDetail) -> None:
    row = found.row
    title = f"{row.position.value.capitalize()} {say.whole(row.quantity)} USD at {say.usd(row.price)}"
    ui.label(title).classes("text-2xl")
    ui.label(f"{row.state}: {row.meaning}").classes("text-lg").props('aria-live="polite"')
    if row.next is not None:
        when = utc(row.next.at) if row.next.at is not None else f"block {say.whole(row.next.height or 0)}"
        ui.label(f"By itself, at {when}: {row.next.what}")
    if row.warning:
        problem(row.warning)
    if found.progress is not None:
        _progress(say, found.progress)


def _progress(say: Wording, made: m.Progress) -> None:
    """Which step of what, and how much of it."""
    ui.label(say.progress(made)).props('role="status"')
    if made.total:
        ui.linear_progress(made.done / made.total, show_value=False).props('aria-label="Progress"')
    else:
        ui.linear_progress(show_value=False).props('indeterminate aria-label="Progress"')


def _picture(say: Wording, found: m.CfdDetail) -> None:
    if found.payoff:
        ui.label("What you gain or lose, by the price at the end").classes("font-medium")
        ui.echart(payoff(say, found.payoff, found.row.price), renderer="svg").classes("w-full h-64")


def _buttons(here: Place, row: m.CfdRow) -> None:
    with ui.row():
        for action in row.actions:
            ui.button(VERBS[action], on_click=lambda action=action: _act(here, row, action)).props(
                "outline color=negative" if action is m.CfdAction.FORCE_CLOSE else ""
            )


def _life(say: Wording, found: m.CfdDetail) -> None:
    """What happened, with the transactions."""
    ui.label("Its life so far").classes("text-lg")
    with ui.timeline(side="right"):
        for moment in found.timeline:
            with ui.timeline_entry(moment.meaning, title=moment.title, subtitle=utc(moment.at) if moment.at else None):
                if moment.txid is not None:
                    transaction(say, moment.txid)
    if found.transactions:
        ui.label("Its transactions").classes("text-lg")
    for tx in found.transactions:
        mined = f"block {say.whole(tx.height or 0)}, {say.whole(tx.confirmations)} deep"
        ui.label(f"{tx.kind}, {'not in a block yet' if tx.height is None else mined}:").classes("text-sm")
        transaction(say, tx.txid)
    ui.label(f"Oracle event {found.event}").classes("text-xs break-all opacity-80")


def _figures(say: Wording, row: m.CfdRow) -> list[tuple[str, str]]:
    gain = row.realised if row.over else row.unrealised
    percent = "" if row.profit_percent is None else f" ({say.percent(row.profit_percent / 100, digits=1)})"
    return [
        ("Margin", f"{say.money(row.margin)} of {say.money(row.pool)}"),
        ("Gain", say.money(gain, sign=True) + percent),
        ("Liquidation price", say.usd(row.liquidation_price) + distance(say, row)),
        ("Expiry", utc(row.expiry)),
        ("Rolled over by itself", utc(row.rollover_at) if row.rollover_at is not None else "no"),
        ("Fees so far", say.money(row.fees_owed, sign=True)),
        ("Worst case", say.money(-row.worst_case)),
    ]


def distance(say: Wording, row: m.CfdRow) -> str:
    """How far the price must go until the liquidation price, as a fraction of the price now; may be empty."""
    if row.liquidation_price is None or row.mark_price is None or not row.mark_price:
        return ""
    return f" ({say.percent(row.liquidation_price / row.mark_price - 1, digits=1)})"


async def _act(here: Place, row: m.CfdRow, action: m.CfdAction) -> None:
    """Say what will happen, ask, and do it once."""
    if action is m.CfdAction.CHOOSE:
        await choose(here, row)
        return
    if action in (m.CfdAction.ACCEPT, m.CfdAction.REJECT):
        sentences, obstacle = [f"{VERBS[action]} what the counterparty asks for?"], ""
    else:
        preview = await quietly(here, calls.preview(row.id, action))
        if isinstance(preview, str):
            sentences, obstacle = [], preview
        else:
            sentences, obstacle = _means(here.say, preview), preview.obstacle
    if obstacle:
        ui.notify(obstacle, type="negative")
        return

    def draw() -> None:
        ui.label(f"{VERBS[action]}?").classes("text-lg")
        for sentence in sentences:
            ui.label(sentence)

    await do_if_agreed(here, "Go on", draw, _call(row.id, action), lambda done: f"{done.state}: {done.meaning}")


def _means(say: Wording, preview: m.ActionPreview) -> list[str]:
    found = list(preview.steps)
    if preview.price is not None:
        paid = f"{say.money(preview.payout)} ({say.money(preview.gain, sign=True)})"
        found.append(f"At {say.usd(preview.price)}; you are paid {paid}.")
    chain_fee = say.money(preview.chain_fee)
    found.append(f"It costs {say.money(preview.fee)} of funding and about {chain_fee} of transaction fees.")
    if preview.new_expiry is not None:
        found.append(f"The new expiry is {utc(preview.new_expiry)}.")
    if preview.money_back_at is not None:
        found.append(f"The money is back about {utc(preview.money_back_at)}.")
    return found


def _call(cfd_id: str, action: m.CfdAction) -> Call[m.CfdRow]:
    match action:
        case m.CfdAction.ACCEPT:
            return calls.accept(cfd_id)
        case m.CfdAction.REJECT:
            return calls.reject(cfd_id, "rejected by the user")
        case m.CfdAction.ROLL_OVER:
            return calls.roll_over(cfd_id)
        case m.CfdAction.SETTLE:
            return calls.settle(cfd_id)
        case m.CfdAction.FORCE_CLOSE:
            return calls.force_close(cfd_id)
        case m.CfdAction.CHOOSE:
            raise ValueError("which of the outcomes")
