"""The stories that a CFD may live, each of a few short acts; `cfd_core.testing.crashes` lets nodes die in them.

No act asserts or relies on what an act before it was to reach: a node may have died in between.
"""

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import commands as c
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import ExitKind
from cfd_core.cfd.evolve import evolve as fold
from cfd_core.engine import Policy
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.rollover import messages as r
from cfd_core.testing.crashes import Act, Story
from cfd_core.testing.node import SimNode
from cfd_core.testing.oracle import START, hours
from cfd_core.testing.pair import Pair
from cfd_core.values import HOUR, CfdId, Position, Role, RunId, Sats

CET, CLOSE, CANCEL = ExitKind.CET, ExitKind.CLOSE, ExitKind.CANCEL
REFUND, PUNISH, LIQUIDATION = ExitKind.REFUND, ExitKind.PUNISH, ExitKind.LIQUIDATION


# --- beginnings ----------------------------------------------------------------------------------------------------


def fresh(liquidations: int = 0, **more: Any) -> Pair:
    """Two who have not traded yet; few CETs."""
    events = hours(1, liquidations) if liquidations else ()
    return Pair(liquidations=events, tolerance=Decimal("0.1"), **more)


def opened(position: Position = Position.LONG, liquidations: int = 0, **more: Any) -> Pair:
    """Two with a confirmed lock."""
    return fresh(liquidations, **more).opened(position=position)


def rolled() -> Pair:
    """Two who have rolled over once."""
    pair = opened()
    roll(Role.TAKER)(pair)
    return pair


# --- acts ----------------------------------------------------------------------------------------------------------


def node_of(pair: Pair, role: Role) -> SimNode:
    """The maker or the taker."""
    return pair.maker if role is Role.MAKER else pair.taker


KEY = CfdId(hashlib.sha256(b"order").digest()[:16].hex())
"""The CFD that `Pair.take` makes."""


def take(pair: Pair) -> None:
    """Order, and all that follows from it."""
    pair.take()
    pair.run()


def approve(pair: Pair) -> None:
    """The maker's person accepts the order."""
    pair.maker.command(c.AcceptOrder(KEY))
    pair.run()


def mine(count: int) -> Act:
    """Blocks."""
    return lambda pair: pair.mine(count)


def later(seconds: int) -> Act:
    """Time passes."""
    return lambda pair: pair.later(seconds)


def entropy(pair: Pair, role: Role) -> bytes:
    """Fresh for each attempt, and the same in each telling."""
    return hashlib.sha256(f"{role} {len(node_of(pair, role).records)}".encode()).digest()


def roll(*who: Role) -> Act:
    """Two hours later these propose to roll over, all before anybody answers."""

    def act(pair: Pair) -> None:
        pair.later(2 * HOUR)
        for role in who:
            node_of(pair, role).command(c.RollOver(KEY, entropy(pair, role)))
        pair.run()

    return act


def settle(*prices: tuple[Role, int]) -> Act:
    """These propose to close at these prices, all before anybody answers; then each accepts what waits for it."""

    def act(pair: Pair) -> None:
        for role, price in prices:
            node_of(pair, role).command(c.ProposeSettlement(KEY, Decimal(price)))
        pair.run()
        for node in pair.nodes:
            node.command(c.AcceptSettlement(KEY))
        pair.run()

    return act


def roll_against_settle(pair: Pair) -> None:
    """One wants to roll over, the other to close, at the same time."""
    pair.later(2 * HOUR)
    pair.taker.command(c.RollOver(KEY, entropy(pair, Role.TAKER)))
    pair.maker.command(c.ProposeSettlement(KEY, Decimal(50_000)))
    pair.run()


def close(*who: Role) -> Act:
    """These force the close."""

    def act(pair: Pair) -> None:
        for role in who:
            node_of(pair, role).command(c.ForceClose(KEY))
        pair.run()

    return act


def speak(hour: int, *prices: int) -> Act:
    """The oracle attests the event of this hour, and it is some minutes after it."""

    def act(pair: Pair) -> None:
        for price in prices:
            pair.oracle.speak(hours(hour, hour)[0], price)
        pair.later(max(START + hour * HOUR + 300 - pair.now, 0))

    return act


def reorg(depth: int, *, forget: bool = False) -> Act:
    """Blocks are undone."""
    return lambda pair: pair.reorg(depth, forget=forget)


def evict(pair: Pair) -> None:
    """The mempool forgets everything."""
    for txid in pair.chain.waiting:
        pair.chain.drop(txid)
    pair.run()


def spike(rate: int) -> Act:
    """Blocks take nothing that pays less; 0 ends it."""

    def act(pair: Pair) -> None:
        pair.chain.block_rate = rate

    return act


def losing(number: int, act: Act) -> Act:
    """The act, with its message of this number lost; then the link breaks."""

    def lossy(pair: Pair) -> None:
        count = iter(range(10**6))
        pair.tamper = lambda _to, raw: None if next(count) == number else raw
        act(pair)
        pair.tamper = lambda _to, raw: raw
        pair.cut()

    return lossy


def withheld_lock(pair: Pair) -> None:
    """The taker's lock signature never arrives."""
    pair.alter(pair.maker, m.LockSignatures, lambda _message: None)
    take(pair)
    pair.cut()


def reconnect(pair: Pair) -> None:
    """The link is up again."""
    pair.reconnect()


def repeat(pair: Pair) -> None:
    """A resume stream on which everything is said once more that the maker ever said in a rollover."""
    said = [x.message for x in pair.maker.done if isinstance(x, f.SendMessage)]
    run = pair.network.open(pair.maker.peer, RunId("stale"), pair.taker.peer)
    if run is not None:
        pair.taker.give(i.StreamOpened(run, pair.maker.peer, r.RESUME_PROTOCOL, bytes(32)))
    for message in said:
        if run is not None and isinstance(message, r.CommitSignature | r.Revocation):
            pair.taker.give(i.MessageReceived(run, message))
    pair.run()


def mute(pair: Pair) -> None:
    """A second rollover in which the maker's commit signature is lost."""
    pair.alter(pair.taker, r.CommitSignature, lambda _message: None)
    roll(Role.TAKER)(pair)
    pair.tamper = lambda _to, raw: raw
    pair.cut()


def revoked_commit(node: SimNode, number: int) -> Transaction | None:
    """The commit of an earlier revision, as this node could have kept it."""
    for stream in node.engine.cfds:
        cfd: Cfd | None = None
        for event in node.events(stream):
            if isinstance(event, e.NodeEvent):
                continue
            cfd = fold(cfd, event)
            if cfd.held is not None and cfd.held.live.number == number:
                return cfd.held.live.sign_commit(node.settings.keychain.cfd_keys(cfd.key_id, number))
    return None


def cheat(role: Role) -> Act:
    """This side publishes its commit of revision 0."""

    def act(pair: Pair) -> None:
        node = node_of(pair, role)
        commit = revoked_commit(node, 0)
        pair.cheats(node)
        if commit is not None and isinstance(node_of(pair, role.other).phase, p.Open):
            pair.chain.submit(commit)
        pair.run()

    return act


# --- the stories ---------------------------------------------------------------------------------------------------


def story(name: str, begin: Callable[[], Pair], *acts: Act, ends: set[ExitKind], price: int | None = 60_000) -> Story:
    """A story; `ends` as `Story.ends`."""
    return Story(name=name, begin=begin, acts=acts, ends=frozenset(ends), price=price)


M, T = Role.MAKER, Role.TAKER
TO_THE_END = (mine(1), mine(11), mine(1), mine(2))
"""From a broadcast commit to a final CET."""


def stories() -> tuple[Story, ...]:
    """All of them."""
    return (*_openings(), *_rollovers(), *_settlements(), *_ends(), *_mishaps())


def _openings() -> tuple[Story, ...]:
    short = story("open", fresh, take, mine(1), ends={CET, CANCEL})
    hourly = story("open with liquidations", lambda: fresh(2), take, mine(1), ends={CET, CANCEL})
    policy = Policy(accept_up_to=Sats(0))
    asked = story(
        "open, asked for by a person",
        lambda: fresh(maker_policy=policy),
        take,
        approve,
        mine(1),
        ends={CET, CANCEL},
    )
    cancelled = story("cancel", fresh, withheld_lock, later(901), later(1300), mine(1), mine(2), ends={CANCEL})
    broken = [
        story(
            f"open, message {n} lost",
            fresh,
            losing(n, take),
            reconnect,
            mine(1),
            later(901),
            mine(3),
            ends={CET, CANCEL},
        )
        for n in range(10)
    ]
    return (short, hourly, asked, cancelled, *broken)


def _rollovers() -> tuple[Story, ...]:
    plain = [story(f"rollover by the {role.value}", opened, roll(role), ends={CET}) for role in Role]
    twice = story("two rollovers", opened, roll(T), roll(M), ends={CET})
    both = story("both propose a rollover", opened, roll(T, M), roll(T), ends={CET})
    auto = story(
        "rollover by itself", lambda: opened(taker_policy=Policy(auto_rollover=True)), later(2 * HOUR + 300), ends={CET}
    )
    hourly = story("rollover with liquidations", lambda: opened(liquidations=23), roll(T), ends={CET})
    broken = [
        story(f"rollover, message {n} lost", opened, losing(n, roll(T)), reconnect, roll(M), ends={CET})
        for n in range(12)
    ]
    return (*plain, twice, both, auto, hourly, *broken)


def _settlements() -> tuple[Story, ...]:
    plain = [
        story(f"settle by the {role.value}", opened, settle((role, 50_000)), mine(1), mine(2), ends={CLOSE, CET})
        for role in Role
    ]
    short = story("settle a short", lambda: opened(Position.SHORT), settle((T, 47_000)), mine(3), ends={CLOSE, CET})
    same = story(
        "both propose a price",
        opened,
        settle((T, 50_000), (M, 50_000)),
        settle((T, 50_000)),
        mine(3),
        ends={CLOSE, CET},
    )
    other = story(
        "two prices", opened, settle((T, 47_000), (M, 52_000)), settle((T, 47_000)), mine(3), ends={CLOSE, CET}
    )
    after = story("settle after a rollover", rolled, settle((T, 50_000)), mine(3), ends={CLOSE, CET})
    crossing = story("rollover against settlement", opened, roll_against_settle, mine(3), ends={CLOSE, CET})
    raced = story(
        "force close against settlement", opened, settle((T, 50_000)), close(M), *TO_THE_END, ends={CLOSE, CET}
    )
    broken = [
        story(
            f"settle, message {n} lost", opened, losing(n, settle((T, 50_000))), reconnect, mine(3), ends={CLOSE, CET}
        )
        for n in range(4)
    ]
    return (*plain, short, same, other, after, crossing, raced, *broken)


def _ends() -> tuple[Story, ...]:
    forced = [
        story(
            f"force close by the {role.value}",
            opened,
            close(role),
            mine(1),
            speak(24, 60_000),
            mine(11),
            mine(1),
            mine(2),
            ends={CET},
        )
        for role in Role
    ]
    both = story("both force the close", opened, close(T, M), mine(1), speak(24, 60_000), mine(12), mine(3), ends={CET})
    after = story(
        "force close after a rollover", rolled, close(M), mine(1), speak(26, 60_000), mine(12), mine(3), ends={CET}
    )
    expired = story("expiry", opened, speak(24, 60_000), later(HOUR), *TO_THE_END, ends={CET})
    liquidated = [
        story(
            f"liquidation of the {name}",
            lambda: opened(liquidations=3, maker_leverage=2),
            speak(2, price),
            *TO_THE_END,
            ends={LIQUIDATION, CET},
        )
        for name, price in (("long", 20_000), ("short", 200_000))
    ]
    refund = story("refund", opened, close(T), mine(1), mine(213), mine(1), mine(1), mine(2), ends={REFUND}, price=None)
    patience = story(
        "refund after patience",
        opened,
        later(36 * HOUR),
        mine(1),
        mine(214),
        mine(2),
        mine(2),
        ends={REFUND},
        price=None,
    )
    punished = [
        story(f"punish the {role.value}", rolled, cheat(role), mine(1), mine(1), mine(1), mine(2), ends={PUNISH, CET})
        for role in Role
    ]
    late = story(
        "punish after a rollover that may have failed", opened, roll(T), cheat(M), mine(1), mine(3), ends={PUNISH, CET}
    )
    return (*forced, both, after, expired, *liquidated, refund, patience, *punished, late)


def _mishaps() -> tuple[Story, ...]:
    commit = (close(T), mine(1), speak(24, 60_000))
    return (
        story("reorg of the lock", opened, reorg(1), mine(1), reorg(1, forget=True), mine(1), ends={CET}),
        story("reorg of the commit", opened, *commit, reorg(1), mine(1), reorg(1, forget=True), mine(13), ends={CET}),
        story(
            "reorg of the CET", opened, *commit, mine(12), reorg(1), mine(1), reorg(1, forget=True), mine(4), ends={CET}
        ),
        story(
            "reorg of the close",
            opened,
            settle((T, 50_000)),
            mine(1),
            reorg(1, forget=True),
            mine(3),
            ends={CLOSE, CET},
        ),
        story(
            "reorg of a punishment",
            rolled,
            cheat(T),
            mine(1),
            reorg(1, forget=True),
            cheat(T),
            mine(1),
            mine(3),
            ends={PUNISH, CET},
        ),
        story("eviction of the lock", fresh, take, evict, mine(1), mine(1), ends={CET, CANCEL}),
        story("eviction of the commit", opened, close(T), evict, mine(1), mine(1), ends={CET}),
        story("a stale resume", rolled, mute, repeat, close(T), *TO_THE_END, ends={CET}),
        story("a fee spike", opened, close(T), spike(40), mine(2), mine(2), mine(2), spike(0), mine(1), ends={CET}),
        story(
            "an oracle that lies", opened, close(T), mine(1), speak(24, 60_000, 40_000), mine(12), mine(3), ends={CET}
        ),
        story(
            "an oracle that is late",
            opened,
            later(36 * HOUR),
            mine(1),
            speak(24, 60_000),
            mine(12),
            mine(3),
            ends={CET},
        ),
    )
