"""How far the protocol run of a CFD has come."""

from typing import Final

from cfd_web import models as m

from cfd_core.cfd.aggregate import Cfd
from cfd_core.engine import Run
from cfd_core.protocols.contract_setup import messages as setup_messages
from cfd_core.protocols.contract_setup import states as setup
from cfd_core.protocols.rollover import messages as rollover_messages
from cfd_core.protocols.rollover import states as rollover
from cfd_core.protocols.settlement import messages as settlement_messages
from cfd_core.protocols.settlement import states as settlement
from cfd_core.values import words_of
from cfd_node.node import Node

Steps = tuple[type, ...]
NAMES: Final = {
    setup_messages.PROTOCOL: "opening",
    rollover_messages.PROTOCOL: "rolling over",
    settlement_messages.PROTOCOL: "settling",
}
_COINS: Final = (
    setup.ReservingCoins,
    setup.AwaitingParams,
    setup.CheckingInputs,
    setup.AwaitingAgreement,
    setup.SigningCets,
    setup.AwaitingSignatures,
    setup.VerifyingCets,
)
_ANEW: Final = (
    rollover.AwaitingEvents,
    rollover.AwaitingPoints,
    rollover.AwaitingAgreement,
    rollover.SigningCets,
    rollover.AwaitingExits,
    rollover.VerifyingCets,
    rollover.AwaitingCommitSignature,
    rollover.AwaitingRevocation,
)
STEPS: Final[dict[tuple[str, bool], Steps]] = {
    (setup_messages.PROTOCOL, True): (
        setup.AwaitingAnswer,
        *_COINS,
        setup.SigningLock,
        setup.AwaitingLastLockSignatures,
    ),
    (setup_messages.PROTOCOL, False): (
        setup.AwaitingDecision,
        *_COINS,
        setup.AwaitingFirstLockSignatures,
        setup.SigningLock,
    ),
    (rollover_messages.PROTOCOL, True): (rollover.AwaitingAnswer, rollover.CheckingAnswer, *_ANEW),
    (rollover_messages.PROTOCOL, False): (rollover.AwaitingDecision, *_ANEW),
    (settlement_messages.PROTOCOL, True): (settlement.AwaitingAnswer, settlement.AwaitingLastSignature),
    (settlement_messages.PROTOCOL, False): (settlement.AwaitingDecision, settlement.AwaitingFirstSignature),
}
"""The phases of each protocol in their order, for the side that began it (True) and for the other."""
ALIKE: Final[dict[type, type]] = {rollover.AwaitingFirstCommitSignature: rollover.AwaitingCommitSignature}
"""Phases that stand in the place of another, by who signs first."""


def progress_of(node: Node, cfd: Cfd) -> m.Progress | None:
    """Of the protocol run under way, if there is one."""
    run = next((r for r in node.engine.runs.values() if r.cfd_id == cfd.id and r.state is not None), None)
    if run is None:
        return None
    number, steps = place_of(run)
    count = node.counts.of(cfd.id)
    return m.Progress(
        cfd=cfd.id,
        protocol=NAMES.get(run.protocol, run.protocol),
        step=words_of(run.state),
        number=number,
        steps=steps,
        done=0 if count is None else count.done,
        total=0 if count is None else count.total,
    )


def place_of(run: Run) -> tuple[int, int]:
    """The number of its step, from 1, and how many there are; 0 and 0 for a run without steps."""
    steps = STEPS.get((run.protocol, run.ours), ())
    phase = ALIKE.get(type(run.state), type(run.state))
    return (steps.index(phase) + 1, len(steps)) if phase in steps else (0, 0)
