"""The pump: a turn happens wholly or not at all, and one failure ends nothing but itself."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

import pytest
from attrs import define
from cfd_node import pump as pump_module
from cfd_node.clock import ShiftableClock
from cfd_node.pump import Pump
from cfd_node.supervision import Level
from cfd_store import Batch, MemoryStore, StoreUnavailable, VersionConflict

from cfd_core import effects as f
from cfd_core.cfd import phases as p
from cfd_core.cfd.commands import LearnOffers, PublishOffer, TakeOffer, WithdrawOffer
from cfd_core.cfd.events import OfferPublished
from cfd_core.crypto.keys import Keychain
from cfd_core.crypto.signer import SignerUnavailable
from cfd_core.engine import NODE_STREAM, Engine, Settings
from cfd_core.errors import RuleViolation
from cfd_core.inputs import AnnouncementReceived, TimerFired
from cfd_core.values import HOUR, Network, PeerId, Position, Secret, Timestamp

MAKER = PeerId("SHA256:maker")


class FrailStore(MemoryStore):
    """A store that can be told to fail."""

    failure: Exception | None = None
    refused = 0

    def append_all(self, batches: Sequence[Batch]) -> None:
        if self.failure is not None:
            self.refused += 1
            raise self.failure
        super().append_all(batches)


@define(eq=False)
class Bench:
    """A pump with nothing behind it."""

    pump: Pump
    store: FrailStore
    clock: ShiftableClock
    offer: Any
    ran: list[f.Effect]


@pytest.fixture
async def bench(world: Any) -> AsyncIterator[Bench]:
    store, ran = FrailStore(), list[f.Effect]()
    keychain = Keychain.from_seed(Secret(b"seed" * 8), Network.REGTEST)
    pump = Pump(Settings(network=Network.REGTEST, keychain=keychain), store, world.clock)
    pump.start(ran.append)
    pump.give(AnnouncementReceived(world.event.announcement))
    yield Bench(pump, store, world.clock, world.offer(), ran)
    await pump.stop()


def take(bench: Bench) -> None:
    bench.pump.give(LearnOffers(MAKER, (bench.offer,)))
    bench.pump.give(TakeOffer(MAKER, bench.offer.id, Position.LONG, 1_000, 2, b"e" * 32))


async def test_events_are_stored_then_told_then_acted_on(bench: Bench) -> None:
    order: list[str] = []
    original = bench.store.append_all

    def appended(batches: Sequence[Batch]) -> None:
        order.append("stored")
        original(batches)

    bench.store.append_all = appended  # type: ignore[method-assign]
    bench.pump.subscribe(lambda recorded: order.append(type(recorded.event).__name__))
    bench.pump._run_effect = lambda effect: order.append(type(effect).__name__)
    take(bench)
    assert order == ["stored", "AnnouncementKept", "OrderPlaced", "OpenStream", "SendMessage"]


@pytest.mark.parametrize("failure", [StoreUnavailable("the disk is full"), VersionConflict("offers", 0, 3)])
async def test_when_storing_fails_nothing_has_happened(bench: Bench, failure: Exception) -> None:
    told: list[Any] = []
    bench.pump.subscribe(told.append)
    before = bench.pump.engine
    bench.store.failure = failure
    with pytest.raises(type(failure)):
        bench.pump.give(PublishOffer(bench.offer))
    assert bench.pump.engine is before
    assert (told, bench.ran) == ([], [])
    assert bench.pump.store_problem == str(failure)
    bench.store.failure = None
    bench.pump.give(PublishOffer(bench.offer))
    assert bench.pump.store_problem == ""
    assert [type(event) for event in bench.pump.history(NODE_STREAM)] == [OfferPublished]


async def test_a_refused_command_leaves_the_store_alone(bench: Bench) -> None:
    before = bench.pump.engine
    with pytest.raises(RuleViolation):
        bench.pump.give(WithdrawOffer(bench.offer.id))
    assert bench.pump.engine is before
    assert bench.store.streams() == {}


async def test_what_is_owed_is_asked_for_again_once_the_store_works(
    bench: Bench, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_module, "RETRY_SECONDS", 0.01)
    resumed: list[bool] = []
    monkeypatch.setattr(bench.pump, "resume", lambda: resumed.append(True))
    bench.store.failure = StoreUnavailable("the disk is full")
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            bench.pump.give(PublishOffer(bench.offer))
    await eventually(lambda: bench.store.refused > 10)
    assert resumed == []
    assert bench.pump.store_problem
    bench.store.failure = None
    await eventually(lambda: resumed == [True])
    assert bench.pump.store_problem == ""


async def test_a_failing_effect_or_listener_ends_only_itself(bench: Bench, logged: Any) -> None:
    def stumble(thing: object) -> None:
        bench.ran.append(thing)  # type: ignore[arg-type]
        raise ZeroDivisionError

    bench.pump.subscribe(stumble)
    bench.pump._run_effect = stumble
    take(bench)
    assert [type(thing).__name__ for thing in bench.ran] == ["Recorded", "Recorded", "OpenStream", "SendMessage"]
    assert logged.getvalue().count("\nZeroDivisionError\n") == 4
    assert bench.pump.engine.deadline is not None


async def test_an_exception_in_the_background_ends_only_its_task(bench: Bench, logged: Any, eventually: Any) -> None:
    finished: list[bool] = []

    async def work(good: bool) -> None:
        await asyncio.sleep(0)
        if not good:
            raise ZeroDivisionError
        finished.append(good)

    for number in range(10):
        bench.pump.spawn(work(number % 2 == 0), f"work {number}")
    await eventually(lambda: len(finished) == 5)
    assert logged.getvalue().count("effect failed") == 5


async def test_the_timer_survives_a_store_that_fails(
    bench: Bench, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_module, "RETRY_SECONDS", 0.01)
    take(bench)
    (key,) = bench.pump.engine.cfds
    bench.store.failure = StoreUnavailable("the disk is full")
    bench.clock.turn_to(Timestamp(bench.clock.now() + HOUR))
    await eventually(lambda: bench.store.refused > 5)
    assert isinstance(bench.pump.engine.cfds[key].phase, p.SettingUp)
    bench.store.failure = None
    async with asyncio.timeout(20):
        await bench.pump.until(lambda engine: isinstance(engine.cfds[key].phase, p.SetupFailed))
    assert bench.pump.engine.deadline is None


async def test_a_turn_that_overtakes_the_timer_does_not_put_it_off(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(bench)
    fired = asyncio.Event()
    give = bench.pump.give

    def heard(happened: Any) -> Any:
        if isinstance(happened, TimerFired):
            fired.set()
        return give(happened)

    monkeypatch.setattr(bench.pump, "give", heard)
    monkeypatch.setattr(type(bench.pump.engine), "deadline", None)  # it names only what comes later
    bench.clock.turn_to(Timestamp(bench.clock.now() + HOUR))
    bench.pump.give(LearnOffers(MAKER, ()))  # the timer's task has had no time to wake up
    async with asyncio.timeout(20):
        await fired.wait()


async def test_after_a_stop_nothing_begins_any_more(bench: Bench) -> None:
    await bench.pump.stop()
    take(bench)

    async def work() -> None:
        raise AssertionError

    bench.pump.spawn(work(), "too late")
    bench.store.failure = StoreUnavailable("closed")
    with pytest.raises(StoreUnavailable):
        bench.pump.give(PublishOffer(bench.offer))
    bench.pump.give(TimerFired())
    assert bench.pump._tasks == set()


# --- a signer that is away -------------------------------------------------------------------------------------------


class Stubborn:
    """An engine that gives no step while nobody signs."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.away, self.asked = engine, True, list[Any]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def handle(self, happened: Any, now: Timestamp) -> Any:
        self.asked.append(happened)
        if self.away:
            raise SignerUnavailable("nobody signs")
        return self.engine.handle(happened, now)


async def test_what_nobody_signs_has_not_happened_and_is_said_again_until_somebody_does(
    bench: Bench, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_module, "RETRY_SECONDS", 0.01)
    stubborn = Stubborn(bench.pump.engine)
    bench.pump.engine = cast(Engine, stubborn)
    offers = LearnOffers(MAKER, (bench.offer,))
    with pytest.raises(SignerUnavailable):
        bench.pump.give(offers)
    assert bench.pump.engine is cast(Engine, stubborn)
    waiting = asyncio.create_task(bench.pump.deliver(cast(Any, offers)))
    await eventually(lambda: len(stubborn.asked) > 3)
    assert bench.store.streams() == {}
    stubborn.away = False
    await waiting
    assert bench.pump.engine.market[MAKER] == (bench.offer,)


async def test_when_the_signer_is_back_all_that_waits_goes_on_at_once(
    bench: Bench, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before it would be tried anyway, and the timer asks what was put off."""
    given, give = list[Any](), bench.pump.give

    def heard(happened: Any) -> Any:
        given.append(happened)
        return give(happened)

    monkeypatch.setattr(bench.pump, "give", heard)
    stubborn = Stubborn(bench.pump.engine)
    bench.pump.engine = cast(Engine, stubborn)
    waiting = asyncio.create_task(bench.pump.deliver(cast(Any, LearnOffers(MAKER, (bench.offer,)))))
    await eventually(lambda: len(stubborn.asked) == 1)
    stubborn.away = False
    bench.pump.wake()
    await waiting
    assert bench.pump.engine.market[MAKER] == (bench.offer,)
    await eventually(lambda: TimerFired() in given)


# --- whole nodes whose store fails -----------------------------------------------------------------------------------


@define(eq=False)
class Failing:
    """Makes a node's store fail until told otherwise."""

    node: Any
    original: Callable[[Sequence[Batch]], None]
    broken: bool = True

    @classmethod
    def store_of(cls, node: Any, monkeypatch: pytest.MonkeyPatch) -> "Failing":
        failing = cls(node, node.store.append_all)
        monkeypatch.setattr(node.store, "append_all", failing.append_all)
        return failing

    def append_all(self, batches: Sequence[Batch]) -> None:
        if self.broken:
            raise StoreUnavailable("the disk is full")
        self.original(batches)


async def test_a_maker_whose_disk_is_full_says_so_and_trades_again_later(
    world: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_module, "RETRY_SECONDS", 0.02)
    maker, taker = (maker := await world.maker()), await world.taker(maker)
    offer = await world.publish(maker)
    failing = Failing.store_of(maker, monkeypatch)
    key = await world.take(taker, maker.peer_id, offer)
    assert (await world.phase(taker, key, p.SetupFailed)).reason
    assert key not in maker.engine.cfds
    health = maker.health()
    assert (health["database"].level, health["database"].reason) == (Level.FAILED, "the disk is full")
    assert {health[name].level for name in ("chain", "wallet", "oracle", "network")} == {Level.RUNNING}
    failing.broken = False
    await eventually(lambda: maker.health()["database"].level is Level.RUNNING)
    again = await world.take(taker, maker.peer_id, offer)
    for node in (maker, taker):
        await world.phase(node, again, p.LockPending)


async def test_news_that_could_not_be_stored_come_again(
    world: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock confirms and the oracle attests while the disk is full; neither is lost."""
    monkeypatch.setattr(pump_module, "RETRY_SECONDS", 0.02)
    maker, taker = (maker := await world.maker()), await world.taker(maker)
    key = await world.set_up(maker, taker)
    failing = Failing.store_of(taker, monkeypatch)
    monkeypatch.setattr(taker._protocols.running.poller, "_every", 0.02)
    await world.control.mine()
    await world.phase(maker, key, p.Open)
    world.mature()
    await world.until(maker, lambda: bool(maker.engine.cfds[key].attestations))
    await eventually(lambda: "full" in taker.health()["oracle"].reason)
    assert isinstance(taker.engine.cfds[key].phase, p.LockPending)
    assert taker.health()["database"].level is Level.FAILED
    failing.broken = False
    await world.phase(taker, key, p.Open)
    await world.close(maker, taker, key)


# --- what is logged --------------------------------------------------------------------------------------------------


async def test_no_secret_is_ever_logged(world: Any, logged: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    maker, taker = (maker := await world.maker()), await world.taker(maker)
    key = await world.set_up(maker, taker)

    async def stumble(node: Any) -> None:
        keychain = node.config.keychain
        secrets = keys_of(keychain, key)  # locals of a traceback
        raise ZeroDivisionError(f"with {len(secrets)} secrets at hand")

    for node in (maker, taker):
        node.pump.spawn(stumble(node), "stumble")
    await world.close(maker, taker, key)
    text = logged.getvalue() + caplog.text + repr([maker.config, maker.engine, maker.pump.history(key)])
    assert "effect failed" in text
    assert "secrets at hand" in text
    for node in (maker, taker):
        secrets = [world.seed(node.config.name).reveal(), *keys_of(node.config.keychain, node.engine.cfds[key].key_id)]
        for secret in secrets:
            assert secret.hex() not in text
            assert repr(secret)[2:-1] not in text


def keys_of(keychain: Keychain, key: Any) -> list[bytes]:
    own = keychain.cfd_keys(key, 0)
    found = [own.identity, own.revocation, own.publish, keychain.transport_key(), keychain.wallet_xprv()]
    return [secret.reveal() for secret in found]
