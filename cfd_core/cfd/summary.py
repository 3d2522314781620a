"""The read model: one CFD as a person understands it. Derived, never stored."""

from decimal import Decimal
from fractions import Fraction

from attrs import frozen

from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import ExitKind
from cfd_core.cfd.react import EXIT_FINALITY, Deadlines, rollover_open_until
from cfd_core.cfd.revisions import revoked_of
from cfd_core.cfd.standing import HEARSAY
from cfd_core.payouts import profit_percent
from cfd_core.values import HOUR, CfdId, PeerId, Position, Role, Sats, Timestamp, round_half_up

WARN_HOURS = (1, 3, 6)
"""Hours before expiry at which an open CFD that is not rolled over deserves attention, each more than the last."""


@frozen
class Deadline:
    """What happens next by itself. Either a time or a height, whichever governs it."""

    what: str
    at: Timestamp | None
    height: int | None


@frozen(kw_only=True)
class Summary:
    """One CFD for people and programs."""

    id: CfdId
    role: Role
    peer: PeerId
    position: Position
    price: Decimal
    quantity: int
    leverage: int
    margin: Sats
    pool: Sats
    state: str
    """A few words, for example `open`."""
    meaning: str
    """What that means, in a sentence."""
    actions: tuple[str, ...]
    """What the user can do now."""
    expiry: Timestamp
    liquidation_price: Fraction | None
    deadline: Deadline | None
    warning: str
    """What needs a person; empty when nothing does."""
    worst_case: int
    """Sats that can still be lost of the margin, whatever anybody does."""
    fees_owed: int
    """Sats that this side owes the other for fees so far; negative when it is owed."""
    unrealised: int | None
    """Sats of gain at the given price; None without a price, or when the CFD is over."""
    realised: int | None
    """Sats of gain, once the CFD is over."""
    profit_percent: Fraction | None
    """Of the margin, realised or unrealised."""


def summary(cfd: Cfd, *, now: Timestamp, tip: int, price: Decimal | None = None, deadlines: Deadlines) -> Summary:
    """The CFD at this time and height; `price` is the market's, for the unrealised gain."""
    curve = cfd.terms.curve_of(cfd.held.live.draft.revision if cfd.held else cfd.terms.first_revision)
    margin, realised = cfd.terms.margin(cfd.role), _realised(cfd)
    unrealised = None
    if price is not None and not cfd.ended:
        unrealised = round_half_up(curve.payout(cfd.position, Fraction(price))) - margin
    gain = realised if realised is not None else unrealised
    state, meaning, actions = _words(cfd)
    return Summary(
        id=cfd.id,
        role=cfd.role,
        peer=cfd.peer,
        position=cfd.position,
        price=cfd.terms.price,
        quantity=cfd.terms.quantity,
        leverage=cfd.terms.leverage(cfd.position),
        margin=margin,
        pool=cfd.terms.pool,
        state=state,
        meaning=meaning,
        actions=actions,
        expiry=cfd.expiry,
        liquidation_price=curve.liquidation_price(cfd.position),
        deadline=_deadline(cfd, tip, deadlines),
        warning=_warning(cfd, now, deadlines),
        worst_case=0 if cfd.held is None or cfd.ended else margin,
        fees_owed=cfd.balance if cfd.position is Position.LONG else -cfd.balance,
        unrealised=unrealised,
        realised=realised,
        profit_percent=None if gain is None else profit_percent(margin + gain, margin),
    )


def _realised(cfd: Cfd) -> int | None:
    phase = cfd.phase
    if isinstance(phase, p.Rejected | p.SetupFailed):
        return 0
    if not isinstance(phase, p.Closed):
        return None
    if phase.kind in (ExitKind.CANCEL, ExitKind.DOUBLE_SPEND):
        return 0
    paid = phase.maker if cfd.role is Role.MAKER else phase.taker
    return paid - cfd.terms.margin(cfd.role)


def _words(cfd: Cfd) -> tuple[str, str, tuple[str, ...]]:  # one line per phase
    phase = cfd.phase
    match phase:
        case p.SettingUp():
            return "setting up", "The contract is being signed; nothing is at stake yet.", ()
        case p.Rejected(reason):
            return "rejected", f"The order was not taken: {reason}", ()
        case p.SetupFailed(reason):
            return "failed", f"Setup broke off before anything was at stake: {reason}", ()
        case p.LockSignedUnseen():
            return "lock signed, not seen", "We signed; the counterparty's signature on the lock is missing.", ()
        case p.LockPending():
            return "opening", "The lock is on its way into a block.", ("force close",)
        case p.Open():
            return "open", "The position is open and enforceable by you alone.", _open_actions(cfd)
        case p.LockConflict():
            return "cancelling", "Our coin of the lock is being spent back to us: the CFD will never open.", ()
        case p.LockDoubleSpent():
            return "double-spent", f"{_DOUBLE_SPEND} It is final after a few blocks.", ()
        case p.ClosePending() if cfd.forced is None:
            return "settling", "The agreed close is on its way into a block.", ("force close",)
        case p.ClosePending():
            return "settling", "The agreed close waits for a block; so does your force close: the first one counts.", ()
        case p.CloseConfirmed():
            return "settling", "The agreed close is on the chain; it is final after a few blocks.", ()
        case p.CommitPending() | p.CommitConfirmed():
            return _closing_words(cfd, phase)
        case p.ExitPending() | p.ExitConfirmed():
            return "paying out", f"The {phase.exit.kind.value} is on the chain; it is final after a few blocks.", ()
        case p.Closed(kind):
            return "closed", _DOUBLE_SPEND if kind is ExitKind.DOUBLE_SPEND else f"Ended by {kind.value}.", ()


_DOUBLE_SPEND = (
    "The counterparty spent its coin of the lock elsewhere: the CFD never opens, and nothing of yours is locked in it."
)


def _open_actions(cfd: Cfd) -> tuple[str, ...]:
    if cfd.doubt:
        return ()
    if cfd.standing is not None:
        return ("settle", "force close")
    waiting = cfd.held is not None and (cfd.held.close is not None or cfd.signed)
    return ("settle", "force close") if waiting else ("roll over", "settle", "force close")


def _closing_words(cfd: Cfd, phase: p.CommitPending | p.CommitConfirmed) -> tuple[str, str, tuple[str, ...]]:
    if cfd.held is not None and revoked_of(cfd.held, phase.commit.number) is not None:
        return "punishing", "The counterparty published a revoked commit: its whole pool is being taken.", ()
    if cfd.equivocations and cfd.attestation_for(phase.commit.number) is None:
        return "oracle contradicts itself", "It signed two prices: choose one, or wait for the refund.", ("choose",)
    if cfd.attestation_for(phase.commit.number) is None:
        return "closing", "The commit is on the chain; the oracle has not spoken yet.", ()
    return "closing", "The commit is on the chain; the payout follows after its timelock.", ()


def _deadline(cfd: Cfd, tip: int, deadlines: Deadlines) -> Deadline | None:
    phase, terms = cfd.phase, cfd.terms
    match phase:
        case p.LockSignedUnseen(since):
            return Deadline("the lock is cancelled", Timestamp(since + deadlines.cancel_after), None)
        case p.Open() if cfd.attestations:
            by = Timestamp(cfd.expiry + deadlines.settle_within)
            return Deadline("the position is closed on the chain", by, None)
        case p.Open() if (until := rollover_open_until(cfd, deadlines)) is not None:
            return Deadline("the position is closed on the chain unless the rollover is completed", until, None)
        case p.Open():
            return Deadline("expiry", cfd.expiry, None)
        case p.CommitConfirmed() if cfd.attestation_for(phase.commit.number) is not None:
            return Deadline("the CET can be sent", None, max(tip, phase.commit_height + terms.cet_timelock - 1))
        case p.CommitConfirmed():
            return Deadline("the refund can be sent", None, max(tip, phase.commit_height + terms.refund_timelock - 1))
        case p.ExitConfirmed():
            return Deadline("final", None, phase.exit_height + EXIT_FINALITY - 1)
        case p.CloseConfirmed():
            return Deadline("final", None, phase.height + EXIT_FINALITY - 1)
        case _:
            return None


def _warning(cfd: Cfd, now: Timestamp, deadlines: Deadlines) -> str:
    if cfd.doubt and not cfd.ended:
        return cfd.doubt
    if cfd.hearsay and isinstance(cfd.phase, p.Open) and (cfd.signed or now >= cfd.expiry):
        return HEARSAY
    if cfd.equivocations:
        return "the oracle signed two different prices for one event"
    if not isinstance(cfd.phase, p.Open) or cfd.attestations:
        return ""
    trouble = f"the last rollover failed: {cfd.rollover_trouble}" if cfd.rollover_trouble else ""
    since = cfd.held.rolling_since if cfd.held is not None else None
    if since is not None and now >= since + deadlines.unrevoked_within:
        trouble = "a rollover is not complete: the counterparty does not answer"
    for hours in WARN_HOURS:
        if 0 < cfd.expiry - now <= hours * HOUR:
            late = f"expires in less than {hours} h and is not rolled over"
            return f"{late}; {trouble}" if trouble else late
    return trouble
