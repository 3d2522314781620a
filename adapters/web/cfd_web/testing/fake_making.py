"""The maker's part of the fake desk."""

from typing import TYPE_CHECKING

from cfd_core.values import HOUR
from cfd_web import models as m
from cfd_web.desk import NotKnown
from cfd_web.testing import samples

if TYPE_CHECKING:
    from cfd_web.testing.fake_desk import FakeDesk


class FakeMaking:
    """Offers that nobody takes."""

    def __init__(self, world: "FakeDesk") -> None:
        self._world = world
        self.offers: dict[str, m.Offer] = {}
        self.blocked_peers: list[str] = []
        self._published = 0

    async def own_offers(self) -> m.OwnOffers:
        return m.OwnOffers(offers=tuple(self.offers.values()))

    async def publish(self, offer: m.NewOffer) -> m.Offer:
        self._world.need("oracle")
        await self._world.move(f"publish {offer.bid} {offer.ask}")
        if offer.replaces_all:
            self.offers = {key: old for key, old in self.offers.items() if old.product != offer.product}
        self._published += 1
        asked = offer.model_dump(exclude={"replaces_all", "fee_rate", "expiry"})
        published = samples.offer(1_000 + self._published, maker=samples.SELF, own=True).model_copy(
            update={
                **asked,
                "fee_rate": offer.fee_rate or 2,
                "expiry": offer.expiry or self._world.at + 24 * HOUR,
                "published_at": self._world.at,
            }
        )
        self.offers[published.id] = published
        self._tell()
        return published

    async def withdraw(self, offer: str) -> None:
        if offer not in self.offers:
            raise NotKnown("there is no such offer of ours")
        del self.offers[offer]
        self._tell()

    async def exposure(self) -> m.Exposure:
        return m.Exposure(
            net_quantity=0,
            margin=0,
            unrealised=None,
            realised=0,
            funding_owed=0,
            by_peer=(),
            by_expiry=(),
            limit_per_peer=None,
            limit_total=None,
            accept_up_to=1_000_000,
        )

    async def blocked(self) -> m.Blocked:
        return m.Blocked(peers=tuple(self.blocked_peers))

    async def block(self, peer: str) -> m.Blocked:
        if peer not in self.blocked_peers:
            self.blocked_peers.append(peer)
        return await self.blocked()

    async def unblock(self, peer: str) -> m.Blocked:
        if peer not in self.blocked_peers:
            raise NotKnown("that peer is not blocked")
        self.blocked_peers.remove(peer)
        return await self.blocked()

    def _tell(self) -> None:
        offers = tuple(self.offers.values())
        maker = m.Maker(peer=samples.SELF, name="ourselves", address="", connected=True, reason="", offers=offers)
        self._world.tell(m.MakerChanged(maker=maker))
