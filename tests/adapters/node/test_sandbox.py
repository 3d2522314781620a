"""The sandbox through its API: a newcomer takes an offer, sees it open, settles, and has the money back."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from cfd_node.cli import main
from cfd_node.clock import ShiftableClock
from cfd_node.commands.explain import explain
from cfd_node.daemon.assembly import Daemon
from cfd_node.logs import LogBook, configure_logs
from cfd_node.sandbox import Sandbox, SandboxPlan
from cfd_web import models as m
from cfd_web.access import find_access
from cfd_web.client import ApiError, AsyncClient, calls
from click.testing import CliRunner

from cfd_core.values import Position

PATIENCE = 120.0


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    book = LogBook()
    configure_logs(logging.ERROR, sys.stderr, book)
    plan = SandboxPlan(folder=tmp_path, maker_port=0, taker_port=0, block_seconds=1)
    async with asyncio.timeout(PATIENCE), Sandbox(plan, ShiftableClock(), book) as world:
        yield world
    structlog.reset_defaults()


def client(daemon: Daemon) -> AsyncClient:
    return AsyncClient(find_access(daemon.node.config.folder))


async def until(ask: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """Ask until the answer is as wanted."""
    async with asyncio.timeout(PATIENCE):
        while not wanted(found := await ask()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return found


async def taken(taker: AsyncClient) -> tuple[m.OrderPreview, m.CfdRow]:
    """Take what is offered, twice with one key. The bot may replace its quote while we look at it: look again."""
    for attempt in range(20):
        found = await until(
            lambda: taker.ask(calls.offers()), lambda o: any(not q.obstacle for mk in o.makers for q in mk.offers)
        )
        (offer,) = found.makers[0].offers
        order = m.Order(maker=offer.maker, offer=offer.id, position=Position.LONG, quantity=1_000, leverage=2)
        try:
            preview = await taker.ask(calls.preview_order(order))
            row = await taker.ask(calls.take(order), key=f"take-this-{attempt}")
        except ApiError as error:
            if error.status != 404:
                raise
            continue
        assert (await taker.ask(calls.take(order), key=f"take-this-{attempt}")) == row
        return preview, row
    raise AssertionError("the quotes go too fast")


def assert_counted(told: list[m.Progress]) -> None:
    """Every step in its order, and all signatures, first ours and then theirs."""
    numbers = [each.number for each in told]
    assert numbers == sorted(numbers)
    assert numbers[-1] == told[0].steps == 10
    counted = [each for each in told if each.total]
    assert {each.step for each in counted} == {"signing cets", "verifying cets"}
    for step in ("signing cets", "verifying cets"):
        done = [each.done for each in counted if each.step == step]
        assert done == sorted(done)
        assert done[-1] == counted[0].total > 100


async def test_from_an_offer_to_money_back(sandbox: Sandbox) -> None:
    heard: list[m.Change] = []
    sandbox.taker.desk.subscribe(heard.append)
    async with client(sandbox.taker) as taker, client(sandbox.maker) as maker:
        about = await taker.ask(calls.about())
        assert (about.sandbox, about.name) == (True, "taker")
        preview, row = await taken(taker)
        assert preview.obstacle == ""
        assert preview.margin + preview.counterparty_margin == preview.pool
        assert preview.payoff[0].payout == 0
        opened = await until(lambda: taker.ask(calls.cfd(row.id)), lambda d: d.row.state == "open")
        assert opened.row.margin == preview.margin
        assert opened.row.liquidation_price == preview.liquidation_price
        assert [tx.kind for tx in opened.transactions] == ["lock"]
        folder = str(sandbox.taker.node.config.folder)
        told = await asyncio.to_thread(CliRunner().invoke, explain, [row.id, "--folder", folder])
        assert "rolls over by itself" in told.stdout
        assert_counted([change.progress for change in heard if isinstance(change, m.ProgressMade)])
        assert opened.timeline[0].title == "order placed"
        assert len((await taker.ask(calls.cfds())).cfds) == 1
        exposure = await maker.ask(calls.exposure())
        assert (exposure.net_quantity, exposure.by_peer[0].short_quantity) == (-1_000, 1_000)
        for action in (m.CfdAction.ROLL_OVER, m.CfdAction.SETTLE, m.CfdAction.FORCE_CLOSE):
            shown = await taker.ask(calls.preview(row.id, action))
            assert shown.steps
        assert (await taker.ask(calls.preview(row.id, m.CfdAction.SETTLE))).obstacle == ""
        await taker.ask(calls.settle(row.id), key="settle-this")
        closed = await until(lambda: taker.ask(calls.cfd(row.id)), lambda d: d.row.over)
        assert closed.row.realised is not None
        wallet = await until(lambda: taker.ask(calls.wallet()), lambda w: w.reserved == 0 and w.pending == 0)
        assert wallet.locked == 0
        lines = await taker.ask(calls.log(cfd=row.id))
        assert any("CfdClosed" in line.text for line in lines.lines)
        assert all(line.cfd == row.id for line in lines.lines)


async def test_wallet_health_and_refusals(sandbox: Sandbox) -> None:
    async with client(sandbox.taker) as taker, client(sandbox.maker) as maker:
        health = await until(lambda: taker.ask(calls.health()), lambda h: h.level is m.HealthLevel.GOOD)
        assert {"chain", "wallet", "oracle", "price feed", "api"} <= {service.name for service in health.services}
        price = await taker.ask(calls.price())
        assert price.ask - price.bid == 1
        wallet = await taker.ask(calls.wallet())
        address = await maker.ask(calls.new_address())
        send = m.Send(address=address.address, sats=100_000)
        preview = await taker.ask(calls.preview_send(send))
        sent = await taker.ask(calls.send(send), key="pay-this")
        assert (sent.sats, sent.fee) == (100_000, preview.fee)
        assert (await taker.ask(calls.send(send), key="pay-this")).txid == sent.txid
        paid = await until(
            lambda: taker.ask(calls.wallet()), lambda w: w.confirmed < wallet.confirmed and not w.pending
        )
        assert paid.confirmed == wallet.confirmed - sent.sats - sent.fee
        history = await taker.ask(calls.history())
        assert history.entries[0].txid == sent.txid
        assert (await taker.ask(calls.watch_only())).external.startswith("wpkh(")
        peer = (await taker.ask(calls.about())).peer_id
        assert (await maker.ask(calls.block(peer))).peers == (peer,)
        assert (await maker.ask(calls.unblock(peer))).peers == ()
        for refusal in (
            taker.ask(calls.cfd("ab" * 16)),
            taker.ask(calls.withdraw("ab" * 16)),
            taker.ask(calls.unblock(peer)),
        ):
            with pytest.raises(ApiError) as refused:
                await refusal
            assert refused.value.status == 404
        stopped = await taker.ask(calls.act_on_service("oracle", m.ServiceAction.STOP))
        assert stopped.state is m.ServiceState.STOPPED
        started = await taker.ask(calls.act_on_service("oracle", m.ServiceAction.START))
        assert started.state is not m.ServiceState.STOPPED


def test_a_sandbox_begins_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "maker").mkdir()
    result = CliRunner().invoke(main, ["sandbox", "--keep", str(tmp_path)])
    assert result.exit_code == 1
    assert "is not empty" in result.stderr


def test_the_command_prints_both_addresses_and_ends(tmp_path: Path) -> None:
    ports = ["--maker-port", "0", "--taker-port", "0", "--stop-after", "0"]
    result = CliRunner().invoke(main, ["sandbox", "--keep", str(tmp_path / "kept"), *ports])
    assert result.exit_code == 0, result.output
    assert result.output.count("http://127.0.0.1:") == 2
    assert f"cfd offers --folder {tmp_path / 'kept' / 'taker'}" in result.output
    structlog.reset_defaults()
