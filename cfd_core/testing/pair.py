"""The smallest world: a maker, a taker, and one offer between them."""

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd.offer import Offer
from cfd_core.contract.draft import Draft
from cfd_core.engine import Policy
from cfd_core.oracle import Announcement
from cfd_core.serial import wire
from cfd_core.testing.network import Faults
from cfd_core.testing.node import SimNode
from cfd_core.testing.oracle import START, announced, attestation, hours
from cfd_core.testing.world import World
from cfd_core.values import EventId, FeeRate, Network, OfferId, PeerId, Position, Role, RunId, Sats, Secret, Timestamp

MAKER, TAKER = PeerId("SHA256:maker"), PeerId("SHA256:taker")


def make_offer(announcement: Announcement, **changes: Any) -> Offer:
    """A two-sided offer at 50,000 USD that settles on this event; `changes` are fields of `Offer`."""
    fields: dict[str, Any] = {
        "id": OfferId("0f" * 16),
        "network": Network.REGTEST,
        "product": "BTCUSD-inverse",
        "bid": Decimal(50_000),
        "ask": Decimal(50_000),
        "min_quantity": 100,
        "max_quantity": 10_000,
        "lot": 100,
        "leverages": (1, 2, 5),
        "maker_leverage": 1,
        "opening_fee": Sats(0),
        "funding_rate": Decimal(0),
        "fee_rate": FeeRate(2),
        "tolerance": Decimal("0.0025"),
        "event": announcement.event_id,
        "digits": announcement.digits,
        "expiry": announcement.maturity,
        "published_at": START,
    }
    return Offer(**{**fields, **changes})


class Pair(World):
    """A maker and a taker who knows the maker's offer.

    `settles`: another oracle's announcement to settle on, with its attestation; else the simulated oracle's event
    24 h after the beginning, with hourly liquidations unless `liquidations=()` says otherwise. Further words are
    fields of the offer.
    """

    def __init__(
        self,
        maker_policy: Policy | None = None,
        taker_policy: Policy | None = None,
        *,
        seed: bytes = b"pair",
        faults: Faults | None = None,
        settles: tuple[Announcement, bytes] | None = None,
        **offer: Any,
    ) -> None:
        super().__init__(seed, faults)
        if settles is None:
            event = offer.get("event", hours(24, 24)[0])
            settles = announced(event), attestation(event, 48_935)
            offer = {"liquidations": hours(1, 23), **offer}
        self.announcement, self.attestation = settles
        self.known[self.announcement.event_id] = self.announcement
        self.offer = make_offer(self.announcement, **offer)
        # the golden stores were made with these seeds
        self.add("taker", Role.TAKER, taker_policy, seed=Secret(b"taker" * 8))
        self.add("maker", Role.MAKER, maker_policy, seed=Secret(b"maker" * 8))
        for event in (self.announcement.event_id, *self.offer.liquidations):
            for node in self.nodes:
                node.give(i.AnnouncementReceived(self.announcement_of(event)))
        self.maker.give(c.PublishOffer(self.offer))
        self.taker.give(c.LearnOffers(MAKER, (self.offer,)))

    @property
    def taker(self) -> SimNode:
        return self.nodes[0]

    @property
    def maker(self) -> SimNode:
        return self.nodes[1]

    def other(self, node: SimNode) -> SimNode:
        """The counterparty."""
        return self.maker if node is self.taker else self.taker

    # --- the usual steps -------------------------------------------------------------------------------------------

    def take(self, position: Position = Position.LONG, quantity: int = 1000, leverage: int = 2) -> None:
        """The taker places an order; nobody works yet."""
        entropy = hashlib.sha256(b"order").digest()
        self.taker.give(c.TakeOffer(MAKER, self.offer.id, position, quantity, leverage, entropy))

    def confirm_lock(self) -> None:
        """A block with the lock in it."""
        self.both(i.TipChanged(self.chain.height))
        self.mine()

    def opened(self, **order: Any) -> "Pair":
        """Itself, with a CFD whose lock is confirmed."""
        self.take(**order)
        self.run()
        self.confirm_lock()
        return self

    def fire_timers(self, after: int = 60) -> None:
        """It is so many seconds after the beginning."""
        for node in self.nodes:
            node.now = Timestamp(START + after)
        self.both(i.TimerFired())

    def attest(self, price: int, event: EventId | None = None) -> None:
        """The oracle's word is told to both, whether or not they asked."""
        known = event or self.announcement.event_id
        self.both(i.AttestationReceived(known, attestation(known, price)))

    # --- mischief --------------------------------------------------------------------------------------------------

    def alter(self, to: SimNode, kind: type[Any], change: Callable[[Any], Any]) -> None:
        """Change messages of a kind on their way to `to`; a change to None loses them."""

        def tamper(receiver: SimNode, raw: bytes) -> bytes | None:
            message = wire.decode_message(raw)
            if receiver is not to or not isinstance(message, kind):
                return raw
            changed = change(message)
            return changed if changed is None or isinstance(changed, bytes) else wire.encode_message(changed)

        self.tamper = tamper

    def cheats(self, node: SimNode) -> None:
        """From here on this side does what the other may punish."""
        self.other(node).conscience.may_punish = node.conscience.cheated = True

    def run_of(self, node: SimNode) -> RunId:
        """The only stream that this node has an end of."""
        (run,) = [run for peer, run in self.network.streams if peer == node.peer]
        return run

    # --- looking ---------------------------------------------------------------------------------------------------

    @property
    def draft(self) -> Draft:
        """The transactions of the taker's live revision."""
        return self.draft_of(self.taker)

    def draft_of(self, node: SimNode) -> Draft:
        """The transactions of a node's live revision."""
        held = node.cfd.held
        if held is None:
            raise AssertionError("nothing is signed yet")
        return held.live.draft
