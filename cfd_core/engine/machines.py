"""The machines by protocol, and what each of their outcomes means for the CFD."""

from types import ModuleType
from typing import Any, Final

from attrs import frozen

from cfd_core.cfd import events as e
from cfd_core.protocols.contract_setup import machine as setup_machine
from cfd_core.protocols.contract_setup import messages as setup_messages
from cfd_core.protocols.contract_setup import states as setup_states
from cfd_core.protocols.rollover import machine as rollover_machine
from cfd_core.protocols.rollover import messages as rollover_messages
from cfd_core.protocols.rollover import states as rollover_states
from cfd_core.protocols.settlement import machine as settlement_machine
from cfd_core.protocols.settlement import messages as settlement_messages
from cfd_core.protocols.settlement import states as settlement_states
from cfd_core.values import Timestamp


@frozen
class Protocol:
    """Where one protocol's parts are."""

    machine: ModuleType
    messages: ModuleType
    states: ModuleType


PROTOCOLS: Final[dict[str, Protocol]] = {
    setup_messages.PROTOCOL: Protocol(setup_machine, setup_messages, setup_states),
    rollover_messages.PROTOCOL: Protocol(rollover_machine, rollover_messages, rollover_states),
    settlement_messages.PROTOCOL: Protocol(settlement_machine, settlement_messages, settlement_states),
}
RESUME: Final = rollover_messages.RESUME_PROTOCOL
"""Has no machine: its messages are checked against the CFD alone."""


def events_of(outcome: Any, now: Timestamp, tip: int) -> tuple[e.CfdEvent, ...]:
    """The events that a machine's outcome makes."""
    match outcome:
        case setup_machine.LockSigned(dlc, _, _):
            return (
                e.LockSigned(
                    maker=dlc.draft.maker,
                    taker=dlc.draft.taker,
                    own_commit=dlc.own_commit,
                    their_commit=dlc.their_commit,
                    their_refund=dlc.their_refund,
                    cets_sha256=dlc.cets_sha256,
                    at=now,
                ),
            )
        case setup_machine.LockCompleted(lock):
            return (e.LockCompleted(lock.serialize()),)
        case setup_machine.SetupFailed(reason):
            return (e.ContractSetupFailed(reason),)
        case setup_machine.SetupRejected(reason):
            return (e.OrderRejected(reason),)
        case rollover_machine.Quoted(funding_rate):
            return (e.RolloverQuoted(funding_rate),)
        case rollover_machine.Prepared(dlc, _, own_commit):
            return (
                e.RolloverPrepared(
                    revision=dlc.draft.revision,
                    announcements=dlc.draft.announcements,
                    maker=dlc.draft.maker.points,
                    taker=dlc.draft.taker.points,
                    own_commit=own_commit,
                    their_refund=dlc.their_refund,
                    cets_sha256=dlc.cets_sha256,
                    at=now,
                ),
            )
        case rollover_machine.Signed(their_commit):
            return (e.RolloverSigned(their_commit),)
        case rollover_machine.Revoked(number, secret):
            return (e.RevisionRevoked(number, secret.reveal(), tip),)
        case settlement_machine.CloseSigned(close, transaction, complete):
            return (e.CloseSigned(price=str(close.price), close=transaction.serialize(), complete=complete),)
        case rollover_machine.RolloverFailed() | settlement_machine.SettlementFailed():
            return ()
        case _:
            raise AssertionError(f"an outcome without a meaning: {type(outcome).__name__}")


def packed_of(outcome: Any) -> bytes | None:
    """The CET signatures to be stored with an outcome's event."""
    if isinstance(outcome, setup_machine.LockSigned | rollover_machine.Prepared):
        return outcome.cets
    return None
