"""The commands that talk to a running node, over real HTTP to a node whose desk is a fake."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cfd_node.cli import main
from cfd_web import models as m
from cfd_web.access import own_token, publish_address, withdraw_address
from cfd_web.answers import MemoryAnswers
from cfd_web.app import Api, ApiSettings
from cfd_web.server import ApiServer, Listening
from cfd_web.testing import FakeDesk, samples
from click.testing import CliRunner, Result

Run = Callable[..., Result]


class Running:
    """A node's API in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.desk = FakeDesk()
        self._folder, self._ready, self._problem = folder, threading.Event(), ""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()))

    async def _live(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = ApiServer(Api(self.desk, MemoryAnswers(), ApiSettings(token=own_token(self._folder))))
        state = await server.start()
        assert isinstance(state, Listening)
        publish_address(self._folder, state.url, "regtest")
        self._ready.set()
        await self._end.wait()
        await server.stop()
        withdraw_address(self._folder)

    def __enter__(self) -> "Running":
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(60)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[FakeDesk]:
    with Running(tmp_path) as running:
        yield running.desk


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*arguments: object, typed: str = "") -> Result:
        words = [*map(str, arguments), "--folder", str(tmp_path)]
        return CliRunner().invoke(main, words, input=typed, env={"COLUMNS": "200", "CFD_CONFIG": ""})

    return run


def good(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def answer(result: Result) -> Any:
    return json.loads(good(result))


def complaint(result: Result) -> str:
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    (line,) = result.stderr.splitlines()
    return str(line)


# --- trading ---------------------------------------------------------------------------------------------------------


def test_offers(desk: FakeDesk, run: Run) -> None:
    text = good(run("offers"))
    assert "00000000" in text
    assert "50,050" in text
    assert "+0.024%" in text
    assert answer(run("offers", "--json"))["makers"][0]["offers"][0]["ask"] == "50050"
    desk.down.add("maker")
    assert "the maker is not connected: it does not answer" in good(run("offers"))


def test_taking_an_offer(desk: FakeDesk, run: Run) -> None:
    offer = f"{1:032x}"
    asked = run("take", offer, "long", "--quantity", 1_000, "--leverage", 2, typed="n\n")
    assert asked.exit_code == 1
    assert "999,001 of 1,998,002 sats" in asked.stdout
    assert "Take it?" in asked.stderr
    assert "you pay 250 sats" in asked.stdout
    assert "you pay 240 sats" in asked.stdout
    assert "you get 49 sats" in good(run("take", offer, "short", "--quantity", 100, "--dry-run"))
    assert answer(run("take", offer, "short", "--quantity", 100, "--dry-run", "--json"))["price"] == "49950"
    assert desk.moved == []
    taken = good(run("take", offer, "long", "--quantity", 1_000, "--leverage", 2, typed="y\n"))
    assert "setting up" in taken
    row = answer(run("take", offer, "short", "--quantity", 100, "--yes", "--json"))
    assert (row["position"], row["quantity"]) == ("short", 100)
    assert desk.moved == ["take 1000", "take 100"]
    listed = answer(run("list", "--json"))["cfds"]
    assert [found["id"] for found in listed] == [f"{2:032x}", f"{1:032x}"]
    desk.trading.change(desk.trading.rows[f"{2:032x}"], warning="look here")
    assert "! 00000000: look here" in good(run("list"))


def test_those_that_are_over_are_in_the_long_list(desk: FakeDesk, run: Run) -> None:
    assert good(run("list")) == "CFDs: none\n"
    desk.trading.change(desk.trading.begin(samples.order()), state="closed", over=True, realised=0)
    assert good(run("list")) == "CFDs: none open; --all shows those that are over\n"
    assert answer(run("list", "--json"))["cfds"] == []
    assert "closed" in good(run("list", "--all"))


def test_asking_again_with_a_key_does_nothing_twice(desk: FakeDesk, run: Run) -> None:
    words = ("take", f"{1:032x}", "long", "--quantity", 100, "--yes", "--json", "--key", "my-own-key")
    assert answer(run(*words)) == answer(run(*words))
    assert desk.moved == ["take 100"]


def test_the_best_price_for_what_is_wanted(desk: FakeDesk, run: Run) -> None:
    first, second = desk.trading.quotes.values()
    desk.trading.quotes[second.id] = second.model_copy(update={"ask": Decimal(50_040), "bid": Decimal(49_940)})
    for side, price in (("long", "50040"), ("short", "49950")):
        words = ("take", "best", side, "--quantity", 100, "--dry-run", "--json")
        assert answer(run(*words))["price"] == price
    nobody = run("take", "best", "long", "--quantity", 100, "--leverage", 7)
    offered = "on offer: 100 to 10,000 in steps of 100 with 1, 2, 5x"
    assert complaint(nobody) == f"Error: nobody offers 100 contracts long with 7x now; {offered}"
    much = run("take", "best", "short", "--quantity", 10_000_000, "--leverage", 2)
    assert complaint(much) == f"Error: nobody offers 10,000,000 contracts short with 2x now; {offered}"
    desk.trading.quotes[first.id] = first.model_copy(update={"obstacle": "old"})
    assert answer(run("take", "best", "short", "--quantity", 100, "--dry-run", "--json"))["price"] == "49940"
    desk.trading.quotes.clear()
    none = run("take", "best", "long", "--quantity", 100)
    assert complaint(none).endswith("with 1x now; nothing can be taken on that side")


def test_orders_that_are_refused(desk: FakeDesk, run: Run) -> None:
    assert complaint(run("take", "00", "long", "--quantity", 100)).startswith("Error: 2 offers begin with '00'")
    assert complaint(run("take", "ff", "long", "--quantity", 100)) == "Error: no offer begins with 'ff'"
    desk.wallet.spendable = 5
    refused = run("take", f"{1:032x}", "long", "--quantity", 100, "--yes", "--json")
    assert complaint(refused) == "Error: the wallet has too little"
    assert desk.moved == []


@pytest.mark.parametrize(
    ("command", "state", "moved"),
    [("rollover", "open", "rollover 1"), ("settle", "settling", "settle 1"), ("close", "closing", "close 1")],
)
def test_what_can_be_done_about_a_cfd(desk: FakeDesk, run: Run, command: str, state: str, moved: str) -> None:
    row = desk.trading.begin(samples.order())
    assert complaint(run(command, row.id, "--yes", "--json")) == "Error: a CFD that is setting up cannot do that"
    desk.trading.make_open(row.id)
    assert "The counterparty is asked." in good(run(command, row.id, "--dry-run"))
    assert run(command, row.id, typed="\n").exit_code == 1
    assert desk.moved == []
    assert answer(run(command, row.id[:31], "--yes", "--json"))["state"] == state
    assert desk.moved == [moved]


def test_what_only_asks_says_what_was_asked_and_where_to_look(desk: FakeDesk, run: Run) -> None:
    row = desk.trading.make_open(desk.trading.begin(samples.order()).id)
    look = "Look with `cfd explain 00000000`."
    asked = good(run("rollover", row.id, "--yes"))
    assert f"CFD 00000000: the counterparty is asked to roll over. {look}" in asked
    asked = good(run("settle", row.id, "--yes"))
    assert f"the counterparty is asked to close at its price, {row.price:,} when you looked. {look}" in asked
    assert "enforceable by you alone" not in asked
    row = desk.trading.make_open(row.id)
    assert "is asked to close at 50,123.5. Look" in good(run("settle", row.id, "--price", "50123.5", "--yes"))


def test_settling_at_a_price_of_ones_own(desk: FakeDesk, run: Run) -> None:
    row = desk.trading.make_open(desk.trading.begin(samples.order()).id)
    asked = run("settle", row.id, "--price", "50123.5", typed="y\n")
    assert "Propose 50,123.5 instead of the quote above?" in asked.stderr
    assert desk.moved == ["settle 1 at 50123.5"]


def test_choosing_between_two_prices(desk: FakeDesk, run: Run) -> None:
    row = desk.trading.begin(samples.order())
    assert "none" in good(run("choose", row.id))
    desk.trading.change(row, actions=(m.CfdAction.CHOOSE,))
    shown = good(run("choose", row.id))
    assert ("48,935" in shown, "1,998,002" in shown, "+999,001" in shown) == (True, True, True)
    assert (
        complaint(run("choose", row.id, 48_936)) == "Error: the oracle did not sign two prices of which one is 48,936"
    )
    assert run("choose", row.id, 48_935, typed="n\n").exit_code == 1
    assert desk.moved == []
    assert "It settles at 48935." in good(run("choose", row.id, 48_935, typed="y\n"))
    assert [each["outcome"] for each in answer(run("choose", row.id, "--json"))] == [48_935, 60_000]
    assert desk.moved == ["choose 1"]


def test_requests_are_answered(desk: FakeDesk, run: Run) -> None:
    first, second = desk.trading.ask(), desk.trading.ask(m.Request.Kind.SETTLEMENT)
    assert "settlement" in good(run("requests"))
    assert "accepted" in good(run("accept", first.cfd, typed="y\n"))
    assert answer(run("reject", second.cfd, "--reason", "not now", "--yes", "--json"))["meaning"] == "not now"
    assert "none" in good(run("requests"))
    assert complaint(run("accept", first.cfd)) == f"Error: no request begins with '{first.cfd}'"
    assert "ASCII" in complaint(run("reject", first.cfd, "--reason", "naïve"))


# --- offers of our own -----------------------------------------------------------------------------------------------


def test_publishing_and_withdrawing(desk: FakeDesk, run: Run) -> None:
    words = ("offer", "publish", "--bid", "49900.5", "--max", 500, "--leverage", 1, "--leverage", 2, "--yes")
    published = answer(run(*words, "--json"))
    assert (published["bid"], published["ask"], published["leverages"]) == ("49900.5", None, [1, 2])
    assert "49,900.5" in good(run("offer", "list"))
    good(run(*words, "--keep-others"))
    assert len(desk.making.offers) == 2
    assert len(answer(run("offer", "withdraw", published["id"], "--json"))["offers"]) == 1
    assert "none" in good(run("offer", "withdraw", "all"))


def test_offers_that_make_no_sense(desk: FakeDesk, run: Run) -> None:
    assert complaint(run("offer", "publish", "--max", 5)) == "Error: an offer needs a bid or an ask"
    wrong = run("offer", "publish", "--bid", 2, "--ask", 1, "--max", 5)
    assert complaint(wrong) == "Error: the bid is above the ask"
    assert desk.moved == []


# --- the wallet ------------------------------------------------------------------------------------------------------


def test_the_wallet(desk: FakeDesk, run: Run) -> None:
    assert good(run("wallet", "address")).strip() == samples.ADDRESS
    assert "10,000,000" in good(run("wallet", "balance"))
    assert answer(run("wallet", "send", samples.ADDRESS, 5_000, "--dry-run", "--json"))["fee"] == 282
    asked = run("wallet", "send", samples.ADDRESS, 5_000, "--fee-rate", 3, typed="y\n")
    assert "423 sats (3 sat/vB)" in good(asked)
    txid = answer(run("wallet", "history", "--json"))["entries"][0]["txid"]
    assert txid[:16] in good(run("wallet", "history"))
    good(run("wallet", "bump", txid[:16], "--fee-rate", 9, "--yes"))
    good(run("wallet", "send", samples.ADDRESS, "all", "--yes"))
    assert desk.wallet.spendable == 0
    assert "wpkh" in good(run("wallet", "descriptors"))
    assert len(desk.moved) == 3


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((samples.ADDRESS, "1.5"), "an amount is a whole number of sats, or all, not '1.5'"),
        ((samples.ADDRESS, "0"), "sats: Input should be greater than or equal to 1"),
        (("tb1qqqqqqqqqqqqqq", "5"), "that is not an address of regtest"),
        (("x y", "5"), "address: String should match pattern '^[0-9A-Za-z]{14,90}$'"),
    ],
)
def test_sends_that_are_refused(desk: FakeDesk, run: Run, words: tuple[str, str], why: str) -> None:
    assert complaint(run("wallet", "send", *words, "--yes")) == f"Error: {why}"
    assert desk.moved == []


# --- looking after it ------------------------------------------------------------------------------------------------


def test_health(desk: FakeDesk, run: Run) -> None:
    assert "Health: good" in good(run("health", "--check"))
    desk.down.add("chain")
    sick = run("health", "--check")
    assert sick.exit_code == 1
    assert "stopped by the user" in sick.stdout
    assert answer(run("health", "--json"))["level"] == "down"
    assert complaint(run("health", "--restart", "nothing")) == "Error: there is no service 'nothing'"


def test_another_electrum_server(desk: FakeDesk, run: Run) -> None:
    assert desk.node.server == 0
    assert "from tcp://127.0.0.1:50002" in good(run("health", "--next-server"))
    desk.down.add("chain")
    assert complaint(run("health", "--next-server")) == "Error: the service chain cannot do that now"


def test_logs(desk: FakeDesk, run: Run) -> None:
    desk.node.say("the lock is seen", cfd="ab" * 16)
    desk.node.say("bad news", m.LogLevel.ERROR)
    assert good(run("logs")).splitlines() == [
        "2023-11-14 22:13 UTC [info   ] CFD abababab: the lock is seen",
        "2023-11-14 22:13 UTC [error  ] bad news",
    ]
    assert answer(run("logs", "--cfd", "ab", "--json"))["text"] == "the lock is seen"
    assert "bad news" in good(run("logs", "--level", "error"))
    assert "not the beginning of a CFD's ID" in complaint(run("logs", "--cfd", "xyz"))


def test_no_node_runs(run: Run, tmp_path: Path) -> None:
    assert "no node runs in" in complaint(run("health"))
    assert complaint(run("health")).endswith("or name a running node's folder with --folder")
    for name in ("maker", "taker"):
        (tmp_path / name).mkdir()
        publish_address(tmp_path / name, "http://127.0.0.1:9", "regtest")
    assert complaint(run("health")).endswith(f"; did you mean {tmp_path / 'taker'}?")
    own_token(tmp_path)
    publish_address(tmp_path, "http://127.0.0.1:9", "regtest")
    assert "the node does not answer" in complaint(run("offers"))


def test_another_token(desk: FakeDesk, run: Run, tmp_path: Path) -> None:
    (tmp_path / "api-token").unlink()
    own_token(tmp_path)
    assert "Show the node's token" in complaint(run("wallet", "balance"))
    assert desk.moved == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert "_CFD_COMPLETE" in good(result)
