"""The life of a CFD after its setup: what chain, oracle and store tell."""

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import decide
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.owed import owed
from cfd_core.engine.turn import Turn
from cfd_core.errors import DecodeError, PeerViolation
from cfd_core.values import CfdId, EventId


def drop_lost_setups(turn: Turn) -> None:
    live = {run.state.setup.cfd_id for run in turn.runs.values() if run.state is not None}
    for cfd in list(turn.cfds.values()):
        if isinstance(cfd.phase, p.SettingUp) and cfd.id not in live:
            turn.record(cfd.id, e.ContractSetupFailed("the node was restarted during contract setup"))
            turn.effects.append(f.ReleaseCoins(cfd.id))


def outpoint(turn: Turn, report: i.OutpointReport) -> None:
    for cfd in list(turn.cfds.values()):
        events = decide.observe(cfd, report)
        if events:
            turn.record(cfd.id, *events)
            close_if_final(turn, cfd.id)


def tip_changed(turn: Turn, height: int) -> None:
    turn.tip = height
    for key, cfd in list(turn.cfds.items()):
        if cfd.held is not None:
            close_if_final(turn, key)
            # re-broadcast what is not final: a replay is harmless, an eviction is not
            turn.effects.extend(x for x in owed(turn.cfds[key], height) if isinstance(x, f.BroadcastTx))


def close_if_final(turn: Turn, key: CfdId) -> None:
    turn.record(key, *decide.close_if_final(turn.cfds[key], turn.tip))


def attested(turn: Turn, event: EventId, raw: bytes) -> None:
    refused: PeerViolation | DecodeError | None = None
    for cfd in list(turn.cfds.values()):
        if cfd.announcement.event_id == event:
            try:
                turn.record(cfd.id, *decide.attest(cfd, raw))
            except (PeerViolation, DecodeError) as error:
                # two oracles may use one name for an event: the word of one must not stop at the other's CFDs
                refused = error
    if refused is not None and not turn.events:
        raise refused


def revision_loaded(turn: Turn, key: CfdId, revision: int, packed: bytes) -> None:
    cfd = turn.cfd(key)
    if cfd.held is not None and cfd.held.dlc.revision == revision:
        turn.record(key, *decide.sign_cet(cfd, turn.keys(key), packed))
