"""The front desk: every input and command goes in here, and a `Step` comes out.

An engine is a value. `handle` leaves it as it was and returns the next one together with the events to store and the
effects to run. The shell stores the events first, then takes the next engine, then runs the effects; when storing
fails it keeps the old engine and nothing has happened.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, assert_never, get_args

from attrs import evolve, field, frozen

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import decide
from cfd_core.cfd import events as e
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Recorded
from cfd_core.cfd.evolve import evolve as fold
from cfd_core.cfd.offer import Offer
from cfd_core.cfd.owed import Now, owed
from cfd_core.engine import life, opening, reception, restoring, resuming, rolling, runs, settling
from cfd_core.engine import offers as offer_desk
from cfd_core.engine.index import Index
from cfd_core.engine.indexing import indexed
from cfd_core.engine.settings import Settings
from cfd_core.engine.turn import OracleEvent, State, Turn, fold_node, named
from cfd_core.oracle import Announcement
from cfd_core.protocols.contract_setup import states as setup_states
from cfd_core.protocols.settlement import states as settlement_states
from cfd_core.values import CfdId, EventId, OfferId, Timestamp

_KNOWN: Final = frozenset(get_args(i.Input | c.Command))


@frozen
class Step:
    """The next engine, what to store, what to do after that."""

    engine: "Engine" = field(repr=False)
    events: tuple[Recorded, ...] = ()
    effects: tuple[f.Effect, ...] = ()


@frozen(kw_only=True)
class Engine(State):
    """One node's CFDs and runs. Make one with `Engine(settings=...)` or `Engine.load`."""

    def __repr__(self) -> str:
        of = self.settings.network.value
        return f"<Engine on {of}: {len(self.cfds)} CFDs, {len(self.offers)} offers, {len(self.runs)} runs>"

    @classmethod
    def load(
        cls, settings: Settings, events: Iterable[tuple[str, e.Event]], folded: Mapping[CfdId, Cfd] | None = None
    ) -> "Engine":
        """The engine as its stored (stream, event) pairs left it, in their order.

        `folded`: CFDs as their first events left them; `events` has only what came after those. All of the node's own
        stream is among `events`.
        """
        cfds: dict[CfdId, Cfd] = dict(folded or {})
        offers: dict[OfferId, Offer] = {}
        announcements: dict[OracleEvent, Announcement] = {}
        kept = set()
        node_version = 0
        for stream, event in events:
            if isinstance(event, e.OfferPublished | e.OfferWithdrawn | e.AnnouncementKept):
                node_version += 1
                fold_node(offers, announcements, event)
                if isinstance(event, e.AnnouncementKept):
                    kept.add(named(event.announcement))
            else:
                key = CfdId(stream)
                cfds[key] = fold(cfds.get(key), event)
        alive = frozenset(key for key, cfd in cfds.items() if cfd.held is not None and not cfd.ended)
        return cls(
            settings=settings,
            index=Index(unasked=alive),
            cfds=cfds,
            offers=offers,
            announcements=announcements,
            voices={event: oracle for oracle, event in announcements},
            kept=frozenset(kept),
            node_version=node_version,
        )._indexed(cfds)

    def handle(self, happened: i.Input | c.Command, now: Timestamp) -> Step:
        """What follows from one thing that happened.

        Raises `RuleViolation` to refuse a command of our own side, and `PeerViolation` or `DecodeError` for an
        attestation that does not hold. What a counterparty does wrong is answered, not raised. `SignerUnavailable` for
        a command, a message or an answer of our own side that needs a signature while nobody signs: give it again once
        somebody does. Anything else that escapes is a bug of ours. The engine itself never changes.
        """
        if type(happened) not in _KNOWN:
            raise TypeError(f"an engine handles inputs and commands, not {type(happened).__name__}")
        turn = Turn(self, now)
        dispatch(turn, happened)
        overdue = self.index.overdue | self.index.due(now)
        engine = evolve(self, **turn.changes())._indexed(turn.changed | overdue)
        asked = isinstance(happened, i.TimerFired)
        index = evolve(
            engine.index,
            overdue=frozenset() if asked else overdue,
            unasked=frozenset() if isinstance(happened, i.TipChanged) else engine.index.unasked,
        )
        return Step(evolve(engine, index=index), tuple(turn.events), tuple(turn.effects))

    def resume(self, now: Timestamp) -> tuple[f.Effect, ...]:
        """Everything still owed to the world: run it at start-up and after any shell was restarted."""
        policy = self.settings.policy
        at = Now(tip=self.tip, now=now, deadlines=policy.deadlines, max_fee_rate=policy.max_fee_rate)
        events = dict.fromkeys(event for o in self.offers.values() for event in (o.event, *o.liquidations))
        fetches = (f.FetchAnnouncement(event) for event in events if event not in self.voices)
        return (*fetches, *(effect for cfd in self.cfds.values() for effect in owed(cfd, at)))

    @property
    def deadline(self) -> Timestamp | None:
        """When `TimerFired` is due next."""
        policy = self.settings.policy
        times = [run.deadline for run in self.runs.values()]
        soon = Timestamp(self.clock + 1)
        times += [max(resuming.next_ask(peer, tries, policy), soon) for peer, tries in self.resume_tries.items()]
        times += [soon] if self.index.overdue and self.tip else []  # without a height nothing can be decided well
        times += self.index.first(run.cfd_id for run in self.runs.values() if run.state is not None and run.cfd_id)
        return min(times, default=None)

    def concerned_by(self, event: EventId) -> tuple[CfdId, ...]:
        """The living CFDs that may learn something from an attestation of this event, in their order."""
        return tuple(key for key, cfd in self.cfds.items() if not cfd.ended and decide.hears_of(cfd, event))

    def _indexed(self, changed: Collection[CfdId]) -> "Engine":
        if not changed:
            return self
        index = indexed(self.index, changed, self.cfds, self.settings.policy, self.rollover_tries, self.clock)
        return evolve(self, index=index)


def dispatch(turn: Turn, happened: i.Input | c.Command) -> None:
    """Hand it to the desk that deals with it."""
    match happened:
        case c.PublishOffer(offer):
            offer_desk.publish(turn, offer)
        case c.WithdrawOffer(key):
            offer_desk.withdraw(turn, key)
        case c.LearnOffers(maker, offers):
            offer_desk.learn(turn, maker, offers)
        case c.TakeOffer():
            opening.take(turn, happened)
        case c.AcceptOrder(key):
            runs.answer_run(turn, runs.waiting(turn, key, "order"), setup_states.OrderApproved())
        case c.RejectOrder(key, reason):
            runs.answer_run(turn, runs.waiting(turn, key, "order"), setup_states.OrderRefused(reason))
        case c.ForceClose(key):
            life.force_close(turn, key)
        case c.RollOver():
            rolling.roll_over(turn, happened)
        case c.ProposeSettlement():
            settling.propose(turn, happened)
        case c.AcceptSettlement(key):
            runs.answer_run(turn, runs.waiting(turn, key, "settlement"), settlement_states.PriceAccepted())
        case c.RejectSettlement(key, reason):
            runs.answer_run(turn, runs.waiting(turn, key, "settlement"), settlement_states.PriceRefused(reason))
        case c.ChooseOutcome(key, outcome):
            turn.record(key, *decide.choose(turn.cfd(key), outcome))
        case c.TrustBackup(key):
            turn.record(key, *decide.trust_backup(turn.cfd(key)))
        case _:
            _dispatch_input(turn, happened)


def _dispatch_input(turn: Turn, happened: i.Input) -> None:
    match happened:
        case i.NodeStarted():
            life.drop_lost_setups(turn)
            life.tidy(turn)
            resuming.node_started(turn)
        case i.StoreRestored():
            restoring.store_restored(turn)
        case i.TimerFired():
            life.timer_fired(turn)
        case i.StreamOpened():
            reception.stream_opened(turn, happened)
        case i.PeerConnected():
            resuming.peer_connected(turn, happened)
        case i.MessageReceived(run, message):
            reception.message(turn, run, message)
        case i.MessageUndecodable(run, reason):
            runs.give_up(turn, run, f"undecodable message: {reason}", tell=True)
        case i.StreamClosed(run, reason):
            runs.give_up(turn, run, reason, tell=False)
        case i.OutpointReport():
            life.outpoint(turn, happened)
        case i.TipChanged(height):
            life.tip_changed(turn, height)
        case i.AnnouncementReceived(announcement):
            turn.learn(announcement)
            rolling.announced(turn)
        case i.AttestationReceived(event, raw, among):
            life.attested(turn, event, raw, among)
        case i.RevisionLoaded(key, number, packed):
            life.revision_loaded(turn, key, number, packed)
        case i.CancelInputSigned():
            life.cancel_signed(turn, happened)
        case i.FeeBumpSigned():
            life.bump_signed(turn, happened)
        case (
            i.CoinsReserved()
            | i.CoinsRefused()
            | i.LockInputsSigned()
            | i.LockSigningFailed()
            | i.CetsSigned()
            | i.CetsVerified()
            | i.InputsChecked()
        ):
            runs.answer(turn, happened.cfd_id, happened)
        case _:
            assert_never(happened)
