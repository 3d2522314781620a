"""What both sides derive from terms, as figures that no release may change: the promise "payouts" of docs/versions.md.

Two nodes of different releases hold the same open CFD, and each derives its fees and payouts anew. A change here that
looks like a mended rounding sets them apart by a sat, and no rollover or close of theirs is agreed on any more. So do
not edit a figure: put the new sum under a new product's name or a new version of the protocol (docs/CONTRIBUTING.md,
"Mending a bug"). No funding here is whole before it is rounded.
"""

from decimal import Decimal

import pytest
from attrs import frozen

from cfd_core import ContractTerms, Position, Sats
from cfd_core.testing import announced, hours, make_offer


@frozen
class Derived:
    """All in sats."""

    margins: tuple[int, int]
    """Of the long and of the short."""
    at_opening: int
    """What the long owes the short from the beginning: a day of funding, and the opening fee of 7."""
    funding: tuple[int, int, int]
    """What rollovers of 1, 7 and 24 hours add to that."""
    entries: int
    paid: tuple[int, int, int]
    """To the long at three prices: one well below the opening one, the next below it, one above it."""


PRICES = {"BTCUSD-inverse": ("48935.71", (45_000, 48_935, 52_000)), "ETHUSD-quanto": ("3001.37", (2_500, 3_001, 3_300))}
LONG, SHORT = Position.LONG, Position.SHORT
EVER = [
    (
        ("BTCUSD-inverse", LONG, "0.00037"),
        Derived((286_090, 1_430_448), 537, (23, 155, 530), 37, (144_296, 260_873, 375_093)),
    ),
    (
        ("BTCUSD-inverse", LONG, "-0.00037"),
        Derived((286_090, 1_430_448), -99, (-5, -31, -106), 37, (144_932, 261_509, 375_729)),
    ),
    (
        ("BTCUSD-inverse", SHORT, "0.00037"),
        Derived((1_430_448, 286_090), 99, (5, 31, 106), 43, (1_289_092, 1_405_669, 1_519_889)),
    ),
    (
        ("ETHUSD-quanto", LONG, "0.00037"),
        Derived((42_019_180, 210_095_900), 77_743, (3_239, 22_673, 77_736), 39, (6_530_537, 42_370_537, 60_290_537)),
    ),
    (
        ("ETHUSD-quanto", SHORT, "-0.00037"),
        Derived(
            (210_095_900, 42_019_180), -77_743, (-3_239, -22_673, -77_736), 37, (174_762_743, 210_602_743, 228_522_743)
        ),
    ),
]


def terms_of(product: str, position: Position, rate: str) -> ContractTerms:
    """700 contracts, taken at 5x from a maker at 1x."""
    price = Decimal(PRICES[product][0])
    offer = make_offer(
        announced(hours(24, 24)[0]),
        product=product,
        bid=price,
        ask=price,
        funding_rate=Decimal(rate),
        opening_fee=Sats(7),
        tolerance=Decimal("0.02"),
    )
    return offer.terms(position, 700, 5)


NAMES = [f"{product} {position.value} at {rate}" for (product, position, rate), _ in EVER]


@pytest.mark.parametrize(("asked", "derived"), EVER, ids=NAMES)
def test_two_releases_derive_the_same_from_the_same_terms(asked: tuple[str, Position, str], derived: Derived) -> None:
    terms = terms_of(*asked)
    schedule = terms.schedule_of(terms.first_revision)
    one, seven, day = (terms.funding_of(terms.funding_rate, count) for count in (1, 7, 24))
    low, below, above = (schedule.lookup(price)[1].long for price in PRICES[asked[0]][1])
    now = Derived(
        (terms.curve.long_margin, terms.curve.short_margin),
        terms.first_revision.long_pays_short,
        (one, seven, day),
        len(schedule),
        (low, below, above),
    )
    assert now == derived, "both sides of an open CFD would derive something else: see docs/versions.md, `payouts`"
