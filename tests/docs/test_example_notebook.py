"""The notebook's cells run from top to bottom, on a store as nodes write it, and say what is true.

They run here as Jupyter would run them, one after the other in one namespace, without Jupyter itself.
"""

import json
from collections.abc import Iterator
from contextlib import closing, redirect_stdout
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from cfd_store import Batch, SqlStore, sqlite_url

from cfd_core.cfd import commands as c
from cfd_core.testing import Pair
from cfd_core.values import Position
from tests.docs.examples import FOLDER

NOTEBOOK = json.loads((FOLDER / "gains.ipynb").read_text())


@pytest.fixture(scope="module")
def world() -> Pair:
    """A CFD that gained, one that lost, and one that is still open."""
    pair = Pair(liquidations=(), tolerance=Decimal("0.1"))
    for node in pair.nodes:
        node.wallet.receive(5_000_000)
    for position, quantity in ((Position.LONG, 1_000), (Position.SHORT, 500), (Position.LONG, 2_000)):
        order = c.TakeOffer(pair.maker.peer, pair.offer.id, position, quantity, 2, pair.draws.entropy())
        pair.taker.give(order)
        pair.run()
        pair.mine()
    for key in list(pair.taker.engine.cfds)[:2]:
        pair.taker.give(c.ProposeSettlement(key, Decimal(52_000)))
        pair.run()
        pair.maker.give(c.AcceptSettlement(key))
        pair.mine(4)
    return pair


@pytest.fixture
def folder(world: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "identity").write_text("regtest/taker")
    with closing(SqlStore(sqlite_url(tmp_path / "events.sqlite"), "regtest/taker")) as store:
        for record in world.taker.records:
            store.append_all([Batch(record.stream, record.version - 1, (record,))])
        monkeypatch.setenv("CFD_FOLDER", str(tmp_path))
        mpl.use("agg")
        yield tmp_path


def run_cells() -> tuple[dict[str, Any], str]:
    """What the cells leave behind, and what they print."""
    space: dict[str, Any] = {}
    printed = StringIO()
    with redirect_stdout(printed):
        for cell in NOTEBOOK["cells"]:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), f"gains.ipynb, {cell['id']}", "exec"), space)  # noqa: S102
    return space, printed.getvalue()


def test_the_notebook_shows_what_was_gained(folder: Path) -> None:
    space, printed = run_cells()
    long = 1_000 * 10**8 * (52_000 - 50_000) // (52_000 * 50_000)
    gains = [row.realised for row in space["over"]]
    assert gains == pytest.approx([long, -long // 2], abs=1)
    assert space["total"] == [gains[0], sum(gains)]
    assert printed.startswith("3 CFDs: 2 closed, 1 open\n")
    for row in space["over"]:
        assert row.id[:8] in printed
    assert (folder / "gains.png").read_bytes().startswith(b"\x89PNG")
    space["plt"].close("all")


def test_the_notebook_is_one_that_jupyter_opens_and_carries_no_output() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    for cell in NOTEBOOK["cells"]:
        code = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | code
        assert not cell.get("outputs")
