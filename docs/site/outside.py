"""Links to what is in the repository and not among the pages: on the pages their words stay, without the link."""

import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#:]+\.md)(#[^)\s]*)?\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
FORMS = "templates"
"""The folder of docs/ that holds forms, not pages."""


def unlink(app: Any, page: str, source: list[str]) -> None:
    """Called with the text of each page before it is read."""
    root = Path(app.srcdir)
    parts = _FENCE.split(source[0])
    source[0] = "".join(part if number % 2 else without(part, root / page, root) for number, part in enumerate(parts))


def without(text: str, page: Path, root: Path) -> str:
    """The text with only the links left that lead to a page."""

    def judged(found: re.Match[str]) -> str:
        target = (page.parent / found[2]).resolve()
        inside = target.is_relative_to(root) and not target.is_relative_to(root / FORMS)
        return found[0] if inside or not target.exists() else found[1]

    return _LINK.sub(judged, text)
