"""`cfd explain`: a CFD of a node's folder in words and figures, while the node runs or after."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cfd_node.cli import main
from click.testing import CliRunner, Result

from cfd_core.cfd import phases as p
from cfd_core.cfd.commands import ForceClose
from cfd_core.values import CfdId


def run(folder: Path, cfd_id: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["explain", cfd_id, "--folder", str(folder), *map(str, arguments)])


def explained(folder: Path, cfd_id: str, *arguments: object) -> dict[str, Any]:
    result = run(folder, cfd_id, "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def complaint(result: Result) -> str:
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return str(line)


async def opened(world: Any) -> tuple[Any, Any, CfdId]:
    maker = await world.maker()
    taker = await world.taker(maker)
    key = await world.set_up(maker, taker)
    await world.mine_until(taker, key, p.Open)
    await world.phase(maker, key, p.Open)
    return maker, taker, key


# --- what it tells ---------------------------------------------------------------------------------------------------


async def test_a_whole_life(world: Any) -> None:
    """Asked while the nodes run; the contract is 1,000 at 50,000, the taker long 2x."""
    maker, taker, key = await opened(world)
    check_open(explained(taker.config.folder, key, "--price", 60_000), key)
    other = explained(maker.config.folder, key[:6], "--price", 60_000)
    assert (other["role"], other["position"], other["unrealised"]) == ("maker", "short", -333_333)
    world.mature()
    for node in (maker, taker):
        await world.until(node, lambda node=node: bool(node.engine.cfds[key].attestations))
    waiting = explained(taker.config.folder, key)
    assert waiting["state"] == "open"
    assert waiting["deadline"] == "the position is closed on the chain at 2021-10-04 23:00 UTC"
    assert waiting["actions"] == ["settle", "force close"]
    taker.command(ForceClose(key))
    await world.mine_until(taker, key, p.CommitConfirmed)
    check_closing(explained(taker.config.folder, key), world, taker.engine.cfds[key].phase.commit_height)
    end = await world.close_on_chain(maker, taker, key)
    check_closed(explained(taker.config.folder, key), end)


def check_open(found: dict[str, Any], key: CfdId) -> None:
    assert (found["id"], found["state"], found["role"]) == (key, "open", "taker")
    assert found["meaning"] == "The position is open and enforceable by you alone."
    assert found["actions"] == ["roll over", "settle", "force close"]
    assert found["deadline"] == "expiry at 2021-10-04 22:00 UTC"
    assert (found["margin"], found["pool"], found["worst_case"]) == (1_000_000, 3_000_000, 1_000_000)
    assert found["liquidation_price"] == pytest.approx(100_000 / 3)
    # 2,000,000 - 10^11 / 60,000 sats on a margin of 1,000,000
    assert (found["unrealised"], found["realised"], found["profit_percent"]) == (333_333, None, 33.3333)
    assert found["history"] == ["order placed", "lock signed", "lock completed", "lock seen"]


def check_closing(found: dict[str, Any], world: Any, height: int) -> None:
    assert found["state"] == "closing"
    assert "timelock" in found["meaning"]
    assert found["deadline"] == f"the CET can be sent at block {height + 11}"
    assert (found["actions"], found["realised"], found["worst_case"]) == ([], None, 1_000_000)
    assert found["unrealised"] is None, "no price was given"
    assert "force close started" in found["history"]
    assert world.event.announcement.maturity == found["expiry"]


def check_closed(found: dict[str, Any], end: Any) -> None:
    assert (found["state"], found["meaning"], found["deadline"]) == ("closed", "Ended by CET.", "")
    assert (found["actions"], found["worst_case"], found["unrealised"]) == ([], 0, None)
    assert found["realised"] == end.taker - 1_000_000
    assert found["profit_percent"] == round(found["realised"] / 10_000, 4)
    assert found["history"][-1] == "cfd closed"


async def test_in_words(world: Any) -> None:
    _, taker, key = await opened(world)
    shown = run(taker.config.folder, key, "--price", 60_000)
    assert shown.exit_code == 0
    words = " ".join(shown.stdout.replace("│", " ").split())
    for text in (
        *(key, "open", "enforceable by you alone", "expiry at 2021-10-04 22:00 UTC", "roll over, settle, force close"),
        *("long, 1,000 contracts at 50,000 USD, 2x", "33,333.3 USD", "1,000,000 of 3,000,000 sats", "-1,000,000 sats"),
        "unrealised +333,333 sats (+33.33 %)",
        "fees so far you owe 0 sats",
    ):
        assert text in words


# --- mistakes --------------------------------------------------------------------------------------------------------


async def test_ids_that_name_no_single_cfd(world: Any) -> None:
    maker = await world.maker(sats=0)
    taker = await world.taker(maker)
    offer = await world.publish(maker)
    keys = [await world.take(taker, maker.peer_id, offer) for _ in range(2)]
    for key in keys:
        await world.phase(taker, key, p.SetupFailed)
    folder = taker.config.folder
    assert complaint(run(folder, "zz")) == "Error: no CFD here begins with 'zz'"
    assert complaint(run(folder, "")) == "Error: 2 CFDs begin with '': give more of the ID"
    assert complaint(run(folder, "node"))
    assert len(complaint(run(folder, "\x1b[2J\n" * 100))) < 200
    found = explained(folder, keys[0])
    assert (found["state"], found["realised"], found["worst_case"]) == ("failed", 0, 0)


def foreign_database(folder: Path) -> None:
    (folder / "identity").write_text("regtest/somebody")
    with sqlite3.connect(folder / "events.sqlite") as connection:
        connection.execute("CREATE TABLE accounts (name TEXT)")
    connection.close()


def garbage(folder: Path) -> None:
    (folder / "identity").write_text("regtest/somebody")
    (folder / "events.sqlite").write_bytes(b"garbage" * 1000)


def no_text(folder: Path) -> None:
    (folder / "identity").write_bytes(b"\xff\xfe")
    (folder / "events.sqlite").write_bytes(b"garbage")


def two_lines(folder: Path) -> None:
    (folder / "identity").write_text("a\nb")
    (folder / "events.sqlite").write_bytes(b"garbage")


def no_store(folder: Path) -> None:
    (folder / "identity").write_text("regtest/somebody")


FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "an empty folder": (lambda _folder: None, "is not the folder of a node"),
    "no store": (no_store, "is not the folder of a node"),
    "somebody else's database": (foreign_database, "not an event store"),
    "garbage": (garbage, "does not begin like a SQLite database"),
    "an identity that is no text": (no_text, "is not text"),
    "an identity of two lines": (two_lines, "printable"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_folders_that_are_no_nodes(name: str, tmp_path: Path) -> None:
    make, text = FOREIGN[name]
    make(tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    assert text in complaint(run(tmp_path, "00"))
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_no_folder_at_all(tmp_path: Path) -> None:
    assert "is not the folder of a node" in complaint(run(tmp_path / "nowhere", "00"))
    (tmp_path / "file").write_text("")
    assert "is not the folder of a node" in complaint(run(tmp_path / "file", "00"))


def test_the_folder_above_a_nodes(tmp_path: Path) -> None:
    for name in ("maker", "taker"):
        (tmp_path / name).mkdir()
        no_store(tmp_path / name)
    assert complaint(run(tmp_path, "00")).endswith(f"is not the folder of a node; did you mean {tmp_path / 'taker'}?")


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "cheap"])
def test_bad_prices(price: str, tmp_path: Path) -> None:
    assert "--price" in complaint(run(tmp_path, "00", "--price", price))
