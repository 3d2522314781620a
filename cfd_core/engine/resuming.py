"""Taking up rollovers that stopped between their points of no return and their end.

A side lacks something exactly while its own books have a step open: the counterparty's commit signature (`Held.next`)
or its revocation (`Held.old`). That side asks, by sending its own messages again; the other answers with what completes
it. Asked on every new connection, after a run that failed, and then ever more seldom. A stream answers once about each
CFD, so nothing can go round in circles.
"""

from collections.abc import Iterator

from attrs import evolve

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import decide
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd, Held
from cfd_core.crypto import secp
from cfd_core.crypto.signer import NOT_SIGNED
from cfd_core.engine import restoring, runs
from cfd_core.engine.settings import Policy
from cfd_core.engine.tries import Tries
from cfd_core.engine.turn import Run, Turn
from cfd_core.errors import CfdError, PeerViolation
from cfd_core.protocols.rollover import messages as m
from cfd_core.values import PeerId, Role, Secret, Timestamp


def peer_connected(turn: Turn, connected: i.PeerConnected) -> None:
    """A new link: ask at once, whatever was tried before."""
    turn.resume_tries.pop(connected.peer, None)
    _ask(turn, connected.peer, connected.entropy)


def node_started(turn: Turn) -> None:
    """What an earlier process left open is asked for like after a failed run."""
    for cfd in turn.cfds.values():
        if _open(cfd):
            turn.resume_tries.setdefault(cfd.peer, Tries(turn.now))


def next_ask(peer: PeerId, tries: Tries, policy: Policy) -> Timestamp:
    """When the peer is asked again."""
    return tries.due(f"resume:{peer}", policy.resume_retry, policy.resume_retry_most)


def ask_due(turn: Turn) -> None:
    """Ask the peers whose time has come."""
    for peer, tries in list(turn.resume_tries.items()):
        if next_ask(peer, tries, turn.policy) <= turn.now:
            entropy = secp.tagged_hash("cfd/resume", f"{peer}:{turn.now}".encode())
            _ask(turn, peer, entropy)


def _ask(turn: Turn, peer: PeerId, entropy: bytes) -> None:
    """Send again what a peer may lack, which it answers with what we lack; nothing while no step is open."""
    unfinished = _unfinished(turn, peer)
    if not unfinished:
        turn.resume_tries.pop(peer, None)
        return
    tries = turn.resume_tries.get(peer)
    turn.resume_tries[peer] = Tries(turn.now) if tries is None else tries.again(turn.now)
    # a run in flight comes to the same
    messages = [x for cfd in unfinished if runs.of_cfd(turn, cfd.id) is None for x in _sent_again(turn, cfd)]
    if not messages:
        return
    key = runs.fresh(turn, f"resume:{peer}")
    runs.open_run(turn, key, peer, m.RESUME_PROTOCOL, entropy, ours=True)
    turn.effects.append(f.OpenStream(key, peer, m.RESUME_PROTOCOL))
    turn.effects.extend(f.SendMessage(key, message) for message in messages)


def _unfinished(turn: Turn, peer: PeerId) -> list[Cfd]:
    return [cfd for key in turn.in_order(turn.with_peer(peer)) if _open(cfd := turn.cfds[key])]


def _open(cfd: Cfd) -> bool:
    open_step = cfd.held is not None and (cfd.held.rolling or restoring.in_doubt(cfd))
    return open_step and not cfd.ended and not isinstance(cfd.phase, p.COMMITTED)


def _sent_again(turn: Turn, cfd: Cfd) -> Iterator[i.Message]:
    held = cfd.held
    if held is None or cfd.ended or isinstance(cfd.phase, p.COMMITTED):
        return
    yield from restoring.question(cfd)
    if held.next is not None:
        yield m.CommitSignature(cfd.id, held.next.dlc.number, held.next.own_commit)
    if held.old is not None:
        yield m.CommitSignature(cfd.id, held.live.number, held.live.own_commit)
    yield from _revocations(turn, cfd, held)


def _revocations(turn: Turn, cfd: Cfd, held: Held) -> Iterator[m.Revocation]:
    """Ours of the revision before the live one; a maker's only after the taker's. Who lacks it asks again later."""
    if held.live.number > 0 and (cfd.role is Role.TAKER or held.old is None):
        number = held.live.number - 1
        try:
            yield m.Revocation(cfd.id, number, turn.keys(cfd.id, number).reveal_revocation().reveal())
        except NOT_SIGNED as error:
            turn.put_off(cfd.id, error)


def resumed(turn: Turn, run: Run, message: i.Message) -> None:
    """A message on a resume stream: check it against the CFD, and answer with what it makes due."""
    try:
        cfd = runs.with_peer(turn, run, message.cfd_id)
        if runs.of_cfd(turn, cfd.id) is not None:
            return  # a live run speaks about it: it will come to the same
        if isinstance(message, m.Holding) and not run.ours:
            turn.effects.extend(f.SendMessage(run.id, told) for told in restoring.answer(cfd, message))
            return
        events = _news(turn, cfd, message)
    except CfdError:
        _close(turn, run)
        return
    if events:
        turn.record(cfd.id, *events)
    answers = _answers(turn, run, turn.cfds[cfd.id], bool(events))
    turn.effects.extend(f.SendMessage(run.id, answer) for answer in answers)
    if run.ours and events and not _unfinished(turn, run.peer):
        turn.resume_tries.pop(run.peer, None)
        _close(turn, run)


def _close(turn: Turn, run: Run) -> None:
    turn.effects.append(f.CloseStream(run.id))
    turn.runs.pop(run.id, None)


def _news(turn: Turn, cfd: Cfd, message: i.Message) -> tuple[e.CfdEvent, ...]:
    match message:
        case m.Holding():
            return restoring.learned(turn, cfd, message)
        case m.CommitSignature(_, number, signature):
            return decide.take_commit_signature(cfd, number, signature)
        case m.Revocation(_, number, secret):
            return decide.take_revocation(cfd, number, Secret(secret), turn.tip)
        case _:
            raise PeerViolation("only commit signatures and revocations are sent again")


def _answers(turn: Turn, run: Run, cfd: Cfd, news: bool) -> tuple[i.Message, ...]:
    """What our news makes due; and once to whoever asked, all that it may lack."""
    if cfd.held is None:
        return ()
    if not run.ours and cfd.id not in run.answered:
        turn.runs[run.id] = evolve(run, answered=run.answered | {cfd.id})
        return tuple(_sent_again(turn, cfd))
    return tuple(_revocations(turn, cfd, cfd.held)) if news else ()
