"""Offers on both sides: ours, and those of the makers we listen to."""

from typing import Final

from cfd_core import effects as f
from cfd_core.cfd import events as e
from cfd_core.cfd.offer import Offer
from cfd_core.engine.turn import Turn
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.oracle import Announcement, read_price_event
from cfd_core.payouts import payoff_of
from cfd_core.values import HOUR, EventId, OfferId, PeerId

OVERTAKEN: Final = "this offer is from before the full hour: wait for the maker's next one"
"""Said of an offer one of whose liquidation events is due already."""


def publish(turn: Turn, offer: Offer) -> None:
    check_offer(turn, offer)
    turn.record_node(e.OfferPublished(offer))


def withdraw(turn: Turn, offer: OfferId) -> None:
    if offer not in turn.offers:
        raise RuleViolation(f"no offer {offer} of ours")
    turn.record_node(e.OfferWithdrawn(offer))


def learn(turn: Turn, maker: PeerId, offers: tuple[Offer, ...]) -> None:
    turn.market[maker] = offers
    wanted = dict.fromkeys(event for offer in offers for event in (offer.event, *offer.liquidations))
    turn.effects.extend(f.FetchAnnouncement(event) for event in wanted if event not in turn.voices)


def check_offer(turn: Turn, offer: Offer) -> tuple[Announcement, ...]:
    """What must hold for an offer on either side of it; `RuleViolation` otherwise. Returns its announcements."""
    if offer.network is not turn.settings.network:
        raise RuleViolation(f"the offer is for {offer.network.value}")
    if offer.stale(turn.now):
        raise RuleViolation("the offer is stale")
    if offer.fee_rate > turn.policy.max_fee_rate:
        raise RuleViolation(f"the offer's fee rate of {offer.fee_rate} sat/vB is over our limit")
    announcements = tuple(known(turn, event) for event in (offer.event, *offer.liquidations))
    settlement = announcements[0]
    if any(announcement.oracle_key != settlement.oracle_key for announcement in announcements):
        raise RuleViolation("the offer's events are announced by more than one oracle")
    if settlement.maturity != offer.expiry or any(a.digits != offer.digits for a in announcements):
        raise RuleViolation("the offer's expiry or digits are not those that the oracle announced")
    for announcement in announcements:
        _check_index(offer, announcement)
    term = offer.expiry - turn.now
    if not turn.policy.min_term <= term <= turn.policy.max_term:
        raise RuleViolation(f"the event is due in {term / HOUR:.1f} h, outside our limits")
    due = [a.maturity for a in announcements[1:]]
    if due != sorted(set(due)) or any(at >= offer.expiry for at in due):
        raise RuleViolation("the liquidation events must lie between now and the expiry, in time order")
    if due and due[0] <= turn.now:
        raise RuleViolation(OVERTAKEN)
    return announcements


def _check_index(offer: Offer, announcement: Announcement) -> None:
    """An oracle's event must be the price of the product, as far as its name tells."""
    try:
        source = read_price_event(announcement.event_id).source
    except DecodeError:
        return  # not every dialect names its events so
    index = payoff_of(offer.product).index
    if source.rsplit("/", 1)[-1] != index:
        raise RuleViolation(f"{announcement.event_id} is not a price of {offer.product}")


def known(turn: Turn, event: EventId) -> Announcement:
    """The announcement of an event; `RuleViolation` while the oracle has not been heard."""
    announcement = turn.announcement(event)
    if announcement is None:
        raise RuleViolation(f"the oracle's announcement of {event} is not known yet")
    return announcement
