"""A sheet to draw boxes, arrows and words on, written as a small SVG file that says the same on every machine.

Coordinates are whole pixels. Nothing is measured with a font: a character counts as wide as it can be.
"""

from html import escape

INK, SOFT, PALE, PAPER = "#1f2933", "#868e96", "#f1f3f5", "#ffffff"
ACCENTS = ("#1971c2", "#c2255c", "#2f9e44", "#e8590c", "#6741d9", "#0c8599", "#a61e4d", "#5c940d", "#495057", "#862e9c")
CHARACTER = 7
"""The width that is reserved for a character of the normal size (12 px)."""
MARGIN = 16


def width_of(text: str) -> int:
    """Room for these words at the normal size."""
    return len(text) * CHARACTER


class Sheet:
    """Shapes in the order in which they were put down; the size follows from what is on it."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.right = self.bottom = 0
        self._shapes: list[str] = []

    def words(
        self, x: int, y: int, text: str, *, colour: str = INK, anchor: str = "start", bold: bool = False, size: int = 12
    ) -> None:
        """One line of text; `y` is where the letters stand."""
        weight = ' font-weight="600"' if bold else ""
        how = f'font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}'
        self._shapes.append(f'<text x="{x}" y="{y}" {how}>{escape(text)}</text>')
        room = width_of(text) * size // 12
        self._grow(x + {"start": room, "middle": room // 2, "end": 0}[anchor], y + 4)

    def box(self, x: int, y: int, width: int, height: int, *, fill: str = PAPER, line: str = INK) -> None:
        """A box with round corners."""
        self._shapes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{line}"/>'
        )
        self._grow(x + width, y + height)

    def line(self, *points: tuple[int, int], colour: str = INK, arrow: bool = False, dashed: bool = False) -> None:
        """A line through these points, with a head at its last one if it is an arrow."""
        dashes = ' stroke-dasharray="4 3"' if dashed else ""
        path = " ".join(f"{x},{y}" for x, y in points)
        self._shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dashes}/>')
        if arrow:
            self._head(points[-2], points[-1], colour)
        for x, y in points:
            self._grow(x, y)

    def _head(self, before: tuple[int, int], tip: tuple[int, int], colour: str) -> None:
        (x, y), (dx, dy) = tip, (_sign(tip[0] - before[0]), _sign(tip[1] - before[1]))
        back = (x - 8 * dx, y - 8 * dy)
        corners = [tip, (back[0] + 4 * dy, back[1] + 4 * dx), (back[0] - 4 * dy, back[1] - 4 * dx)]
        self._shapes.append(f'<polygon points="{" ".join(f"{a},{b}" for a, b in corners)}" fill="{colour}"/>')

    def _grow(self, x: int, y: int) -> None:
        self.right, self.bottom = max(self.right, x), max(self.bottom, y)

    def svg(self) -> str:
        """The file's text."""
        width, height = self.right + MARGIN, self.bottom + MARGIN
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                f'height="{height}" role="img" font-family="system-ui, sans-serif">',
                f"<title>{escape(self.title)}</title>",
                f'<rect width="{width}" height="{height}" rx="8" fill="{PAPER}"/>',
                *self._shapes,
                "</svg>\n",
            ]
        )


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
