"""Pictures for the concepts. Their figures come from a CFD that the simulator opened, not from a pen."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache

from cfd_core.contract.draft import Draft
from cfd_core.testing import Pair
from docs.drawing.sheet import ACCENTS, MARGIN, PALE, PAPER, SOFT, Sheet, width_of

_LINE = 17
BLUE, RED, GREEN, ORANGE, VIOLET = ACCENTS[:5]


@cache
def example() -> Draft:
    """The contract that the pictures show: 1,000 USD at 50,000, the taker long at 2x, the maker short at 1x."""
    pair = Pair(liquidations=(), tolerance=Decimal("0.05"))
    return pair.opened(leverage=2).draft


def _card(sheet: Sheet, at: tuple[int, int], head: str, lines: Sequence[str], colour: str, fill: str = PAPER) -> int:
    """A titled box; its width is returned."""
    x, y = at
    width = max(width_of(text) for text in (head, *lines)) + 20
    sheet.box(x, y, width, 26 + _LINE * len(lines), line=colour, fill=fill)
    sheet.words(x + 10, y + 18, head, bold=True, colour=colour)
    for number, text in enumerate(lines):
        sheet.words(x + 10, y + 18 + _LINE * (number + 1), text)
    return width


def transactions() -> str:
    """The six transactions of one CFD and what spends what."""
    draft = example()
    sheet = Sheet("The transactions of one CFD: lock, commit, CETs, refund, close and punish")
    lock, commit, refund = draft.lock, draft.commit, draft.refund
    cets = [draft.cet(entry) for entry in draft.entries]
    maker, taker = (f"{out.sats:,}" for out in refund.outputs)
    left, middle, right = MARGIN, 250, 530
    _card(sheet, (left, 60), "coins of both", ["the maker's inputs", "the taker's inputs"], SOFT, PALE)
    sheet.line((left + 146, 86), (middle, 86), arrow=True)
    pool = f"{lock.outputs[0].sats:,} sats: both keys"
    changes = [f"{out.sats:,} change" for out in lock.outputs[1:]]
    wide = _card(sheet, (middle, 46), "lock", [pool, *changes], BLUE)
    sheet.line((middle + wide, 66), (right, 66), arrow=True, colour=GREEN)
    _card(sheet, (right, 46), "close", ["both agree on a price:", "no timelock, no oracle"], GREEN)
    sheet.line((middle + 60, 123), (middle + 60, 190), arrow=True)
    sheet.words(middle + 70, 152, "either side alone,", colour=SOFT)
    sheet.words(middle + 70, 168, "at any time", colour=SOFT)
    held = f"{commit.outputs[0].sats:,} sats: three ways out"
    below = _card(sheet, (middle, 190), "commit", [held, f"{commit.outputs[1].sats} sats anchor, anyone's"], ORANGE)
    ends = (
        (
            126,
            f"CET, one of {len(cets)}",
            ["pays what the attested price says", f"{cets[0].inputs[0].sequence} blocks after the commit"],
            BLUE,
        ),
        (
            206,
            "refund",
            [f"margins back: {maker} and {taker}", f"{refund.inputs[0].sequence} blocks after the commit"],
            VIOLET,
        ),
        (286, "punish", ["all of it to the wronged side", "only if the commit was revoked; at once"], RED),
    )
    for y, head, lines, colour in ends:
        sheet.line(
            (middle + below, 220), (right - 24, 220), (right - 24, y + 28), (right, y + 28), arrow=True, colour=colour
        )
        _card(sheet, (right, y), head, lines, colour)
    return sheet.svg()


def life() -> str:
    """The ways through a CFD's life, as its owner sees them."""
    sheet = Sheet("A CFD's life: offer, setup, open, and the four ways to its end")
    steps = [
        ("offer", "price, terms"),
        ("order", "side, amount"),
        ("setup", "all is signed"),
        ("lock in a block", "it is open"),
    ]
    x = MARGIN
    for number, (head, line) in enumerate(steps):
        wide = _card(sheet, (x, 100), head, [line], BLUE, PALE if number < 2 else PAPER)
        if number < len(steps) - 1:
            sheet.line((x + wide, 122), (x + wide + 34, 122), arrow=True)
        x += wide + 34
    out = x - 34
    sheet.line((out - 40, 100), (out - 40, 64), (out - 90, 64), (out - 90, 100), arrow=True, colour=GREEN)
    sheet.words(out - 150, 40, "rollover: expiry moves on,", colour=GREEN)
    sheet.words(out - 150, 56, "nothing on the chain", colour=GREEN)
    ends = (
        (MARGIN, "close together", "a price both signed: one transaction", GREEN),
        (MARGIN + 64, "force close, then CET", "the oracle's price; 12 blocks between", BLUE),
        (MARGIN + 128, "force close, then refund", "no price ever came; 216 blocks between", VIOLET),
        (MARGIN + 192, "punish", "the other side published an old commit", RED),
    )
    for y, head, line, colour in ends:
        sheet.line((out, 122), (out + 24, 122), (out + 24, y + 22), (out + 48, y + 22), arrow=True, colour=colour)
        _card(sheet, (out + 48, y), head, [line], colour)
    return sheet.svg()


def oracle() -> str:
    """What the oracle publishes, when, and what each side makes of it."""
    sheet = Sheet("The oracle: points before the event, scalars after it")
    sheet.words(MARGIN, 34, "before the event", bold=True)
    sheet.words(MARGIN, 214, "after the event", bold=True)
    first = _card(
        sheet,
        (MARGIN, 50),
        "announcement",
        ["the oracle's key P", "a nonce point for each", "of 20 binary digits"],
        BLUE,
    )
    sheet.line((MARGIN + first, 90), (MARGIN + first + 50, 90), arrow=True)
    x = MARGIN + first + 50
    second = _card(
        sheet,
        (x, 50),
        "attestation point",
        ["of each digit prefix:", "a sum of points that", "anyone can compute"],
        BLUE,
    )
    sheet.line((x + second, 90), (x + second + 50, 90), arrow=True)
    y = x + second + 50
    third = _card(
        sheet,
        (y, 50),
        "adaptor signatures",
        ["one for each CET, of each side,", "encrypted to that CET's point:", "checked, kept, useless so far"],
        ORANGE,
    )
    told = _card(sheet, (MARGIN, 230), "attestation", ["a scalar for each", "digit of the price"], GREEN)
    sheet.line((MARGIN + told, 256), (x, 256), arrow=True)
    known = _card(sheet, (x, 230), "secret", ["the sum of the scalars", "of one prefix only"], GREEN)
    sheet.line((x + known, 256), (y, 256), arrow=True)
    _card(sheet, (y, 230), "one CET, signed", ["its adaptor signature opens;", "all the others stay shut"], GREEN)
    sheet.line((y + third // 2, 128), (y + third // 2, 230), arrow=True, colour=ORANGE)
    sheet.line((x + 40, 128), (x + 40, 230), arrow=True, colour=SOFT, dashed=True)
    sheet.words(x + 50, 182, "secret x G = point", colour=SOFT)
    return sheet.svg()
