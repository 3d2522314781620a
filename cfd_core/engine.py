"""The front desk: every input and command goes in here, and a `Step` comes out.

An engine is a value. `handle` leaves it as it was and returns the next one together with the events to store and the
effects to run. The shell stores the events first, then takes the next engine, then runs the effects; when storing
fails it keeps the old engine and nothing has happened.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

from attrs import evolve, field, frozen

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import decide
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Recorded
from cfd_core.cfd.evolve import evolve as fold
from cfd_core.cfd.lifecycle import legal
from cfd_core.cfd.offer import Offer
from cfd_core.cfd.owed import owed
from cfd_core.contract.terms import ContractTerms
from cfd_core.crypto.keys import CfdKeys, Keychain
from cfd_core.errors import CfdError, DecodeError, PeerViolation, RuleViolation
from cfd_core.oracle import Announcement
from cfd_core.protocols.contract_setup import machine as setup_machine
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.contract_setup import states as s
from cfd_core.values import (
    HOUR,
    CfdId,
    EventId,
    FeeRate,
    Network,
    OfferId,
    PeerId,
    Role,
    RunId,
    Sats,
    Timestamp,
    cfd_id,
)

OFFERS_STREAM = "offers"
FIRST_REVISION = setup_machine.FIRST_REVISION


@frozen(kw_only=True)
class Policy:
    """What this node agrees to by itself, and what it refuses from others."""

    accept_up_to: Sats = Sats(21_000_000 * 100_000_000)
    """Maker: orders that lock at most this much of our money are accepted; others wait for `AcceptOrder`."""
    max_cfds_per_peer: int = 100
    min_term: int = 1 * HOUR
    max_term: int = 25 * HOUR
    """Seconds between taking an offer and its expiry."""
    max_fee_rate: FeeRate = FeeRate(500)
    step_seconds: int = 60
    """How long either side may take for one step of a protocol."""
    max_runs_per_peer: int = 16
    max_queued: int = 4
    """Messages kept for a run that waits for our own side."""


@frozen(kw_only=True)
class Settings:
    """What an engine is told once."""

    network: Network
    keychain: Keychain
    policy: Policy = field(factory=Policy)


@frozen(kw_only=True)
class Run:
    """One live protocol run."""

    id: RunId
    peer: PeerId
    state: s.State | None
    """None until the order has come in."""
    deadline: Timestamp
    entropy: bytes = field(repr=False)
    queue: tuple[i.Message, ...] = ()
    """Messages that came while the run waited for our own side."""


@frozen
class Step:
    """The next engine, what to store, what to do after that."""

    engine: "Engine" = field(repr=False)
    events: tuple[Recorded, ...] = ()
    effects: tuple[f.Effect, ...] = ()


@frozen(kw_only=True)
class Engine:
    """All CFDs and live runs of one node. Make one with `Engine(settings=...)` or `Engine.load`."""

    settings: Settings
    cfds: Mapping[CfdId, Cfd] = field(factory=dict)
    offers: Mapping[OfferId, Offer] = field(factory=dict)
    """Our own, as a maker."""
    offers_version: int = 0
    market: Mapping[PeerId, tuple[Offer, ...]] = field(factory=dict)
    """Other makers' offers."""
    announcements: Mapping[EventId, Announcement] = field(factory=dict)
    runs: Mapping[RunId, Run] = field(factory=dict)
    tip: int = 0

    @classmethod
    def load(cls, settings: Settings, events: Iterable[tuple[str, e.Event]]) -> "Engine":
        """The engine as its stored (stream, event) pairs left it, in their order."""
        cfds: dict[CfdId, Cfd] = {}
        offers: dict[OfferId, Offer] = {}
        offers_version = 0
        for stream, event in events:
            if isinstance(event, e.OfferPublished | e.OfferWithdrawn):
                offers_version += 1
                _fold_offer(offers, event)
            else:
                key = CfdId(stream)
                cfds[key] = fold(cfds.get(key), event)
        announcements = {cfd.announcement.event_id: cfd.announcement for cfd in cfds.values()}
        return cls(
            settings=settings, cfds=cfds, offers=offers, offers_version=offers_version, announcements=announcements
        )

    def handle(self, happened: i.Input | c.Command, now: Timestamp) -> Step:
        """What follows from one thing that happened.

        `RuleViolation` refuses a command of our own side; what others do wrong is answered, not raised. Anything else
        that escapes is a bug of ours. The engine itself never changes.
        """
        turn = _Turn(self, now)
        turn.dispatch(happened)
        return turn.step()

    def resume(self, now: Timestamp) -> tuple[f.Effect, ...]:
        """Everything still owed to the world: run it at start-up and after any shell was restarted."""
        del now  # what is owed depends on the chain, not on the clock; the signature keeps the room for it
        return tuple(effect for cfd in self.cfds.values() for effect in owed(cfd, self.tip))

    @property
    def deadline(self) -> Timestamp | None:
        """When `TimerFired` is due next."""
        return min((run.deadline for run in self.runs.values()), default=None)


def _fold_offer(offers: dict[OfferId, Offer], event: e.OfferEvent) -> None:
    if isinstance(event, e.OfferPublished):
        offers[event.offer.id] = event.offer
    else:
        offers.pop(event.offer, None)


class _Turn:
    """One call of `handle`: works on copies, so a refusal leaves nothing behind."""

    def __init__(self, engine: Engine, now: Timestamp) -> None:
        self.engine, self.now = engine, now
        self.policy = engine.settings.policy
        self.cfds = dict(engine.cfds)
        self.offers = dict(engine.offers)
        self.offers_version = engine.offers_version
        self.market = dict(engine.market)
        self.announcements = dict(engine.announcements)
        self.runs = dict(engine.runs)
        self.tip = engine.tip
        self.events: list[Recorded] = []
        self.effects: list[f.Effect] = []

    def step(self) -> Step:
        engine = evolve(
            self.engine,
            cfds=self.cfds,
            offers=self.offers,
            offers_version=self.offers_version,
            market=self.market,
            announcements=self.announcements,
            runs=self.runs,
            tip=self.tip,
        )
        return Step(engine, tuple(self.events), tuple(self.effects))

    def dispatch(self, happened: i.Input | c.Command) -> None:
        match happened:
            case c.PublishOffer(offer):
                self.publish(offer)
            case c.WithdrawOffer(offer):
                self.withdraw(offer)
            case c.LearnOffers(maker, offers):
                self.learn(maker, offers)
            case c.TakeOffer():
                self.take(happened)
            case c.AcceptOrder(key):
                self.answer_run(self.run_of(key), s.OrderApproved())
            case c.RejectOrder(key, reason):
                self.answer_run(self.run_of(key), s.OrderRefused(reason))
            case c.ForceClose(key):
                self.record(key, *decide.force_close(self.cfd(key), self.keys(key), self.now))
            case i.NodeStarted():
                self.drop_lost_setups()
            case i.TimerFired():
                self.expire_runs()
            case i.StreamOpened():
                self.stream_opened(happened)
            case i.MessageReceived(run, message):
                self.message(run, message)
            case i.MessageUndecodable(run, reason):
                self.give_up(run, f"undecodable message: {reason}", tell=True)
            case i.StreamClosed(run, reason):
                self.give_up(run, reason, tell=False)
            case i.OutpointReport():
                self.outpoint(happened)
            case i.TipChanged(height):
                self.tip_changed(height)
            case i.AnnouncementReceived(announcement):
                self.announcements[announcement.event_id] = announcement
            case i.AttestationReceived(event, raw):
                self.attested(event, raw)
            case i.RevisionLoaded(key, revision, packed):
                self.revision_loaded(key, revision, packed)
            case (
                i.CoinsReserved()
                | i.CoinsRefused()
                | i.LockInputsSigned()
                | i.LockSigningFailed()
                | i.CetsSigned()
                | i.CetsVerified()
                | i.InputsChecked()
            ):
                self.answer(happened)
            case _:
                assert_never(happened)

    # --- offers --------------------------------------------------------------------------------------------------

    def publish(self, offer: Offer) -> None:
        self.check_offer(offer)
        self.record_offer(e.OfferPublished(offer))

    def withdraw(self, offer: OfferId) -> None:
        if offer not in self.offers:
            raise RuleViolation(f"no offer {offer} of ours")
        self.record_offer(e.OfferWithdrawn(offer))

    def learn(self, maker: PeerId, offers: tuple[Offer, ...]) -> None:
        self.market[maker] = offers
        wanted = dict.fromkeys(offer.event for offer in offers if offer.event not in self.announcements)
        self.effects.extend(f.FetchAnnouncement(event) for event in wanted)

    def check_offer(self, offer: Offer) -> Announcement:
        """What must hold for an offer on either side of it; `RuleViolation` otherwise."""
        if offer.network is not self.engine.settings.network:
            raise RuleViolation(f"the offer is for {offer.network.value}")
        if offer.stale(self.now):
            raise RuleViolation("the offer is stale")
        if offer.fee_rate > self.policy.max_fee_rate:
            raise RuleViolation(f"the offer's fee rate of {offer.fee_rate} sat/vB is over our limit")
        announcement = self.announcements.get(offer.event)
        if announcement is None:
            raise RuleViolation(f"the oracle's announcement of {offer.event} is not known yet")
        if announcement.maturity != offer.expiry or announcement.digits != offer.digits:
            raise RuleViolation("the offer's expiry or digits are not those that the oracle announced")
        term = offer.expiry - self.now
        if not self.policy.min_term <= term <= self.policy.max_term:
            raise RuleViolation(f"the event is due in {term / HOUR:.1f} h, outside our limits")
        return announcement

    def record_offer(self, event: e.OfferEvent) -> None:
        self.offers_version += 1
        _fold_offer(self.offers, event)
        self.events.append(Recorded(OFFERS_STREAM, self.offers_version, event))

    # --- opening a CFD -------------------------------------------------------------------------------------------

    def take(self, command: c.TakeOffer) -> None:
        offer = next((o for o in self.market.get(command.maker, ()) if o.id == command.offer), None)
        if offer is None:
            raise RuleViolation(f"that maker has no offer {command.offer}")
        terms = offer.terms(command.position, command.quantity, command.leverage)
        _check_payable(terms)
        key = cfd_id(command.entropy[:16].hex())
        if key in self.cfds:
            raise RuleViolation("this entropy was used before")
        self.place(key, Role.TAKER, command.maker, offer, terms)
        order = m.Order(key, offer.id, command.position, command.quantity, command.leverage)
        run = self.open_run(RunId(f"setup:{key}"), command.maker, command.entropy)
        opening = f.OpenStream(run.id, run.peer, m.PROTOCOL)
        self.follow(run, setup_machine.start_taker(self.setup(run, self.cfds[key]), order, opening))

    def place(self, key: CfdId, role: Role, peer: PeerId, offer: Offer, terms: ContractTerms) -> None:
        announcement = self.check_offer(offer)
        placed = e.OrderPlaced(
            cfd_id=key, role=role, peer=peer, offer=offer.id, terms=terms, announcement=announcement, at=self.now
        )
        self.cfds[key] = fold(None, placed)
        self.events.append(Recorded(key, 1, placed))

    def setup(self, run: Run, cfd: Cfd) -> s.Setup:
        return s.Setup(
            run=run.id,
            cfd_id=cfd.id,
            role=cfd.role,
            terms=cfd.terms,
            announcement=cfd.announcement,
            keys=self.keys(cfd.id),
            aux=run.entropy,
        )

    def stream_opened(self, opened: i.StreamOpened) -> None:
        if opened.run in self.runs:
            raise RuleViolation(f"run {opened.run} exists already")
        busy = sum(run.peer == opened.peer for run in self.runs.values())
        if opened.protocol != m.PROTOCOL or busy >= self.policy.max_runs_per_peer:
            self.effects.append(f.CloseStream(opened.run))
            return
        self.open_run(opened.run, opened.peer, opened.entropy)

    def open_run(self, key: RunId, peer: PeerId, entropy: bytes) -> Run:
        if len(entropy) != 32:
            raise RuleViolation("a run needs 32 bytes of entropy")
        run = Run(id=key, peer=peer, state=None, deadline=self.next_deadline(), entropy=entropy)
        self.runs[key] = run
        return run

    def ordered(self, run: Run, order: m.Order) -> None:
        """Maker: check the order against our own offer. Any refusal is told to the taker."""
        try:
            offer = self.offers.get(order.offer)
            if offer is None:
                raise PeerViolation("there is no such offer, or not any more")
            if order.cfd_id in self.cfds:
                raise PeerViolation("this order was placed before")
            open_cfds = sum(cfd.peer == run.peer and not cfd.ended for cfd in self.cfds.values())
            if open_cfds >= self.policy.max_cfds_per_peer:
                raise PeerViolation("too many open CFDs with you")
            terms = offer.terms(order.position, order.quantity, order.leverage)
            _check_payable(terms)
            self.place(order.cfd_id, Role.MAKER, run.peer, offer, terms)
        except CfdError as error:
            self.refuse(run, order.cfd_id, str(error))
            return
        self.follow(run, setup_machine.start_maker(self.setup(run, self.cfds[order.cfd_id])))
        if terms.margin(Role.MAKER) <= self.policy.accept_up_to:
            self.answer_run(self.runs[run.id], s.OrderApproved())

    def refuse(self, run: Run, key: CfdId, reason: str) -> None:
        self.effects += [f.SendMessage(run.id, m.Reject(key, reason)), f.CloseStream(run.id)]
        self.runs.pop(run.id, None)

    # --- runs ----------------------------------------------------------------------------------------------------

    def message(self, key: RunId, message: i.Message) -> None:
        run = self.runs.get(key)
        if run is None:
            return  # the run has ended; what is still on the wire has no addressee
        if run.state is None:
            if isinstance(message, m.Order):
                self.ordered(run, message)
            else:
                self.refuse(run, message.cfd_id, "the first message is an order")
        elif message.cfd_id != run.state.setup.cfd_id:
            self.give_up(key, "a message about another CFD", tell=True)
        elif isinstance(run.state, s.BUSY) and not isinstance(message, m.Reject):
            self.queue(run, message)
        else:
            self.advance(run, message)

    def queue(self, run: Run, message: i.Message) -> None:
        if len(run.queue) >= self.policy.max_queued:
            self.give_up(run.id, "more messages than are due", tell=True)
        else:
            self.runs[run.id] = evolve(run, queue=(*run.queue, message))

    def advance(self, run: Run, message: i.Message) -> None:
        if run.state is None:
            return
        try:
            step = setup_machine.on_message(run.state, message)
        except (PeerViolation, DecodeError, RuleViolation) as error:
            self.give_up(run.id, str(error), tell=True)
        else:
            self.follow(run, step)

    def answer(self, answered: i.SetupInput) -> None:
        run = next((r for r in self.runs.values() if r.state and r.state.setup.cfd_id == answered.cfd_id), None)
        if run is not None and run.state is not None and (type(run.state), type(answered)) in s.TRANSITIONS:
            self.answer_run(run, answered)

    def answer_run(self, run: Run, answer: s.Answer) -> None:
        if run.state is None:
            raise RuleViolation("no order has come in")
        try:
            step = setup_machine.on_answer(run.state, answer)
        except (PeerViolation, DecodeError) as error:
            self.give_up(run.id, str(error), tell=True)
        else:
            self.follow(run, step)

    def follow(self, run: Run, step: setup_machine.Step) -> None:
        key = step.state.setup.cfd_id
        for outcome in step.outcomes:
            self.record(key, *_events(outcome), packed=_packed(outcome))
        self.effects.extend(step.effects)
        if isinstance(step.state, s.ENDED):
            self.runs.pop(run.id, None)
            return
        current = evolve(run, state=step.state, deadline=self.next_deadline())
        self.runs[run.id] = current
        if current.queue and not isinstance(step.state, s.BUSY):
            self.runs[run.id] = evolve(current, queue=current.queue[1:])
            self.advance(self.runs[run.id], current.queue[0])

    def give_up(self, key: RunId, reason: str, *, tell: bool) -> None:
        run = self.runs.get(key)
        if run is None:
            return
        if run.state is None:
            self.effects.append(f.CloseStream(key))
            del self.runs[key]
            return
        if tell:
            self.effects.append(f.SendMessage(key, m.Reject(run.state.setup.cfd_id, reason)))
        self.follow(run, setup_machine.on_lost(run.state, reason))

    def expire_runs(self) -> None:
        for run in list(self.runs.values()):
            if run.deadline <= self.now:
                self.give_up(run.id, "timed out", tell=True)

    def next_deadline(self) -> Timestamp:
        return Timestamp(self.now + self.policy.step_seconds)

    def run_of(self, key: CfdId) -> Run:
        for run in self.runs.values():
            if run.state is not None and run.state.setup.cfd_id == key:
                return run
        raise RuleViolation(f"no order of CFD {key} waits for a decision")

    # --- the life of a CFD ---------------------------------------------------------------------------------------

    def drop_lost_setups(self) -> None:
        live = {run.state.setup.cfd_id for run in self.runs.values() if run.state is not None}
        for cfd in list(self.cfds.values()):
            if isinstance(cfd.phase, p.SettingUp) and cfd.id not in live:
                self.record(cfd.id, e.ContractSetupFailed("the node was restarted during contract setup"))
                self.effects.append(f.ReleaseCoins(cfd.id))

    def outpoint(self, report: i.OutpointReport) -> None:
        for cfd in list(self.cfds.values()):
            events = decide.observe(cfd, report)
            if events:
                self.record(cfd.id, *events)
                self.close_if_final(cfd.id)

    def tip_changed(self, height: int) -> None:
        self.tip = height
        for key, cfd in list(self.cfds.items()):
            if cfd.held is not None:
                self.close_if_final(key)
                # re-broadcast what is not final: a replay is harmless, an eviction is not
                self.effects.extend(x for x in owed(self.cfds[key], height) if isinstance(x, f.BroadcastTx))

    def close_if_final(self, key: CfdId) -> None:
        self.record(key, *decide.close_if_final(self.cfds[key], self.tip))

    def attested(self, event: EventId, raw: bytes) -> None:
        for cfd in list(self.cfds.values()):
            if cfd.announcement.event_id == event:
                self.record(cfd.id, *decide.attest(cfd, raw))

    def revision_loaded(self, key: CfdId, revision: int, packed: bytes) -> None:
        cfd = self.cfd(key)
        if cfd.held is not None and cfd.held.dlc.revision == revision:
            self.record(key, *decide.sign_cet(cfd, self.keys(key), packed))

    def record(self, key: CfdId, *events: e.CfdEvent, packed: bytes | None = None) -> None:
        """Fold the events in, and do what is newly owed."""
        before = self.cfds[key]
        owed_before = set(owed(before, self.tip))
        for event in events:
            cfd = self.cfds[key]
            if not legal(cfd.phase, event):
                raise AssertionError(f"{type(event).__name__} is not legal in {type(cfd.phase).__name__}")
            self.cfds[key] = fold(cfd, event)
            self.events.append(Recorded(key, cfd.version + 1, event, packed))
            packed = None
        if events:
            self.effects.extend(x for x in owed(self.cfds[key], self.tip) if x not in owed_before)

    def cfd(self, key: CfdId) -> Cfd:
        if key not in self.cfds:
            raise RuleViolation(f"no CFD {key}")
        return self.cfds[key]

    def keys(self, key: CfdId) -> CfdKeys:
        return self.engine.settings.keychain.cfd_keys(key, FIRST_REVISION)


def _check_payable(terms: ContractTerms) -> None:
    if len(terms.schedule) < 2:
        raise RuleViolation("with this tolerance the contract would pay the same at every price")


def _events(outcome: setup_machine.Outcome) -> tuple[e.CfdEvent, ...]:
    match outcome:
        case setup_machine.LockSigned(dlc, _, lock):
            return (
                e.LockSigned(
                    revision=dlc.revision,
                    maker=dlc.draft.maker,
                    taker=dlc.draft.taker,
                    ours=dlc.ours,
                    theirs=dlc.theirs,
                    cets_sha256=dlc.cets_sha256,
                    lock=lock.serialize(),
                ),
            )
        case setup_machine.LockCompleted(lock):
            return (e.LockCompleted(lock.serialize()),)
        case setup_machine.SetupFailed(reason):
            return (e.ContractSetupFailed(reason),)
        case setup_machine.SetupRejected(reason):
            return (e.OrderRejected(reason),)
        case _:
            assert_never(outcome)


def _packed(outcome: setup_machine.Outcome) -> bytes | None:
    return outcome.cets if isinstance(outcome, setup_machine.LockSigned) else None
