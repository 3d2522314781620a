"""After a restore from a backup: ask each counterparty where it stands, and tell those who ask."""

from collections.abc import Iterator

from cfd_core.cfd import decide
from cfd_core.cfd import events as e
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.revisions import revoked_of
from cfd_core.cfd.standing import Standing
from cfd_core.engine.tries import Tries
from cfd_core.engine.turn import Turn
from cfd_core.protocols.rollover import messages as m


def store_restored(turn: Turn) -> None:
    """Doubt every contract that is alive, and ask about it."""
    for cfd in list(turn.cfds.values()):
        events = decide.restored(cfd, turn.now)
        if events:
            turn.record(cfd.id, *events)
            turn.resume_tries.setdefault(cfd.peer, Tries(turn.now))


def in_doubt(cfd: Cfd) -> bool:
    """Whether the counterparty is to be asked."""
    return cfd.standing is Standing.UNSURE


def question(cfd: Cfd) -> Iterator[m.Holding]:
    """What is asked, as long as it is not answered."""
    if cfd.held is not None and in_doubt(cfd):
        yield m.Holding(cfd.id, cfd.held.live.number, b"")


def answer(cfd: Cfd, asked: m.Holding) -> Iterator[m.Holding]:
    """Where we stand; nothing while we are in doubt ourselves."""
    if cfd.held is None or cfd.doubt:
        return
    revoked = revoked_of(cfd.held, asked.number)
    yield m.Holding(cfd.id, cfd.held.live.number, revoked.secret.reveal() if revoked is not None else b"")


def learned(turn: Turn, cfd: Cfd, told: m.Holding) -> tuple[e.CfdEvent, ...]:
    """What an answer changes."""
    if cfd.held is None:
        return ()
    return decide.learn_standing(cfd, turn.keys(cfd.id, cfd.held.live.number), told.number, told.secret)
