"""What follows by itself from what is known: punishments, refunds, bumps, and closing on time.

`react` is a pure function of the CFD, the tip and the time, and is asked again after every event, block and timer
until it has nothing more to say. So nothing it decides can be forgotten by a crash.
"""

from collections.abc import Iterator
from typing import Final

from attrs import field, frozen

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd, Held
from cfd_core.cfd.fees import scheduled_rate
from cfd_core.cfd.revisions import draft_of, revoked_of
from cfd_core.contract.dlc import publish_secret
from cfd_core.contract.punish import sign_punish
from cfd_core.crypto.signer import Keyring, Signer
from cfd_core.errors import PeerViolation
from cfd_core.values import HOUR, FeeRate, Sats, Timestamp

EXIT_FINALITY: Final = 3
"""Confirmations after which a CET, refund, close, punishment or cancellation is final."""


@frozen(kw_only=True)
class Deadlines:
    """When a CFD acts by itself; seconds."""

    cancel_after: int = 900
    """A lock whose other signature never came is cancelled."""
    settle_within: int = 1 * HOUR
    """After expiry and attestation both parties have this long to settle together."""
    oracle_patience: int = 12 * HOUR
    """After expiry without an attestation, on the way to a refund."""
    unrevoked_before: int = 1 * HOUR
    """Before the expiry of a revision that a rollover has not replaced for good: time for a commit to confirm."""
    unrevoked_within: int = 600
    """A rollover that late may still take this long to be completed."""


@frozen(kw_only=True)
class Circumstances:
    """What a reaction depends on besides the CFD."""

    tip: int
    now: Timestamp
    deadlines: Deadlines
    max_fee_rate: FeeRate
    keychain: Keyring = field(repr=False)

    def keys(self, cfd: Cfd, number: int) -> Signer:
        return self.keychain.cfd_keys(cfd.key_id, number)


def react(cfd: Cfd, around: Circumstances) -> tuple[e.CfdEvent, ...]:
    """The next events that follow by themselves; empty when there are none."""
    if cfd.held is None or cfd.ended:
        return ()
    found = (*_close_books(cfd, around), *_force_close(cfd, cfd.held, around), *_sign_exit(cfd, cfd.held, around))
    return found[:1]


def _close_books(cfd: Cfd, around: Circumstances) -> Iterator[e.CfdEvent]:
    phase = cfd.phase
    match phase:
        case p.ExitConfirmed() if _final(phase.exit_height, around):
            yield e.CfdClosed(phase.exit.kind, phase.exit.maker, phase.exit.taker, phase.exit_height)
        case p.CloseConfirmed() if _final(phase.height, around):
            yield e.CfdClosed(e.ExitKind.CLOSE, phase.maker, phase.taker, phase.height)
        case p.LockConflict() if phase.height and _final(phase.height, around):
            yield e.CfdClosed(e.ExitKind.CANCEL, Sats(0), Sats(0), phase.height)
        case p.LockDoubleSpent() if phase.height and _final(phase.height, around):
            yield e.CfdClosed(e.ExitKind.DOUBLE_SPEND, Sats(0), Sats(0), phase.height)
        case _:
            return


def _final(height: int, around: Circumstances) -> bool:
    return around.tip >= height + EXIT_FINALITY - 1


def _force_close(cfd: Cfd, held: Held, around: Circumstances) -> Iterator[e.CfdEvent]:
    reason = _close_reason(cfd, held, around) if isinstance(cfd.phase, p.Open) else None
    if (
        reason is not None
        and not cfd.doubt
        and not cfd.hearsay
        and not (held.close is not None and held.close.complete)
    ):
        commit = held.live.sign_commit(around.keys(cfd, held.live.number)).serialize()
        yield e.ForceCloseStarted(commit, reason, around.tip)


def _close_reason(cfd: Cfd, held: Held, around: Circumstances) -> e.CloseReason | None:
    attested = cfd.attestation_for(held.live.number)
    if attested is not None and attested.event_id != cfd.settlement.event_id:
        return e.CloseReason.LIQUIDATION
    open_until = rollover_open_until(cfd, around.deadlines)
    if open_until is not None and around.now >= open_until:
        return e.CloseReason.UNREVOKED
    patience = around.deadlines.settle_within if attested else around.deadlines.oracle_patience
    return e.CloseReason.EXPIRED if around.now >= cfd.expiry + patience else None


def rollover_open_until(cfd: Cfd, limits: Deadlines) -> Timestamp | None:
    """When we force-close because a rollover is still not complete; None when none is open.

    Until the commit that we can publish confirms, the counterparty may publish that of the other revision. Once the
    oracle has spoken for either, it could choose what pays it more: so ours goes out before, or at once.
    """
    held = cfd.held
    if held is None or held.rolling_since is None:
        return None
    if any(dlc.covers(attestation) for dlc in held.unrevoked for attestation in cfd.signed):
        return held.rolling_since
    first = min(dlc.draft.announcements[0].maturity for dlc in held.unrevoked)
    return Timestamp(max(first - limits.unrevoked_before, held.rolling_since + limits.unrevoked_within))


def _sign_exit(cfd: Cfd, held: Held, around: Circumstances) -> Iterator[e.CfdEvent]:
    if not isinstance(cfd.phase, p.COMMITTED):
        return
    commit = cfd.phase.commit
    if revoked_of(held, commit.number) is not None:
        yield from _punish(cfd, held, commit, around)
    elif _refund_due(cfd, around):
        dlc = held.settleable(commit.number)
        if dlc is not None:
            refund = dlc.sign_refund(around.keys(cfd, commit.number)).serialize()
            yield e.ExitSigned(kind=e.ExitKind.REFUND, number=commit.number, transaction=refund)


def _refund_due(cfd: Cfd, around: Circumstances) -> bool:
    phase = cfd.phase
    if not isinstance(phase, p.CommitConfirmed) or around.tip + 1 < phase.commit_height + cfd.terms.refund_timelock:
        return False
    number = phase.commit.number
    return cfd.exit_for(number, *e.ExitKind) is None and cfd.attestation_for(number) is None


def _punish(cfd: Cfd, held: Held, commit: p.Commit, around: Circumstances) -> Iterator[e.CfdEvent]:
    draft, revoked = draft_of(held, commit.number), revoked_of(held, commit.number)
    if draft is None or revoked is None or isinstance(cfd.phase, p.ExitConfirmed):
        return
    # who revokes long after publishing must not make us begin at the highest rate
    waited = around.tip - max(commit.tip, revoked.tip)
    rate = scheduled_rate(cfd.terms.fee_rate, waited, around.max_fee_rate)
    try:
        publish = publish_secret(draft, cfd.role, revoked.own_commit, Transaction.parse(commit.transaction))
    except PeerViolation:
        return  # not published with our signature: a false report, or our own doing
    keys = around.keys(cfd, commit.number)
    punish = sign_punish(draft, cfd.role, keys, publish, revoked.secret, rate).serialize()
    known = cfd.exit_for(commit.number, e.ExitKind.PUNISH)
    if known is None or _fee_grew(known.transaction, punish):
        yield e.ExitSigned(kind=e.ExitKind.PUNISH, number=commit.number, transaction=punish)


def _fee_grew(old: bytes, new: bytes) -> bool:
    return Transaction.parse(new).outputs[0].sats < Transaction.parse(old).outputs[0].sats
