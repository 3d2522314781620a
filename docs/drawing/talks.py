"""Draws what two engines really said to each other in the simulator, and what each stored before it spoke."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from attrs import frozen

from cfd_core.cfd import commands as c
from cfd_core.serial import wire
from cfd_core.testing import Pair, SimNode
from docs.drawing.sheet import ACCENTS, INK, MARGIN, PALE, SOFT, Sheet, width_of

_ROW, _COLUMN = 28, 330
NO_RETURN = ("LockSigned", "RolloverPrepared", "RolloverSigned", "CloseSigned")
"""The points of no return, drawn in colour."""


@frozen
class Said:
    """A message."""

    by_taker: bool
    name: str


@frozen
class Stored:
    """An event of one side's books."""

    by_taker: bool
    name: str


class Listener:
    """Hears everything that two nodes say from now on."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.heard: list[Said | Stored] = []
        self._known = {node.peer: len(node.event_names()) for node in pair.nodes}
        pair.tamper = self._hear

    def _hear(self, receiver: SimNode, raw: bytes) -> bytes:
        self.note_events()
        self.heard.append(Said(receiver is self.pair.maker, type(wire.decode_message(raw)).__name__))
        return raw

    def note_events(self) -> None:
        """What was stored since the last look."""
        for node in self.pair.nodes:
            names = node.event_names()
            self.heard += [Stored(node is self.pair.taker, name) for name in names[self._known[node.peer] :]]
            self._known[node.peer] = len(names)


def _pair() -> Pair:
    return Pair(liquidations=(), tolerance=Decimal("0.05"))


def setup() -> list[Said | Stored]:
    """A contract setup that succeeds."""
    return _listen(_pair(), lambda pair: pair.take(leverage=2))


def rollover() -> list[Said | Stored]:
    """A rollover that succeeds."""
    pair = _pair().opened()
    pair.advance(2 * 3600)
    return _listen(pair, lambda pair: pair.taker.command(c.RollOver(pair.taker.cfd.id, b"r" * 32)))


def settlement() -> list[Said | Stored]:
    """A settlement that succeeds."""
    return _listen(_pair().opened(), _settle)


def _settle(pair: Pair) -> None:
    cfd = pair.taker.cfd.id
    pair.taker.command(c.ProposeSettlement(cfd, Decimal(52_000)))
    pair.run()
    pair.maker.command(c.AcceptSettlement(cfd))


def _listen(pair: Pair, begin: Callable[[Pair], object]) -> list[Said | Stored]:
    listener = Listener(pair)
    begin(pair)
    pair.run()
    listener.note_events()
    return listener.heard


def draw(title: str, heard: Sequence[Said | Stored]) -> str:
    """The conversation from top to bottom: taker left, maker right."""
    sheet = Sheet(title)
    side = max(width_of(each.name) for each in heard if isinstance(each, Stored)) + 24
    taker, maker = MARGIN + side, MARGIN + side + _COLUMN
    bottom = MARGIN + 40 + _ROW * len(heard)
    for x, name in ((taker, "taker"), (maker, "maker")):
        sheet.box(x - 40, MARGIN, 80, 28, fill=PALE)
        sheet.words(x, MARGIN + 18, name, anchor="middle", bold=True)
        sheet.line((x, MARGIN + 28), (x, bottom), colour=SOFT, dashed=True)
    for number, each in enumerate(heard):
        y = MARGIN + 56 + _ROW * number
        here, there = (taker, maker) if each.by_taker else (maker, taker)
        match each:
            case Said():
                sheet.line((here, y), (there, y), arrow=True)
                sheet.words((taker + maker) // 2, y - 5, each.name, anchor="middle")
            case Stored():
                colour = ACCENTS[1] if each.name in NO_RETURN else INK
                width = width_of(each.name) + 16
                x = here - width - 6 if each.by_taker else here + 6
                sheet.box(x, y - 13, width, 20, line=colour)
                sheet.words(x + width // 2, y + 1, each.name, anchor="middle", colour=colour)
    return sheet.svg()
