"""The documents do not lie: their links lead somewhere, their Python runs, their commands exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.documents import DOCUMENTS, FENCED, ROOT, prose

NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_COMMAND = re.compile(r"^<!-- command: (\w+) -->\n+```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    return [body for found, body in FENCED.findall(path.read_text()) if found == language]


def anchors(path: Path) -> set[str]:
    """The names a renderer gives to a document's headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose(path))}


def broken_links(path: Path) -> Iterator[str]:
    for link in _LINK.findall(prose(path)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    assert list(broken_links(path)) == []


def test_a_broken_link_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A b\n[1](#a-b) [2](#c) [3](none.md) [4](https://example.org)\n```sh\n[5](none.md)\n```\n")
    assert list(broken_links(page)) == ["#c", "none.md"]


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if blocks(p, "python")], ids=lambda p: str(p.relative_to(ROOT)))
def test_python_in_documents_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {"__name__": "__document__"}
    for number, block in enumerate(blocks(path, "python"), 1):
        exec(compile(block, f"{path.name}, block {number}", "exec"), space)  # noqa: S102


def test_the_readme_has_the_two_commands() -> None:
    commands = dict(_COMMAND.findall((ROOT / "README.md").read_text()))
    assert set(commands) == {"demo", "tests"}
    for session, command in commands.items():
        assert f"nox -s {session}" in command


def test_the_map_names_every_room() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    packages = [path.parent for path in ROOT.glob("cfd_core/*/__init__.py")]
    adapters = [path.parent for path in ROOT.glob("adapters/*/pyproject.toml")]
    assert [
        str(path.relative_to(ROOT)) for path in packages + adapters if f"{path.relative_to(ROOT)}/" not in text
    ] == []


def test_the_map_lists_every_decision() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    assert [path.name for path in ROOT.glob("docs/decisions/*.md") if f"decisions/{path.name}" not in text] == []
