"""Docstrings are plain text with `code` in backticks; Sphinx wants reStructuredText. None can break the build."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

_CODE = re.compile(r"(``[^`]+``|`[^`\n]+`)")
_MARKS = re.compile(r"([\\*_|`])")


def as_rst(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Rewrite the lines of one docstring where they are."""
    lines[:] = list(_paragraphs(lines))


def _paragraphs(lines: list[str]) -> Iterator[str]:
    for is_blank, group in groupby(lines, key=lambda line: not line.strip()):
        if not is_blank:
            yield from _paragraph(list(group))
            yield ""


def _paragraph(lines: list[str]) -> Iterator[str]:
    if all(line.startswith("    ") for line in lines):
        yield "::"
        yield ""
        yield from lines
        return
    items = re.split(r"\n(?=- )", "\n".join(line.strip() for line in lines))
    for item in items:
        if item.startswith("- "):
            yield ""
            yield f"- {_inline(item[2:])}"
            yield ""
        else:
            yield _inline(item)


def _inline(text: str) -> str:
    parts = _CODE.split(" ".join(text.split("\n")))
    return "".join(_literal(part) if number % 2 else _MARKS.sub(r"\\\1", part) for number, part in enumerate(parts))


def _literal(code: str) -> str:
    return rf"\ ``{code.strip('`').strip()}``\ "
