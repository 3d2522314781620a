"""Where the price has been: bounded, and true after the clock was turned back."""

from decimal import Decimal

from cfd_web import models as m
from cfd_web.client import AsyncClient, calls
from cfd_web.testing import FakeDesk
from cfd_web.track import PriceTrack


def quote(at: int, middle: int = 50_000) -> m.PriceChanged:
    return m.PriceChanged(price=m.MarketPrice(bid=Decimal(middle), ask=Decimal(middle + 1), at=at, stale=False))


def test_the_last_price_of_each_step_for_as_long_as_the_span() -> None:
    track = PriceTrack()
    assert track.history(m.PriceSpan.RECENT).points == ()
    for at in range(1_000_000, 1_000_000 + 3 * 86_400, 2):
        track.tell(quote(at, at % 1_000 + 40_000))
    for span, step, count in ((m.PriceSpan.RECENT, 5, 360), (m.PriceSpan.DAY, 60, 1_440)):
        found = track.history(span)
        assert (found.step, len(found.points)) == (step, count)
        times = [point.at for point in found.points]
        assert times == sorted(times)
        assert len({at // step for at in times}) == count
        assert times[-1] == 1_000_000 + 3 * 86_400 - 2
        assert all(point.bid == point.at % 1_000 + 40_000 for point in found.points)


def test_what_is_older_than_the_span_is_not_told_after_a_silence() -> None:
    track = PriceTrack()
    track.tell(quote(1_000_000))
    track.tell(quote(1_000_000 + 3_600))
    assert [point.at for point in track.history(m.PriceSpan.RECENT).points] == [1_000_000 + 3_600]
    assert len(track.history(m.PriceSpan.DAY).points) == 2


def test_a_clock_that_is_turned_back_takes_its_prices_along() -> None:
    track = PriceTrack()
    for at in (1_000_000, 2_000_000, 1_000_010):
        track.tell(quote(at))
    assert [point.at for point in track.history(m.PriceSpan.RECENT).points] == [1_000_000, 1_000_010]


async def test_it_is_asked_for_over_the_api(desk: FakeDesk, client: AsyncClient) -> None:
    desk.tell(quote(1_000_000))
    desk.tell(m.TipMoved(tip=m.Tip(height=1, time=None)))
    found = await client.ask(calls.price_history(m.PriceSpan.DAY))
    assert found.points == (m.PricePoint(at=1_000_000, bid=Decimal(50_000), ask=Decimal(50_001)),)
