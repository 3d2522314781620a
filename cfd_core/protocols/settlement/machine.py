"""The settlement machine. Point of no return: `CloseSigned`, stored before our signature on the close leaves."""

from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from cfd_core import effects as f
from cfd_core import protocols
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.contract.close import Close, complete_close, sign_close
from cfd_core.errors import PeerViolation
from cfd_core.inputs import Message
from cfd_core.protocols.settlement import messages as m
from cfd_core.protocols.settlement import states as s
from cfd_core.protocols.step import take


@frozen
class CloseSigned:
    """Point of no return: to be stored before our signature leaves."""

    close: Close
    transaction: Transaction
    complete: bool


@frozen
class SettlementFailed:
    """Ended early."""

    reason: str


Outcome = CloseSigned | SettlementFailed
Step = protocols.Step[s.State, Outcome]


def start_proposer(settlement: s.Settlement, open_stream: f.OpenStream) -> Step:
    """Propose to close."""
    propose = m.Propose(settlement.cfd_id, settlement.close.price, settlement.close.digest)
    return Step(s.AwaitingAnswer(settlement), (open_stream, f.SendMessage(settlement.run, propose)))


def start_accepter(settlement: s.Settlement, proposal: m.Propose) -> Step:
    """A proposal came in; `PeerViolation` when its close is not the one we derive from its price."""
    if proposal.digest != settlement.close.digest:
        raise PeerViolation("the counterparty derived another close from the same price")
    return Step(s.AwaitingDecision(settlement))


def on_message(state: s.State, message: Message) -> Step:
    """The counterparty's message; `PeerViolation` when it is not due or not right."""
    if isinstance(message, m.Reject) and not isinstance(state, s.ENDED):
        return on_lost(state, f"the counterparty ended the settlement: {message.reason}")
    step: Step = take(_HANDLERS, s.TRANSITIONS, state, message)
    return step


def on_answer(state: s.State, answer: s.Answer) -> Step:
    """Our own side's answer; `RuleViolation` when nothing waits for it."""
    step: Step = take(_HANDLERS, s.TRANSITIONS, state, answer)
    return step


def on_lost(state: s.State, reason: str) -> Step:
    """The stream is gone, a deadline passed, or we gave the counterparty up. What is stored stays stored."""
    if isinstance(state, s.ENDED):
        return Step(state)
    settlement = state.settlement
    return Step(s.Failed(settlement, reason), (f.CloseStream(settlement.run),), (SettlementFailed(reason),))


def _on_accept(state: s.AwaitingAnswer, _message: m.Accept) -> Step:
    settlement = state.settlement
    own = sign_close(settlement.close, settlement.keys)
    send = f.SendMessage(settlement.run, m.CloseSignature(settlement.cfd_id, own))
    signed = CloseSigned(settlement.close, settlement.close.transaction, complete=False)
    return Step(s.AwaitingLastSignature(settlement, own), (send,), (signed,))


def _on_price_accepted(state: s.AwaitingDecision, _answer: s.PriceAccepted) -> Step:
    accept = f.SendMessage(state.settlement.run, m.Accept(state.settlement.cfd_id))
    return Step(s.AwaitingFirstSignature(state.settlement), (accept,))


def _on_price_refused(state: s.AwaitingDecision, answer: s.PriceRefused) -> Step:
    settlement = state.settlement
    told = f.SendMessage(settlement.run, m.Reject(settlement.cfd_id, answer.reason))
    ended = on_lost(state, answer.reason)
    return Step(ended.state, (told, *ended.effects), ended.outcomes)


def _on_first_signature(state: s.AwaitingFirstSignature, message: m.CloseSignature) -> Step:
    settlement = state.settlement
    own = sign_close(settlement.close, settlement.keys)
    send = f.SendMessage(settlement.run, m.CloseSignature(settlement.cfd_id, own))
    signed = _complete(settlement, own, message.signature)
    return Step(s.Finished(settlement), (send, f.CloseStream(settlement.run)), (signed,))


def _on_last_signature(state: s.AwaitingLastSignature, message: m.CloseSignature) -> Step:
    signed = _complete(state.settlement, state.own, message.signature)
    return Step(s.Finished(state.settlement), (f.CloseStream(state.settlement.run),), (signed,))


def _complete(settlement: s.Settlement, own: bytes, theirs: bytes) -> CloseSigned:
    whole = complete_close(settlement.draft, settlement.role, settlement.close, own, theirs)
    return CloseSigned(settlement.close, whole, complete=True)


_HANDLERS: Final[dict[tuple[type, type], Callable[[Any, Any], Step]]] = {
    (s.AwaitingAnswer, m.Accept): _on_accept,
    (s.AwaitingDecision, s.PriceAccepted): _on_price_accepted,
    (s.AwaitingDecision, s.PriceRefused): _on_price_refused,
    (s.AwaitingFirstSignature, m.CloseSignature): _on_first_signature,
    (s.AwaitingLastSignature, m.CloseSignature): _on_last_signature,
}
