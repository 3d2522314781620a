"""The pictures and listings in the documents are what the code says today."""

import re
from pathlib import Path

from docs.diagrams import CHARTS, PICTURES, Check, same_numbers
from tests.docs.documents import DOCUMENTS


def test_the_documents_show_what_the_code_says() -> None:
    assert Check(write=False).run() == []


def test_a_chart_with_other_numbers_is_stale() -> None:
    chart = CHARTS["tolerances"]()
    assert same_numbers(chart, (PICTURES / "tolerances.svg").read_text())
    assert not same_numbers(CHARTS["payoffs"](), (PICTURES / "tolerances.svg").read_text())


def test_what_is_stale_is_told_and_mended(tmp_path: Path) -> None:
    page = tmp_path / "page.svg"
    page.write_text("old")
    checking, writing = Check(write=False), Check(write=True)
    checking.settle(page, lambda: "new", current=False)
    assert checking.stale != []
    assert page.read_text() == "old"
    writing.settle(page, lambda: "new", current=False)
    assert writing.stale == []
    assert page.read_text() == "new"


def test_every_picture_is_shown_somewhere_and_says_what_it_is() -> None:
    text = "\n".join(path.read_text() for path in DOCUMENTS)
    shown = set(re.findall(r"!\[[^\]]{5,}\]\([^)]*pictures/([\w-]+\.\w+)\)", text))
    assert {path.name for path in PICTURES.glob("*.*")} - shown == set()
