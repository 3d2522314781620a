"""The front desk: every input and command goes in here, and a `Step` comes out.

An engine is a value. `handle` leaves it as it was and returns the next one together with the events to store and the
effects to run. The shell stores the events first, then takes the next engine, then runs the effects; when storing
fails it keeps the old engine and nothing has happened.
"""

from collections.abc import Iterable
from typing import assert_never

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
from cfd_core.cfd.owed import owed
from cfd_core.engine import life, opening, runs
from cfd_core.engine import offers as offer_desk
from cfd_core.engine.settings import Settings
from cfd_core.engine.turn import State, Turn, fold_offer
from cfd_core.protocols.contract_setup import states as s
from cfd_core.values import CfdId, OfferId, Timestamp


@frozen
class Step:
    """The next engine, what to store, what to do after that."""

    engine: "Engine" = field(repr=False)
    events: tuple[Recorded, ...] = ()
    effects: tuple[f.Effect, ...] = ()


@frozen(kw_only=True)
class Engine(State):
    """One node's CFDs and runs. Make one with `Engine(settings=...)` or `Engine.load`."""

    @classmethod
    def load(cls, settings: Settings, events: Iterable[tuple[str, e.Event]]) -> "Engine":
        """The engine as its stored (stream, event) pairs left it, in their order."""
        cfds: dict[CfdId, Cfd] = {}
        offers: dict[OfferId, Offer] = {}
        offers_version = 0
        for stream, event in events:
            if isinstance(event, e.OfferPublished | e.OfferWithdrawn):
                offers_version += 1
                fold_offer(offers, event)
            else:
                key = CfdId(stream)
                cfds[key] = fold(cfds.get(key), event)
        announcements = {cfd.announcement.event_id: cfd.announcement for cfd in cfds.values()}
        return cls(
            settings=settings, cfds=cfds, offers=offers, offers_version=offers_version, announcements=announcements
        )

    def handle(self, happened: i.Input | c.Command, now: Timestamp) -> Step:
        """What follows from one thing that happened.

        Raises `RuleViolation` to refuse a command of our own side, and `PeerViolation` or `DecodeError` for an
        attestation that does not hold. What a counterparty does wrong is answered, not raised. Anything else that
        escapes is a bug of ours. The engine itself never changes.
        """
        turn = Turn(self, now)
        dispatch(turn, happened)
        return Step(evolve(self, **turn.changes()), tuple(turn.events), tuple(turn.effects))

    def resume(self, now: Timestamp) -> tuple[f.Effect, ...]:
        """Everything still owed to the world: run it at start-up and after any shell was restarted."""
        del now  # what is owed depends on the chain, not on the clock; the signature keeps the room for it
        wanted = dict.fromkeys(offer.event for offer in self.offers.values() if offer.event not in self.announcements)
        fetches = (f.FetchAnnouncement(event) for event in wanted)
        return (*fetches, *(effect for cfd in self.cfds.values() for effect in owed(cfd, self.tip)))

    @property
    def deadline(self) -> Timestamp | None:
        """When `TimerFired` is due next."""
        return min((run.deadline for run in self.runs.values()), default=None)


def dispatch(turn: Turn, happened: i.Input | c.Command) -> None:
    match happened:
        case c.PublishOffer(offer):
            offer_desk.publish(turn, offer)
        case c.WithdrawOffer(offer):
            offer_desk.withdraw(turn, offer)
        case c.LearnOffers(maker, offers):
            offer_desk.learn(turn, maker, offers)
        case c.TakeOffer():
            opening.take(turn, happened)
        case c.AcceptOrder(key):
            runs.answer_run(turn, runs.run_of(turn, key), s.OrderApproved())
        case c.RejectOrder(key, reason):
            runs.answer_run(turn, runs.run_of(turn, key), s.OrderRefused(reason))
        case c.ForceClose(key):
            turn.record(key, *decide.force_close(turn.cfd(key), turn.keys(key), turn.now))
        case i.NodeStarted():
            life.drop_lost_setups(turn)
        case i.TimerFired():
            runs.expire_runs(turn)
        case i.StreamOpened():
            opening.stream_opened(turn, happened)
        case i.MessageReceived(run, message):
            opening.message(turn, run, message)
        case i.MessageUndecodable(run, reason):
            runs.give_up(turn, run, f"undecodable message: {reason}", tell=True)
        case i.StreamClosed(run, reason):
            runs.give_up(turn, run, reason, tell=False)
        case i.OutpointReport():
            life.outpoint(turn, happened)
        case i.TipChanged(height):
            life.tip_changed(turn, height)
        case i.AnnouncementReceived(announcement):
            turn.announcements[announcement.event_id] = announcement
        case i.AttestationReceived(event, raw):
            life.attested(turn, event, raw)
        case i.RevisionLoaded(key, revision, packed):
            life.revision_loaded(turn, key, revision, packed)
        case (
            i.CoinsReserved()
            | i.CoinsRefused()
            | i.LockInputsSigned()
            | i.LockSigningFailed()
            | i.CetsSigned()
            | i.CetsVerified()
            | i.InputsChecked()
        ):
            runs.answer(turn, happened)
        case _:
            assert_never(happened)
