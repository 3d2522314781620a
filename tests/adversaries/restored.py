"""Stories in which the honest side's machine is gone and a backup is put back: its counterparty knows what it does not.

`newest`: nothing happened since the backup, so after days of silence a person trusts it and forces the close. With an
older backup nobody does; then all that is promised is that nothing revoked is ever published, and that whatever the
liar publishes pays by the revision that it published: what its secrets could have punished, the backup forgot.
"""

from typing import Any, Final

from attrs import field, frozen

from cfd_core import effects as f
from cfd_core.cfd import commands as c
from cfd_core.protocols.rollover import messages as r
from tests.adversaries import stories
from tests.adversaries.verdict import judge

PATIENCE: Final = 40
"""Ticks (hours, while nothing moves) until a person acts, or the world is left as it is."""
WAITS: Final = "waits for its counterparty"


@frozen
class Restored(stories.Story):
    """`before` leaves the backup in `arena.kept`."""

    newest: bool = field(kw_only=True)


def _keep(arena: Any) -> None:
    arena.kept = arena.honest.backup()
    arena.forgot = arena.honest.held.live.number


def _opened(arena: Any) -> None:
    stories.opened(arena)
    _keep(arena)


def _rolled(arena: Any) -> None:
    stories.rolled(arena)
    _keep(arena)


def _behind(arena: Any) -> None:
    _opened(arena)
    stories.roll(arena)


def _far_behind(arena: Any) -> None:
    _behind(arena)
    stories.roll(arena)


def _half_way(arena: Any) -> None:
    stories.rolled(arena)
    arena.kept, arena.forgot = arena.honest.backup_after("RolloverPrepared"), 0


def _forced(arena: Any) -> None:
    """It force-closed in the middle of a rollover, which it forgot; mempools lost the commit."""
    stories.opened(arena)
    arena.alter(arena.honest, r.CommitSignature, lambda _message: None)
    stories.roll(arena)
    arena.tamper = lambda _to, raw: raw
    arena.cut()
    _keep(arena)
    arena.chain_speaks = False
    arena.honest.command(c.ForceClose(arena.honest.cfd.id))
    arena.run()
    for txid in arena.chain.waiting:
        arena.chain.drop(txid)
    arena.chain_speaks = True


def _lose(arena: Any) -> None:
    arena.restore(arena.honest, arena.kept)
    arena.run()


STORIES: Final = (
    Restored("restored", _opened, _lose, newest=True),
    Restored("restored after a rollover", _rolled, _lose, newest=True),
    Restored("restored behind", _behind, _lose, newest=False),
    Restored("restored far behind", _far_behind, _lose, newest=False),
    Restored("restored to half a rollover", _half_way, _lose, newest=False),
    Restored("restored to before its force close", _forced, _lose, newest=False),
)


def play(stage: stories.Stage, story: Restored, liar: Any, strategy: Any, moment: int, prices: str) -> str:
    """One life to its end, or until it is clear that the honest side can only wait; how it ended."""
    arena, worth = stage.begin(story, liar)
    arena.strategy, arena.countdown, arena.path = strategy, moment, stories.PRICES[prices]
    arena.honest.conscience.may_punish = True
    lived = len(arena.honest.done)
    story.during(arena)
    arena.countdown = None
    arena.strike()
    for ticks in range(stories.MOST_TICKS):
        if _over(arena):
            break
        if ticks == PATIENCE and story.newest:
            arena.honest.command(c.TrustBackup(arena.honest.cfd.id))
            arena.honest.command(c.ForceClose(arena.honest.cfd.id))
        if ticks >= PATIENCE and not story.newest and _stuck(arena):
            since = arena.honest.done[lived:]
            assert not any(isinstance(x, f.BroadcastTx) and x.kind == "commit" for x in since), "nothing goes out"
            return WAITS
        stories.tick(arena)
    else:
        raise AssertionError(f"no end: {arena.honest.phase}")
    if story.newest:
        arena.forgot = None
    return judge(arena, worth)


def _spends(arena: Any) -> tuple[Any, Any]:
    """What spends the lock, and what spends that."""
    (lock,) = {dlc.draft.lock_outpoint for dlc in arena.hand_of_all.values()}
    spender = arena.chain.spender(lock)
    return spender, None if spender is None else arena.chain.spender(spender.outpoint(0))


def _over(arena: Any) -> bool:
    if arena.chain.waiting:
        return False
    spender, exit_tx = _spends(arena)
    return spender is not None and (exit_tx is not None or spender.txid not in arena.published)


def _stuck(arena: Any) -> bool:
    """Nothing is on the chain that the honest side's books could go on from."""
    spender, _ = _spends(arena)
    known = {dlc.draft.commit.txid for dlc in arena.honest.held.unrevoked}
    return spender is None or spender.txid not in known
