"""Stories in which a node's machine is gone, and a backup is put back on another: the newest, or an older one.

A restored node must ask its counterparty and publish nothing that may be revoked. What its books lack, its honest
counterparty ends: then the restored node's own books may stay open for ever, and the coins are there all the same
(`verdict.left_to_peer`). The acts are those of `stories`, and so is the rule that no act relies on one before it.
"""

from collections.abc import Iterator

from cfd_core.cfd import commands as c
from cfd_core.testing.crashes import Act, Story
from cfd_core.testing.pair import Pair
from cfd_core.testing.stories import (
    CANCEL,
    CET,
    CLOSE,
    KEY,
    LIQUIDATION,
    PUNISH,
    TO_THE_END,
    M,
    T,
    cheat,
    close,
    evict,
    fresh,
    later,
    losing,
    mine,
    node_of,
    opened,
    reconnect,
    roll,
    rolled,
    settle,
    speak,
    story,
    take,
    withheld_lock,
)
from cfd_core.values import HOUR, Role

NEWEST = ""


def gone(role: Role, after: str = NEWEST) -> Act:
    """This side's machine; its backup is of right after its last event of this name."""

    def act(pair: Pair) -> None:
        node = node_of(pair, role)
        pair.restore(node, node.backup_after(after))

    return act


def both_gone(taker: str, maker: str) -> Act:
    """Both machines, with a backup each."""

    def act(pair: Pair) -> None:
        backups = [pair.taker.backup_after(taker), pair.maker.backup_after(maker)]
        for node, backup in zip(pair.nodes, backups, strict=True):
            node.lose(backup)
        pair.revive()

    return act


def trust(role: Role) -> Act:
    """Its person says that nothing happened since the backup, if it is in doubt."""

    def act(pair: Pair) -> None:
        node_of(pair, role).command(c.TrustBackup(KEY))
        pair.run()

    return act


def unlinked(pair: Pair) -> None:
    """The two hear nothing of each other any more."""
    pair.cut()
    pair.network.down.add(frozenset(node.peer for node in pair.nodes))


def restores() -> tuple[Story, ...]:
    """All of them, for either side."""
    one = [story for role in Role for story in (*_in_setup(role), *_in_rollover(role), *_in_close(role))]
    return (*one, *_both())


def _in_setup(role: Role) -> Iterator[Story]:
    who, ends = f"the {role.value} is gone", {CET, CANCEL}
    yield story(f"{who} in its setup", fresh, take, gone(role, "OrderPlaced"), mine(1), ends=ends)
    yield story(f"{who} when it had signed the lock", fresh, take, gone(role, "LockSigned"), mine(1), ends=ends)
    yield story(f"{who} before it knew of the CFD", fresh, take, mine(1), gone(role, "AnnouncementKept"), ends=ends)
    yield story(
        f"{who} while the lock is incomplete",
        fresh,
        withheld_lock,
        gone(role, "LockSigned"),
        later(901),
        mine(3),
        ends=ends,
    )


def _in_rollover(role: Role) -> Iterator[Story]:
    who, ends = f"the {role.value} is gone", {CET}
    yield story(f"{who}, with its newest backup", rolled, gone(role), ends=ends)
    for age in ("LockSeen", "RolloverPrepared", "RolloverSigned"):
        yield story(f"{who} after a rollover, with its backup of {age}", opened, roll(T), gone(role, age), ends=ends)
    for number in range(8, 12):  # its last messages: commit signatures and revocations
        for age in ("LockSeen", "RolloverPrepared"):
            yield story(
                f"{who} in a rollover without message {number}, with its backup of {age}",
                opened,
                losing(number, roll(T)),
                gone(role, age),
                ends=ends,
            )
    yield story(f"{who} after two rollovers", rolled, roll(M), gone(role, "LockSeen"), roll(T), ends=ends)
    yield story(f"{who} twice", rolled, gone(role), gone(role, "LockSeen"), ends=ends)
    yield story(
        f"{who}, and nobody answers",
        opened,
        roll(T),
        unlinked,
        gone(role, "LockSeen"),
        speak(26, 60_000),
        later(HOUR),
        *TO_THE_END,
        ends=ends,
    )
    yield story(f"{who}, and the other cheats", rolled, gone(role), cheat(role.other), mine(3), ends={PUNISH, CET})


def _in_close(role: Role) -> Iterator[Story]:
    who, ends = f"the {role.value} is gone", {CLOSE, CET}
    for age in ("LockSeen", "CloseSigned"):
        name = f"{who} in a settlement, with its backup of {age}"
        yield story(name, opened, settle((T, 50_000)), gone(role, age), mine(1), mine(3), ends=ends)
        for number in (2, 3):
            lossy = losing(number, settle((T, 50_000)))
            again = settle((M, 50_000))
            yield story(f"{name}, without message {number}", opened, lossy, gone(role, age), again, mine(3), ends=ends)
    for age in ("LockSeen", NEWEST):
        name = f"{who} after its force close, with {'its newest backup' if age == NEWEST else 'one from before'}"
        yield story(name, opened, close(role), gone(role, age), mine(1), speak(24, 60_000), ends={CET})
        yield story(f"{name}, and evicted", opened, close(role), evict, gone(role, age), mine(2), ends={CET})
        yield story(f"{name}, after a rollover", rolled, close(role), gone(role, age), mine(2), ends={CET})
    forced = (close(role.other), gone(role, "LockSeen"), mine(2))
    yield story(f"{who} while the other forces the close", opened, *forced, ends={CET})
    yield story(
        f"{who} before a liquidation",
        lambda: opened(liquidations=3, maker_leverage=2),
        gone(role),
        speak(2, 20_000),
        *TO_THE_END,
        ends={LIQUIDATION, CET},
    )


def _both() -> Iterator[Story]:
    name = "both are gone"
    yield story(f"{name}, with their newest backups", rolled, both_gone("", ""), trust(T), trust(M), ends={CET})
    for role in Role:
        older = [("", "LockSeen"), ("LockSeen", "")][role is Role.TAKER]
        yield story(
            f"{name}, the {role.value} with an older backup",
            rolled,
            both_gone(*older),
            trust(role.other),
            reconnect,
            ends={CET},
        )
    broken = losing(10, roll(T))
    yield story(f"{name} in a rollover", opened, broken, both_gone("", ""), trust(T), trust(M), ends={CET})
