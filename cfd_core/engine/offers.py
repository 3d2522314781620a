"""Offers on both sides: ours, and those of the makers we listen to."""

from cfd_core import effects as f
from cfd_core.cfd import events as e
from cfd_core.cfd.events import Recorded
from cfd_core.cfd.offer import Offer
from cfd_core.engine.turn import OFFERS_STREAM, Turn, fold_offer
from cfd_core.errors import RuleViolation
from cfd_core.oracle import Announcement
from cfd_core.values import HOUR, OfferId, PeerId


def publish(turn: Turn, offer: Offer) -> None:
    check_offer(turn, offer)
    record_offer(turn, e.OfferPublished(offer))


def withdraw(turn: Turn, offer: OfferId) -> None:
    if offer not in turn.offers:
        raise RuleViolation(f"no offer {offer} of ours")
    record_offer(turn, e.OfferWithdrawn(offer))


def learn(turn: Turn, maker: PeerId, offers: tuple[Offer, ...]) -> None:
    turn.market[maker] = offers
    wanted = dict.fromkeys(offer.event for offer in offers if offer.event not in turn.announcements)
    turn.effects.extend(f.FetchAnnouncement(event) for event in wanted)


def check_offer(turn: Turn, offer: Offer) -> Announcement:
    """What must hold for an offer on either side of it; `RuleViolation` otherwise."""
    if offer.network is not turn.settings.network:
        raise RuleViolation(f"the offer is for {offer.network.value}")
    if offer.stale(turn.now):
        raise RuleViolation("the offer is stale")
    if offer.fee_rate > turn.policy.max_fee_rate:
        raise RuleViolation(f"the offer's fee rate of {offer.fee_rate} sat/vB is over our limit")
    announcement = turn.announcements.get(offer.event)
    if announcement is None:
        raise RuleViolation(f"the oracle's announcement of {offer.event} is not known yet")
    if announcement.maturity != offer.expiry or announcement.digits != offer.digits:
        raise RuleViolation("the offer's expiry or digits are not those that the oracle announced")
    term = offer.expiry - turn.now
    if not turn.policy.min_term <= term <= turn.policy.max_term:
        raise RuleViolation(f"the event is due in {term / HOUR:.1f} h, outside our limits")
    return announcement


def record_offer(turn: Turn, event: e.OfferEvent) -> None:
    turn.offers_version += 1
    fold_offer(turn.offers, event)
    turn.events.append(Recorded(OFFERS_STREAM, turn.offers_version, event))
