"""The contract-setup machine: what arrives, in which phase, leads to what.

One handler per message. A handler raises `PeerViolation` (the counterparty broke a rule), `RuleViolation` (our own
side did) or `DecodeError` without changing anything; anything else escaping is a bug of ours.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from cfd_core import effects as f
from cfd_core import inputs, protocols
from cfd_core.bitcoin.psbt import final_witnesses, unsigned_psbt
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.contract import dlc as signing
from cfd_core.contract.dlc import Dlc
from cfd_core.contract.draft import Draft, Party
from cfd_core.contract.funding import Funder, LockInput, change_of, needed
from cfd_core.contract.scripts import RevisionPoints
from cfd_core.contract.witness import check_witness
from cfd_core.crypto.secp import Point
from cfd_core.errors import PeerViolation
from cfd_core.inputs import Message
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.contract_setup import states as s
from cfd_core.protocols.step import take
from cfd_core.values import OutPoint, Role

FIRST_REVISION: Final = 0


@frozen
class LockSigned:
    """Point of no return: to be stored before `LockSignatures` leaves."""

    dlc: Dlc
    cets: bytes
    lock: Transaction
    """With our witnesses, and the counterparty's where we are the maker."""


@frozen
class LockCompleted:
    """Both parties' lock witnesses are here."""

    lock: Transaction


@frozen
class SetupFailed:
    """Ended before our lock signature was made; nothing is at stake."""

    reason: str


@frozen
class SetupRejected:
    """The order was not taken; `reason` is the maker's."""

    reason: str


Outcome = LockSigned | LockCompleted | SetupFailed | SetupRejected


Step = protocols.Step[s.State, Outcome]


def start_taker(setup: s.Setup, order: m.Order, open_stream: f.OpenStream) -> Step:
    """Send the order."""
    return Step(s.AwaitingAnswer(setup), (open_stream, f.SendMessage(setup.run, order)))


def start_maker(setup: s.Setup) -> Step:
    """An order that fits our offer has come in."""
    return Step(s.AwaitingDecision(setup))


def on_message(state: s.State, message: Message) -> Step:
    """The counterparty's message; `PeerViolation` when it is not due or not right."""
    if isinstance(message, m.Reject) and not isinstance(state, s.ENDED):
        return _rejected(state, message)
    step: Step = take(_HANDLERS, s.TRANSITIONS, state, message)
    return step


def on_answer(state: s.State, answer: s.Answer) -> Step:
    """Our own side's answer; `RuleViolation` when nothing waits for it (a late or replayed one)."""
    step: Step = take(_HANDLERS, s.TRANSITIONS, state, answer)
    return step


def on_lost(state: s.State, reason: str) -> Step:
    """The stream is gone, a deadline passed, or we gave the counterparty up."""
    if isinstance(state, s.ENDED):
        return Step(state)
    if isinstance(state, s.AwaitingLastLockSignatures):
        # our lock signature is out: the run ends, the chain will tell
        return Step(s.Failed(state.setup, reason), (f.CloseStream(state.setup.run),))
    return _failed(state.setup, reason)


def _failed(setup: s.Setup, reason: str) -> Step:
    return Step(
        s.Failed(setup, reason),
        (f.CloseStream(setup.run), f.ReleaseCoins(setup.cfd_id)),
        (SetupFailed(reason),),
    )


def _refused(setup: s.Setup, reason: str) -> Step:
    """Ours to refuse: the counterparty is told why."""
    failed = _failed(setup, reason)
    told = f.SendMessage(setup.run, m.Reject(setup.cfd_id, reason))
    return Step(failed.state, (told, *failed.effects), failed.outcomes)


def _rejected(state: s.State, message: m.Reject) -> Step:
    if isinstance(state, s.AwaitingAnswer):
        failed = _failed(state.setup, message.reason)
        return Step(failed.state, failed.effects, (SetupRejected(message.reason),))
    return on_lost(state, f"the counterparty ended the setup: {message.reason}")


# --- deciding and coins --------------------------------------------------------------------------------------------


def _on_accept(state: s.AwaitingAnswer, _message: m.Accept) -> Step:
    return _reserve(state.setup)


def _on_approved(state: s.AwaitingDecision, _answer: s.OrderApproved) -> Step:
    reserve = _reserve(state.setup)
    accept = f.SendMessage(state.setup.run, m.Accept(state.setup.cfd_id))
    return Step(reserve.state, (accept, *reserve.effects))


def _on_refused(state: s.AwaitingDecision, answer: s.OrderRefused) -> Step:
    refused = _refused(state.setup, answer.reason)
    return Step(refused.state, refused.effects, (SetupRejected(answer.reason),))


def _reserve(setup: s.Setup) -> Step:
    amount = needed(setup.terms, setup.role)
    return Step(s.ReservingCoins(setup), (f.ReserveCoins(setup.cfd_id, amount, setup.terms.fee_rate),))


def _on_coins_refused(state: s.ReservingCoins, answer: inputs.CoinsRefused) -> Step:
    failed = _refused(state.setup, "cannot fund the contract")
    return Step(failed.state, failed.effects, (SetupFailed(answer.reason),))


def _on_coins(state: s.ReservingCoins, answer: inputs.CoinsReserved) -> Step:
    setup = state.setup
    public = setup.keys.public
    own = Party(
        Funder(
            identity=public.identity,
            inputs=tuple(_lock_input(coin.outpoint, coin.previous) for coin in answer.coins),
            change_script=answer.change_script,
            payout_script=answer.payout_script,
        ),
        RevisionPoints(public.publish, public.revocation),
    )
    params = m.Params(
        setup.cfd_id,
        identity=own.funder.identity,
        publish=own.points.publish,
        revocation=own.points.revocation,
        inputs=tuple(m.FundingInput(coin.outpoint, coin.previous) for coin in answer.coins),
        change_script=answer.change_script,
        payout_script=answer.payout_script,
    )
    return Step(s.AwaitingParams(setup, own, answer.coins), (f.SendMessage(setup.run, params),))


def _lock_input(outpoint: OutPoint, previous: bytes) -> LockInput:
    tx = Transaction.parse(previous)
    if tx.txid != outpoint.txid or outpoint.vout >= len(tx.outputs):
        raise PeerViolation(f"input {outpoint} is not an output of the transaction sent with it")
    return LockInput(outpoint, tx.outputs[outpoint.vout])


# --- agreeing ------------------------------------------------------------------------------------------------------


def _on_params(state: s.AwaitingParams, message: m.Params) -> Step:
    setup = state.setup
    theirs = _their_party(message)
    _check_distinct(state.own, theirs)
    maker, taker = (state.own, theirs) if setup.role is Role.MAKER else (theirs, state.own)
    draft = Draft(
        terms=setup.terms,
        revision=setup.terms.first_revision,
        announcements=setup.announcements,
        maker=maker,
        taker=taker,
    )
    change_of(theirs.funder, setup.terms.margin(setup.role.other), draft.costs, setup.terms.fee_rate)
    outputs = tuple((coin.outpoint, coin.output) for coin in theirs.funder.inputs)
    return Step(s.CheckingInputs(setup, draft, state.previous), (f.CheckInputs(setup.cfd_id, outputs),))


def _their_party(message: m.Params) -> Party:
    for key in (message.identity, message.publish, message.revocation):
        Point.parse(key)
    funder = Funder(
        identity=message.identity,
        inputs=tuple(_lock_input(coin.outpoint, coin.previous) for coin in message.inputs),
        change_script=message.change_script,
        payout_script=message.payout_script,
    )
    return Party(funder, RevisionPoints(message.publish, message.revocation))


def _check_distinct(own: Party, theirs: Party) -> None:
    keys = [p for side in (own, theirs) for p in (side.funder.identity, side.points.publish, side.points.revocation)]
    if len(set(keys)) != len(keys):
        raise PeerViolation("a public key is used twice")
    if {coin.outpoint for coin in own.funder.inputs} & {coin.outpoint for coin in theirs.funder.inputs}:
        raise PeerViolation("the counterparty brings an input of ours")
    ours = {own.funder.change_script, own.funder.payout_script}
    if ours & {theirs.funder.change_script, theirs.funder.payout_script}:
        raise PeerViolation("the counterparty wants to be paid to a script of ours")


def _on_inputs_checked(state: s.CheckingInputs, answer: inputs.InputsChecked) -> Step:
    if answer.problems:
        return _refused(state.setup, "; ".join(answer.problems))
    agreement = m.Agreement(state.setup.cfd_id, state.draft.fingerprint)
    return Step(
        s.AwaitingAgreement(state.setup, state.draft, state.previous),
        (f.SendMessage(state.setup.run, agreement),),
    )


def _on_agreement(state: s.AwaitingAgreement, message: m.Agreement) -> Step:
    if message.fingerprint != state.draft.fingerprint:
        raise PeerViolation("the counterparty derived other transactions from the same terms")
    job = signing.sign_cets_job(state.draft, state.setup.keys, state.setup.aux)
    return Step(
        s.SigningCets(state.setup, state.draft, state.previous),
        (f.SignCets(state.setup.cfd_id, state.setup.run, job),),
    )


# --- signing -------------------------------------------------------------------------------------------------------


def _on_cets_signed(state: s.SigningCets, answer: inputs.CetsSigned) -> Step:
    setup = state.setup
    commit = signing.sign_commit(state.draft, setup.role, setup.keys, setup.aux)
    refund = signing.sign_refund(state.draft, setup.keys)
    message = m.Signatures(setup.cfd_id, commit, refund, answer.signatures)
    return Step(
        s.AwaitingSignatures(setup, state.draft, state.previous, commit),
        (f.SendMessage(setup.run, message),),
    )


def _on_signatures(state: s.AwaitingSignatures, message: m.Signatures) -> Step:
    setup = state.setup
    signing.check_commit(state.draft, setup.role, message.commit)
    signing.check_refund(state.draft, setup.role, message.refund)
    job = signing.verify_cets_job(state.draft, setup.role, message.cets)
    dlc = Dlc(
        role=setup.role,
        draft=state.draft,
        their_refund=message.refund,
        cets_sha256=hashlib.sha256(message.cets).digest(),
        own_commit=state.own_commit,
        their_commit=message.commit,
    )
    return Step(
        s.VerifyingCets(setup, dlc, message.cets, state.previous),
        (f.VerifyCets(setup.cfd_id, setup.run, job),),
    )


def _on_cets_verified(state: s.VerifyingCets, answer: inputs.CetsVerified) -> Step:
    if answer.first_invalid is not None:
        return _refused(state.setup, f"CET signature {answer.first_invalid} is not valid")
    if state.setup.role is Role.MAKER:
        return Step(s.AwaitingFirstLockSignatures(state.setup, state.dlc, state.cets, state.previous))
    return _sign_lock(state, ())


def _on_first_lock_signatures(state: s.AwaitingFirstLockSignatures, message: m.LockSignatures) -> Step:
    _check_lock_witnesses(state.dlc, message.witnesses)
    return _sign_lock(state, message.witnesses)


def _sign_lock(state: s.VerifyingCets | s.AwaitingFirstLockSignatures, theirs: tuple[tuple[bytes, ...], ...]) -> Step:
    draft = state.dlc.draft
    previous = {coin.outpoint: coin.previous for coin in state.previous}
    psbt = unsigned_psbt(draft.lock, draft.lock_spent, previous)
    return Step(
        s.SigningLock(state.setup, state.dlc, state.cets, theirs),
        (f.SignLock(state.setup.cfd_id, psbt),),
    )


def _check_lock_witnesses(dlc: Dlc, witnesses: tuple[tuple[bytes, ...], ...]) -> Transaction:
    """The lock with the counterparty's witnesses, each of them valid."""
    draft = dlc.draft
    lock = signing.fill_lock(draft, draft.lock, witnesses, dlc.role.other)
    for position, witness in zip(signing.input_positions(draft, dlc.role.other), witnesses, strict=True):
        check_witness(draft.lock, position, draft.lock_spent, witness)
    return lock


def _on_lock_signed(state: s.SigningLock, answer: inputs.LockInputsSigned) -> Step:
    draft, setup = state.dlc.draft, state.setup
    final = final_witnesses(answer.psbt)
    positions = signing.input_positions(draft, setup.role)
    own = tuple(final.get(draft.lock.inputs[position].outpoint, ()) for position in positions)
    for position, witness in zip(positions, own, strict=True):
        try:
            check_witness(draft.lock, position, draft.lock_spent, witness)
        except PeerViolation:
            return _refused(setup, "could not sign the lock")
    lock = signing.fill_lock(draft, draft.lock, own, setup.role)
    send = f.SendMessage(setup.run, m.LockSignatures(setup.cfd_id, own))
    if setup.role is Role.TAKER:
        waiting = s.AwaitingLastLockSignatures(setup, state.dlc, own)
        return Step(waiting, (send,), (LockSigned(state.dlc, state.cets, lock),))
    whole = signing.fill_lock(draft, lock, state.theirs, Role.TAKER)
    outcomes = (LockSigned(state.dlc, state.cets, lock), LockCompleted(whole))
    return Step(s.Finished(setup), (send, f.CloseStream(setup.run)), outcomes)


def _on_lock_signing_failed(state: s.SigningLock, answer: inputs.LockSigningFailed) -> Step:
    failed = _refused(state.setup, "could not sign the lock")
    return Step(failed.state, failed.effects, (SetupFailed(answer.reason),))


def _on_last_lock_signatures(state: s.AwaitingLastLockSignatures, message: m.LockSignatures) -> Step:
    lock = _check_lock_witnesses(state.dlc, message.witnesses)
    whole = signing.fill_lock(state.dlc.draft, lock, state.own_witnesses, state.setup.role)
    return Step(s.Finished(state.setup), (f.CloseStream(state.setup.run),), (LockCompleted(whole),))


_HANDLERS: Final[dict[tuple[type, type], Callable[[Any, Any], Step]]] = {
    (s.AwaitingAnswer, m.Accept): _on_accept,
    (s.AwaitingDecision, s.OrderApproved): _on_approved,
    (s.AwaitingDecision, s.OrderRefused): _on_refused,
    (s.ReservingCoins, inputs.CoinsReserved): _on_coins,
    (s.ReservingCoins, inputs.CoinsRefused): _on_coins_refused,
    (s.AwaitingParams, m.Params): _on_params,
    (s.CheckingInputs, inputs.InputsChecked): _on_inputs_checked,
    (s.AwaitingAgreement, m.Agreement): _on_agreement,
    (s.SigningCets, inputs.CetsSigned): _on_cets_signed,
    (s.AwaitingSignatures, m.Signatures): _on_signatures,
    (s.VerifyingCets, inputs.CetsVerified): _on_cets_verified,
    (s.AwaitingFirstLockSignatures, m.LockSignatures): _on_first_lock_signatures,
    (s.SigningLock, inputs.LockInputsSigned): _on_lock_signed,
    (s.SigningLock, inputs.LockSigningFailed): _on_lock_signing_failed,
    (s.AwaitingLastLockSignatures, m.LockSignatures): _on_last_lock_signatures,
}
