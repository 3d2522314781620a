"""Positions: what each is, how it got there, and what doing something about it would mean."""

from enum import Enum

from cfd_core.values import Position, Role
from cfd_web.models.fields import (
    CfdId,
    Count,
    Leverage,
    Model,
    Number,
    PeerId,
    Price,
    Quantity,
    Rate,
    Sats,
    SignedSats,
    Time,
    Txid,
)


class Next(Model):
    """What happens by itself. Either a time or a height, whichever governs it."""

    what: str
    at: Time | None
    height: Count | None


class PayoffPoint(Model):
    """What this node is paid at one price."""

    price: Price
    payout: Sats
    gain: SignedSats


class Progress(Model):
    """How far a protocol run has come."""

    cfd: CfdId
    protocol: str
    """For people: `opening`, `rolling over`, `settling`."""
    step: str
    """What is being done or waited for, in a few words."""
    number: Count
    """Of the step, from 1; 0: the run has no numbered steps."""
    steps: Count
    """How many there are."""
    done: Count
    """Signatures made or verified in this step."""
    total: Count
    """Of `done`; 0: nothing is counted in this step."""


class CfdAction(Enum):
    """What the user can do about a CFD."""

    ACCEPT = "accept"
    REJECT = "reject"
    ROLL_OVER = "rollover"
    SETTLE = "settle"
    FORCE_CLOSE = "close"
    CHOOSE = "choose"
    """The oracle signed two outcomes: say which one to settle on."""


class CfdRow(Model):
    """One CFD at a glance."""

    id: CfdId
    role: Role
    """This node's."""
    peer: PeerId
    product: str
    position: Position
    """This node's."""
    price: Price
    """It was opened at."""
    quantity: Quantity
    leverage: Leverage
    margin: Sats
    """This node's."""
    pool: Sats
    state: str
    """A few words, for example `open`."""
    meaning: str
    """What that means, in a sentence."""
    warning: str
    """What needs a person; empty when nothing does."""
    actions: tuple[CfdAction, ...]
    """What can be done now."""
    opened_at: Time
    """When the order was placed."""
    expiry: Time
    next: Next | None
    rollover_at: Time | None
    """When this node tries to roll it over by itself; None: it does not."""
    funding_rate: Rate
    """Per 24 h; positive: long pays short."""
    fees_owed: SignedSats
    """Opening fee and funding so far that this node owes the other; negative: is owed."""
    liquidation_price: Price | None
    """Rounded to 8 decimals; None: at no price."""
    mark_price: Price | None
    """What `unrealised` is reckoned at; None: no price is known, or it is over."""
    unrealised: SignedSats | None
    """Gain, if it were settled at `mark_price`."""
    realised: SignedSats | None
    """Gain, once it is over."""
    profit_percent: Number | None
    """Of the margin; realised or unrealised."""
    worst_case: Sats
    """What can still be lost, whatever anybody does."""
    over: bool


class Moment(Model):
    """One entry of a CFD's timeline."""

    at: Time | None
    """None: not recorded; the entries are in order."""
    title: str
    """A few words, for example `contract setup completed`."""
    meaning: str
    """What it meant, in a sentence; may be empty."""
    txid: Txid | None
    """The transaction it is about."""


class ContractTx(Model):
    """A transaction of a CFD that the chain has seen, or that this node has sent."""

    kind: str
    """Lock, commit, CET, refund, close, punish or cancel."""
    txid: Txid
    height: Count | None
    """None: not in a block."""
    confirmations: Count


class SignedOutcome(Model):
    """One of two outcomes that the oracle signed for one event: only the user can say which one counts."""

    event: str
    outcome: Count
    """The price, in the product's unit."""
    chosen: bool
    payout: Sats | None
    """What this node would be paid, before transaction fees; None: it pays nobody, life goes on."""
    gain: SignedSats | None


class CfdDetail(Model):
    """One CFD with its explanation."""

    row: CfdRow
    timeline: tuple[Moment, ...]
    """Oldest first."""
    transactions: tuple[ContractTx, ...]
    payoff: tuple[PayoffPoint, ...]
    """From low to high prices, after all fees so far."""
    progress: Progress | None
    """Of the protocol run under way."""
    event: str
    """The oracle event that settles it."""
    outcomes: tuple[SignedOutcome, ...]
    """Those that the oracle contradicts itself with; empty while it does not."""


class Cfds(Model):
    """CFDs, newest first."""

    cfds: tuple[CfdRow, ...]
    at: Time


class ActionPreview(Model):
    """What rolling over, settling or force closing would mean. Nothing has been sent to anybody."""

    cfd: CfdId
    action: CfdAction
    obstacle: str
    """Why it would be refused now, in a sentence; empty: it would be tried."""
    steps: tuple[str, ...]
    """What will happen, one sentence each."""
    price: Price | None
    """Settling: at which price."""
    payout: Sats | None
    """What would be paid to this node, before `chain_fee`; None: it depends on what comes."""
    gain: SignedSats | None
    fee: SignedSats
    """What it costs in fees to the counterparty (funding); negative: received."""
    chain_fee: Sats
    """This node's part of the transaction fees; an estimate."""
    new_expiry: Time | None
    """Rolling over."""
    money_back_at: Time | None
    """About when the money can be spent again; None: the position stays open."""
