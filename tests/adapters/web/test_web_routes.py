"""Each route asks the desk what it says, and the typed client reads what it answers."""

from decimal import Decimal
from typing import Any

import httpx
import pytest
from cfd_web import models as m
from cfd_web.app import OPENAPI
from cfd_web.client import ApiError, AsyncClient, calls
from cfd_web.models.changes import KINDS
from cfd_web.testing import FakeDesk, samples

from cfd_core.values import Position


async def refused(client: AsyncClient, call: calls.Call[Any], status: int, code: str) -> str:
    with pytest.raises(ApiError) as caught:
        await client.ask(call)
    assert (caught.value.status, caught.value.code) == (status, code)
    return str(caught.value)


async def test_the_node(client: AsyncClient) -> None:
    assert (await client.ask(calls.about())).peer_id == samples.SELF
    assert (await client.ask(calls.tip())).height == 800_000
    assert (await client.ask(calls.health())).level is m.HealthLevel.GOOD
    stopped = await client.ask(calls.act_on_service("chain", m.ServiceAction.STOP))
    assert stopped.state is m.ServiceState.STOPPED
    assert (await client.ask(calls.health())).level is m.HealthLevel.DOWN
    assert await refused(client, calls.tip(), 503, "unavailable") == "the chain is not running"
    await refused(client, calls.act_on_service("chain", m.ServiceAction.STOP), 409, "refused")
    await refused(client, calls.act_on_service("nothing", m.ServiceAction.STOP), 404, "not_known")


async def test_the_log(client: AsyncClient, desk: FakeDesk) -> None:
    desk.node.say("one", cfd="ab" * 16)
    desk.node.say("two", m.LogLevel.ERROR)
    desk.node.say("three", m.LogLevel.DEBUG)
    everything = await client.ask(calls.log(level=m.LogLevel.DEBUG))
    assert ([line.text for line in everything.lines], everything.last) == (["one", "two", "three"], 3)
    assert [line.text for line in (await client.ask(calls.log(level=m.LogLevel.ERROR))).lines] == ["two"]
    assert [line.text for line in (await client.ask(calls.log(cfd="ab"))).lines] == ["one"]
    assert [line.text for line in (await client.ask(calls.log(after=1, limit=1))).lines] == ["two"]


async def test_offers_and_prices(client: AsyncClient, desk: FakeDesk) -> None:
    (maker,) = (await client.ask(calls.offers())).makers
    assert [offer.ask for offer in maker.offers] == [Decimal(50_050)] * 2
    assert (await client.ask(calls.price())).bid == Decimal(49_990)
    desk.down |= {"price", "maker"}
    await refused(client, calls.price(), 503, "unavailable")
    (maker,) = (await client.ask(calls.offers())).makers
    assert (maker.connected, maker.offers) == (False, ())


async def test_an_order_is_previewed_and_taken(client: AsyncClient, desk: FakeDesk) -> None:
    order = samples.order(1_000)
    preview = await client.ask(calls.preview_order(order))
    assert (preview.margin, preview.counterparty_margin) == (999_001, 999_001)
    assert preview.liquidation_price == Decimal("33366.66666667")
    assert preview.payoff[0].gain < 0 < preview.payoff[-1].gain
    assert desk.moved == []
    row = await client.ask(calls.take(order))
    assert (row.state, row.position, row.price) == ("setting up", Position.LONG, Decimal(50_050))
    assert desk.moved == ["take 1000"]
    assert (await client.ask(calls.cfd(row.id))).row == row
    assert (await client.ask(calls.cfds())).cfds == (row,)
    assert (await client.ask(calls.cfds(over=True))).cfds == ()
    assert (await client.ask(calls.cfds(over=False))).cfds == (row,)


async def test_orders_that_are_refused(client: AsyncClient, desk: FakeDesk) -> None:
    await refused(client, calls.take(samples.order(number=9)), 404, "not_known")
    await refused(client, calls.take(samples.order(150)), 409, "refused")
    desk.wallet.spendable = 1
    assert await refused(client, calls.take(samples.order()), 409, "refused") == "the wallet has too little"
    desk.wallet.spendable = 10**8
    desk.down.add("maker")
    await refused(client, calls.take(samples.order()), 503, "unavailable")
    assert desk.moved == []


async def test_what_can_be_done_about_a_cfd(client: AsyncClient, desk: FakeDesk) -> None:
    row = await client.ask(calls.take(samples.order()))
    await refused(client, calls.roll_over(row.id), 409, "refused")
    desk.trading.make_open(row.id)
    preview = await client.ask(calls.preview(row.id, m.CfdAction.ROLL_OVER))
    assert (preview.fee, preview.obstacle) == (48, "")
    rolled = await client.ask(calls.roll_over(row.id))
    assert rolled.expiry == preview.new_expiry
    assert (await client.ask(calls.settle(row.id, Decimal("50100.5")))).state == "settling"
    other = desk.trading.make_open((await client.ask(calls.take(samples.order()))).id)
    assert (await client.ask(calls.force_close(other.id))).state == "closing"
    desk.trading.change(other, actions=(m.CfdAction.CHOOSE,))
    assert "2500" in (await client.ask(calls.choose(other.id, 2_500))).meaning
    assert desk.moved == ["take 1000", "rollover 1", "settle 1 at 50100.5", "take 1000", "close 2", "choose 2"]
    await refused(client, calls.cfd("f" * 32), 404, "not_known")


async def test_requests_are_answered(client: AsyncClient, desk: FakeDesk) -> None:
    first, second = desk.trading.ask(), desk.trading.ask(m.Request.Kind.SETTLEMENT)
    assert await client.ask(calls.requests()) == (first, second)
    await client.ask(calls.accept(first.cfd))
    assert (await client.ask(calls.reject(second.cfd, "not today"))).meaning == "not today"
    assert await client.ask(calls.requests()) == ()
    await refused(client, calls.accept(first.cfd), 409, "refused")


async def test_the_wallet(client: AsyncClient, desk: FakeDesk) -> None:
    assert (await client.ask(calls.new_address())).uri == f"bitcoin:{samples.ADDRESS}"
    send = m.Send(address=samples.ADDRESS, sats=50_000, fee_rate=3)
    preview = await client.ask(calls.preview_send(send))
    sent = await client.ask(calls.send(send))
    assert (sent.sats, sent.fee) == (preview.sats, preview.fee) == (50_000, 423)
    assert (await client.ask(calls.wallet())).spendable == preview.left
    assert [entry.net for entry in (await client.ask(calls.history())).entries] == [-50_423]
    bumped = await client.ask(calls.bump(m.Bump(txid=sent.txid, fee_rate=9)))
    assert bumped.fee == 9 * 141
    drained = await client.ask(calls.send(m.Send(address=samples.ADDRESS, drain=True)))
    assert (await client.ask(calls.wallet())).spendable == 0
    assert desk.moved == ["send 50000", "bump to 9", f"send {drained.sats}"]
    await refused(client, calls.send(m.Send(address="tb1qqqqqqqqqqqqqq", sats=1)), 409, "refused")
    assert (await client.ask(calls.fees())).estimated
    assert (await client.ask(calls.watch_only())).external.startswith("wpkh")


async def test_the_backup_words(client: AsyncClient, desk: FakeDesk) -> None:
    question = await client.ask(calls.backup_question())
    assert (question.confirmed_at, question.ask) == (None, (3, 7, 11))
    wrong = m.BackupAnswer(words={3: "abandon", 7: "zebra", 11: "zoo"})
    assert not (await client.ask(calls.check_backup(wrong))).right
    assert "zebra" not in repr(wrong)
    assert (await client.ask(calls.check_backup(m.BackupAnswer(words={3: "abandon", 7: "zebra", 11: "about"})))).right
    assert (await client.ask(calls.backup_question())).confirmed_at == desk.at


async def test_making(client: AsyncClient) -> None:
    wanted = m.NewOffer(
        bid=Decimal("49900.5"), min_quantity=100, max_quantity=500, leverages=(1, 2), funding_rate=Decimal("-0.0001")
    )
    first = await client.ask(calls.publish(wanted))
    assert (first.bid, first.ask, first.funding_rate) == (Decimal("49900.5"), None, Decimal("-0.0001"))
    second = await client.ask(calls.publish(wanted))
    assert (await client.ask(calls.own_offers())).offers == (second,)
    await client.ask(calls.withdraw(second.id))
    await refused(client, calls.withdraw(second.id), 404, "not_known")
    assert (await client.ask(calls.own_offers())).offers == ()
    assert (await client.ask(calls.exposure())).accept_up_to == 1_000_000
    assert (await client.ask(calls.block(samples.MAKER))).peers == (samples.MAKER,)
    assert (await client.ask(calls.blocked())).peers == (samples.MAKER,)
    assert (await client.ask(calls.unblock(samples.MAKER))).peers == ()
    await refused(client, calls.unblock(samples.MAKER), 404, "not_known")


# --- numbers in JSON -------------------------------------------------------------------------------------------------


async def test_prices_are_text_and_sats_are_whole(owner: httpx.AsyncClient) -> None:
    offer = (await owner.get("/api/v1/offers")).json()["makers"][0]["offers"][0]
    assert (offer["bid"], offer["funding_rate"], offer["opening_fee"]) == ("49950", "0.00024", 250)


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 1.5},
        {"quantity": "1000"},
        {"quantity": True},
        {"quantity": 0},
        {"quantity": 10**10},
        {"leverage": 101},
        {"position": "up"},
        {"offer": "A" * 32},
        {"offer": "0" * 32 + "\n"},
        {"maker": "two words"},
        {"extra": 1},
    ],
    ids=str,
)
async def test_orders_that_are_none(owner: httpx.AsyncClient, desk: FakeDesk, change: dict[str, Any]) -> None:
    body = {**samples.order().model_dump(mode="json"), **change}
    response = await owner.post("/api/v1/cfds", json=body, headers={"Idempotency-Key": "k" * 8})
    assert response.status_code == 422
    assert response.json()["code"] == "invalid_request"
    assert desk.moved == []


@pytest.mark.parametrize("price", [50_000, 50_000.5, "1e5", "-1", "NaN", "", "1.123456789", "٣", "1\n", " 1"])
async def test_prices_that_are_none(owner: httpx.AsyncClient, price: Any) -> None:
    path = f"/api/v1/cfds/{'0' * 32}/settle"
    response = await owner.post(path, json={"price": price}, headers={"Idempotency-Key": "k" * 8})
    assert response.status_code == 422


@pytest.mark.parametrize("send", [{}, {"sats": 1, "drain": True}, {"sats": 0}, {"sats": None, "drain": False}], ids=str)
async def test_sends_that_say_nothing_clear(owner: httpx.AsyncClient, send: dict[str, Any]) -> None:
    response = await owner.post("/api/v1/wallet/send/preview", json={"address": samples.ADDRESS, **send})
    wanted = 422 if send == {"sats": 0} else 409
    assert (response.status_code, response.json()["code"]) == (
        wanted,
        "refused" if wanted == 409 else "invalid_request",
    )


# --- the API's own description ---------------------------------------------------------------------------------------


async def test_the_description_says_who_may_come_in_and_what_events_carry(owner: httpx.AsyncClient) -> None:
    document = (await owner.get(OPENAPI)).json()
    assert document["security"] == [{"token": []}, {"session": []}]
    assert set(document["components"]["schemas"]["Change"]["discriminator"]["mapping"]) == KINDS
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], (method, path)
            keyed = any(p["name"] == "Idempotency-Key" for p in operation.get("parameters", ()))
            assert keyed == ((method, path) in MOVES), (method, path)


MOVES = {
    ("post", "/api/v1/" + path)
    for path in (
        "cfds",
        "cfds/{cfd_id}/rollover",
        "cfds/{cfd_id}/settle",
        "cfds/{cfd_id}/close",
        "cfds/{cfd_id}/choose",
        "requests/{cfd_id}/accept",
        "requests/{cfd_id}/reject",
        "wallet/send",
        "wallet/bump",
        "own-offers",
    )
}


async def test_figures_for_prometheus(owner: httpx.AsyncClient, desk: FakeDesk, client: AsyncClient) -> None:
    await client.ask(calls.take(samples.order()))
    desk.down |= {"chain", "wallet"}
    text = (await owner.get("/api/v1/metrics")).text
    assert 'cfd_contracts{position="long",state="setting up"} 1.0' in text
    assert 'cfd_service_running{service="chain"} 0.0' in text
    assert 'cfd_api_requests_total{method="POST",route="/api/v1/cfds",status="201"} 1.0' in text
    assert "cfd_tip_height" not in text
    assert "cfd_wallet_spendable_sats" not in text
    desk.down.clear()
    text = (await owner.get("/api/v1/metrics")).text
    assert "cfd_tip_height 800000.0" in text
    assert "cfd_wallet_spendable_sats 1e+07" in text
