"""The documents and what is in them, for the tests."""

import re
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")])

FENCED = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^|\n\n)((?: {4}(?![-*\d])[^\n]*\n?)+)")


@frozen
class Block:
    """A code block; `language` is what stands behind the fence."""

    path: Path
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.path.relative_to(ROOT)}: {self.text.strip().partition(chr(10))[0][:60]}"


def blocks() -> list[Block]:
    """Every fenced block of every document."""
    return [
        Block(path, language.strip(), text) for path in DOCUMENTS for language, text in FENCED.findall(path.read_text())
    ]


def prose(path: Path) -> str:
    """A document without its fenced blocks."""
    return FENCED.sub("", path.read_text())


def has_indented_code(path: Path) -> bool:
    """Code that is only indented has no language, so nothing could check it."""
    return any(lines for lines in _INDENTED.findall(prose(path)))
