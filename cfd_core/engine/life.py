"""The life of a CFD after its setup: what chain, oracle, wallet, store and clock tell."""

from collections.abc import Collection

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.psbt import final_witnesses
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import decide
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.owed import BLOCK_SECONDS, cancel_transaction, cancellable_since, waiting
from cfd_core.cfd.react import rollover_open_until
from cfd_core.contract.witness import check_witness
from cfd_core.crypto.signer import NOT_SIGNED
from cfd_core.engine import punctual, resuming, runs
from cfd_core.engine.settings import Policy
from cfd_core.engine.turn import Turn
from cfd_core.errors import DecodeError, PeerViolation
from cfd_core.values import CfdId, EventId, Timestamp

RESENT = (f.BroadcastTx, f.BumpFee, f.SignCancel)
"""Asked again with every block and timer: harmless twice, dear when lost."""


def drop_lost_setups(turn: Turn) -> None:
    """After a start the runs of before are gone; setups that had not signed the lock end."""
    for cfd in list(turn.cfds.values()):
        if isinstance(cfd.phase, p.SettingUp) and runs.of_cfd(turn, cfd.id) is None:
            turn.record(cfd.id, e.ContractSetupFailed("the node was restarted during contract setup"))


def tidy(turn: Turn) -> None:
    """After a start: free and delete again what the process may have died just before freeing or deleting."""
    for cfd in turn.cfds.values():
        if isinstance(cfd.phase, p.Rejected | p.SetupFailed):
            turn.effects.append(f.ReleaseCoins(cfd.id))
        elif cfd.held is not None and cfd.held.revoked and not cfd.ended:
            turn.effects.append(f.DropRevision(cfd.id, cfd.held.revoked[-1].number))


def force_close(turn: Turn, key: CfdId) -> None:
    """Publish the live commit now; whatever protocol is in flight ends."""
    cfd = turn.cfd(key)
    keys = turn.keys(key, cfd.held.live.number if cfd.held else 0)
    events = decide.force_close(cfd, keys, turn.tip)
    run = runs.of_cfd(turn, key)
    if run is not None:
        runs.give_up(turn, run.id, "the CFD is being closed", tell=True)
    turn.record(key, *events)


def outpoint(turn: Turn, report: i.OutpointReport) -> None:
    for key in sorted(turn.index.watching.get(report.outpoint, ())):
        # one report may tell of several steps: what an event makes visible is looked at again
        while events := decide.observe(turn.cfds[key], report, turn.tip):
            turn.record(key, events[0])


def tip_changed(turn: Turn, height: int) -> None:
    index = turn.index
    asked = _held(turn, index.stirring | index.unasked | turn.timely)
    before = {key: set(turn.owed(cfd)) for key, cfd in asked}
    turn.tip = height
    for key, _ in asked:
        turn.react(key)
        now_owed = turn.owed(turn.cfds[key])
        again = key in turn.unsigned
        turn.effects.extend(x for x in now_owed if again or isinstance(x, RESENT) or x not in before[key])


def timer_fired(turn: Turn) -> None:
    runs.expire_runs(turn)
    for key, _ in _held(turn, turn.timely):
        turn.record(key)
        turn.effects.extend(x for x in turn.owed(turn.cfds[key]) if isinstance(x, f.SignCancel))
    resuming.ask_due(turn)
    punctual.try_due(turn)


def _held(turn: Turn, among: Collection[CfdId]) -> list[tuple[CfdId, Cfd]]:
    """The living CFDs among these."""
    found = ((key, turn.cfds[key]) for key in turn.in_order(among))
    return [(key, cfd) for key, cfd in found if cfd.held is not None and not cfd.ended]


def attested(turn: Turn, event: EventId, raw: bytes, among: Collection[CfdId] | None) -> None:
    refused: PeerViolation | DecodeError | None = None
    for key, cfd in _held(turn, turn.cfds.keys() if among is None else among):
        try:
            events = decide.attest(cfd, event, raw, turn.announcements.get((cfd.oracle, event)))
            if events:
                turn.record(key, *events)
        except (PeerViolation, DecodeError) as error:
            # two oracles may use one name for an event: the word of one must not stop at the other's CFDs
            refused = error
    if refused is not None and not turn.events:
        raise refused


def revision_loaded(turn: Turn, key: CfdId, number: int, packed: bytes) -> None:
    try:
        events = decide.sign_cet(turn.cfd(key), turn.keys(key, number), number, packed)
    except NOT_SIGNED as error:
        turn.put_off(key, error)
    else:
        turn.record(key, *events)


def cancel_signed(turn: Turn, answer: i.CancelInputSigned) -> None:
    """Keep the cancellation, if it is one."""
    cfd = turn.cfd(answer.cfd_id)
    cancel = cancel_transaction(cfd, turn.at())
    if cancel is None or cfd.held is None:
        return
    witness = final_witnesses(answer.psbt).get(cancel.inputs[0].outpoint, ())
    coin = cfd.held.live.draft.party(cfd.role).funder.inputs[0]
    try:
        check_witness(cancel, 0, [coin.output], witness)
    except PeerViolation:
        return  # by now it is another one, at a higher rate: that is asked for with the next block
    turn.record(cfd.id, e.CancelSigned(cancel.with_witness(0, witness).serialize()))


def bump_signed(turn: Turn, answer: i.FeeBumpSigned) -> None:
    """Keep the child, if its parent still waits."""
    cfd = turn.cfd(answer.cfd_id)
    child = Transaction.parse(answer.child)
    parent = waiting(cfd)
    if parent is not None and any(tx_in.outpoint.txid == parent.txid == answer.parent for tx_in in child.inputs):
        turn.record(cfd.id, e.FeeBumped(answer.parent, answer.child, answer.rate))


def deadlines(cfd: Cfd, policy: Policy, after: Timestamp) -> list[Timestamp]:
    """When this CFD may do something by itself, later than `after`."""
    found: list[int] = []
    limits = policy.deadlines
    since = cancellable_since(cfd, limits)
    if since is not None:
        first = since + limits.cancel_after
        found += [first, after + BLOCK_SECONDS if after >= first else first]
    if isinstance(cfd.phase, p.Open):
        found += [cfd.expiry + limits.settle_within, cfd.expiry + limits.oracle_patience]
        open_until = rollover_open_until(cfd, limits)
        found += [open_until] if open_until is not None else []
    return [Timestamp(at) for at in found if at > after]
