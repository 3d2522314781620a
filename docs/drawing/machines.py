"""Draws a state machine from its table: the states in one column, a lane on the right for each that is jumped to."""

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from docs.drawing.sheet import ACCENTS, INK, MARGIN, PALE, PAPER, SOFT, Sheet, width_of

Table = Mapping[tuple[type, type], tuple[type, ...]]
_SLOT, _LANE, _GAP, _LEAST = 20, 14, 26, 34


@frozen
class Arrow:
    """From one state to another, and all that leads there."""

    start: str
    end: str
    labels: tuple[str, ...]

    @property
    def label(self) -> str:
        return ", ".join(self.labels)


def arrows_of(table: Table) -> list[Arrow]:
    """One arrow per pair of states; what leads back to where it began is left to the listing."""
    found: dict[tuple[str, str], list[str]] = {}
    for (state, arrived), successors in table.items():
        for successor in successors:
            if successor is not state:
                found.setdefault((state.__name__, successor.__name__), []).append(arrived.__name__)
    return [Arrow(start, end, tuple(labels)) for (start, end), labels in found.items()]


def in_order(arrows: Sequence[Arrow]) -> list[str]:
    """The states of a table without loops so that all arrows lead down, its ends last."""
    waiting = list(dict.fromkeys(name for arrow in arrows for name in (arrow.start, arrow.end)))
    starts = {arrow.start for arrow in arrows}
    order: list[str] = []
    while waiting:
        free = [name for name in waiting if not any(a.end == name and a.start in waiting for a in arrows)]
        chosen = next((name for name in free if name in starts), free[0])
        order.append(chosen)
        waiting.remove(chosen)
    return order


def draw(title: str, table: Table, *, order: Sequence[type] = (), busy: Sequence[type] = ()) -> str:
    """The machine as SVG. `order`: the states from top to bottom, where the table has loops; arrows to others are left
    out. `busy`: states that wait for our own side, drawn grey."""
    names = [each.__name__ for each in order]
    arrows = [a for a in arrows_of(table) if not names or (a.start in names and a.end in names)]
    return _Column(title, names or in_order(arrows), arrows, {each.__name__ for each in busy}).drawn()


class _Column:
    """Where everything of one picture stands."""

    def __init__(self, title: str, states: list[str], arrows: list[Arrow], busy: set[str]) -> None:
        self.sheet, self.states, self.arrows, self.busy = Sheet(title), states, arrows, busy
        self.jumps = [a for a in arrows if not self._is_next(a)]
        self.width = max(width_of(state) for state in states) + 24
        self.left = MARGIN + self.width
        self.tops = dict(self._stack())
        self.lanes = sorted({a.end for a in self.jumps}, key=lambda state: (self._span(state), state))
        first = self.left + max((width_of(a.label) for a in self.jumps), default=0) + 24
        self.lane_at = {state: first + _LANE * number for number, state in enumerate(self.lanes)}
        self.colours = {state: ACCENTS[number % len(ACCENTS)] for number, state in enumerate(self.lanes)}

    def _is_next(self, arrow: Arrow) -> bool:
        return self.states.index(arrow.end) == self.states.index(arrow.start) + 1

    def _slots(self, state: str) -> int:
        return any(a.end == state for a in self.jumps) + sum(a.start == state for a in self.jumps)

    def _height(self, state: str) -> int:
        return max(_LEAST, _SLOT * self._slots(state) + 8)

    def _stack(self) -> Iterator[tuple[str, int]]:
        top = MARGIN
        for state in self.states:
            yield state, top
            top += self._height(state) + _GAP

    def _entry(self, state: str) -> int:
        return self.tops[state] + 14

    def _exit(self, arrow: Arrow) -> int:
        """How far down an arrow leaves its state: below where others come in."""
        before = [a for a in self.jumps if a.start == arrow.start].index(arrow)
        return self._entry(arrow.start) + _SLOT * (before + any(a.end == arrow.start for a in self.jumps))

    def _reach(self, state: str) -> list[int]:
        return sorted([self._entry(state), *(self._exit(a) for a in self.jumps if a.end == state)])

    def _span(self, state: str) -> int:
        reach = self._reach(state)
        return reach[-1] - reach[0]

    def drawn(self) -> str:
        for state in self.states:
            self._draw_state(state)
        for arrow in self.arrows:
            if self._is_next(arrow):
                self._draw_step(arrow)
        for arrow in self.jumps:
            self._draw_exit(arrow)
        for state in self.lanes:
            self._draw_lane(state)
        return self.sheet.svg()

    def _draw_state(self, state: str) -> None:
        top, height = self.tops[state], self._height(state)
        ended = all(a.start != state for a in self.arrows)
        fill = INK if ended else PALE if state in self.busy else PAPER
        self.sheet.box(MARGIN, top, self.width, height, fill=fill)
        middle = (MARGIN + self.width // 2, top + height // 2 + 4)
        self.sheet.words(*middle, state, anchor="middle", bold=True, colour=PAPER if ended else INK)

    def _draw_step(self, arrow: Arrow) -> None:
        x, y = MARGIN + self.width // 2, self.tops[arrow.start] + self._height(arrow.start)
        self.sheet.line((x, y), (x, y + _GAP), arrow=True)
        self.sheet.words(x + 8, y + 16, arrow.label, colour=SOFT)

    def _draw_exit(self, arrow: Arrow) -> None:
        y, colour = self._exit(arrow), self.colours[arrow.end]
        self.sheet.line((self.left, y), (self.lane_at[arrow.end], y), colour=colour)
        self.sheet.words(self.left + 8, y - 4, arrow.label, colour=colour)

    def _draw_lane(self, state: str) -> None:
        x, reach, colour = self.lane_at[state], self._reach(state), self.colours[state]
        self.sheet.line((x, reach[0]), (x, reach[-1]), colour=colour)
        self.sheet.line((x, self._entry(state)), (self.left, self._entry(state)), colour=colour, arrow=True)


def listing(table: Table) -> str:
    """The same as text: a Markdown table with a line for each state and what arrives in it."""
    lines = ["| in | arrives | then |", "|---|---|---|"]
    lines += [
        f"| {state.__name__} | {arrived.__name__} | {', '.join(each.__name__ for each in successors)} |"
        for (state, arrived), successors in table.items()
    ]
    return "\n".join(lines)
