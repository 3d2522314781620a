"""Models with plausible content."""

from decimal import Decimal
from fractions import Fraction

from cfd_core.payouts import INVERSE_BTC_USD, PayoutCurve, funding_fee
from cfd_core.values import HOUR, Position, Role, round_half_up
from cfd_web import models as m

NOW = 1_700_000_000
MAKER = "SHA256:pU2bLyqPdAE1pHfvzU1kVuk1DDpGyHxnWHAgJYyqH1g"
SELF = "SHA256:Yv0bq3o1s6sB4t2nTqSxgX0m8k8Z3fHj9WzXo1rQm2k"
ADDRESS = "bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x"
EVENT = "/x/BitMEX/BXBT/2023-11-15T22:00:00.price?n=20"
EIGHTH = Decimal("0.00000001")


def offer(number: int = 1, *, maker: str = MAKER, own: bool = False, at: int = NOW) -> m.Offer:
    """A two-sided quote around 50,000."""
    return m.Offer(
        id=f"{number:032x}",
        maker=maker,
        own=own,
        product=INVERSE_BTC_USD.name,
        bid=Decimal(49_950),
        ask=Decimal(50_050),
        min_quantity=100,
        max_quantity=10_000,
        lot=100,
        leverages=(1, 2, 5),
        maker_leverage=2,
        opening_fee=250,
        funding_rate=Decimal("0.00024"),
        fee_rate=2,
        event=EVENT,
        expiry=at + 24 * HOUR,
        published_at=at,
        obstacle="",
    )


def curve_of(quote: m.Offer, order: m.Order) -> PayoutCurve:
    """The payoff of an order, after its fees."""
    price = quote.ask if order.position is Position.LONG else quote.bid
    assert price is not None  # noqa: S101 - the samples are two-sided
    leverages = (order.leverage, quote.maker_leverage)
    long, short = leverages if order.position is Position.LONG else leverages[::-1]
    pays = quote.opening_fee if order.position is Position.LONG else -quote.opening_fee
    return PayoutCurve(INVERSE_BTC_USD, price, order.quantity, long, short, pays)


def points(curve: PayoutCurve, position: Position) -> tuple[m.PayoffPoint, ...]:
    """From half to double the price."""
    found = []
    for step in range(61):
        price = curve.price * (20 + step) / 40
        payout = round_half_up(curve.payout(position, Fraction(price)))
        found.append(m.PayoffPoint(price=price, payout=payout, gain=payout - curve.margin(position)))
    return tuple(found)


def rounded(price: Fraction | None) -> Decimal | None:
    """To eight decimals."""
    return None if price is None else (Decimal(price.numerator) / Decimal(price.denominator)).quantize(EIGHTH)


def preview(quote: m.Offer, order: m.Order, spendable: int | None) -> m.OrderPreview:
    """What an order would mean."""
    curve = curve_of(quote, order)
    margin, other = curve.margin(order.position), curve.margin(order.position.other)
    receives = other if order.position is Position.LONG else margin
    funding = funding_fee(receives, quote.funding_rate, 24)
    return m.OrderPreview(
        order=order,
        price=curve.price,
        margin=margin,
        counterparty_margin=other,
        pool=margin + other,
        opening_fee=quote.opening_fee,
        funding_rate=quote.funding_rate,
        funding_per_day=funding if order.position is Position.LONG else -funding,
        chain_fee=400,
        liquidation_price=rounded(curve.liquidation_price(order.position)),
        counterparty_liquidation_price=rounded(curve.liquidation_price(order.position.other)),
        expiry=quote.expiry,
        payoff=points(curve, order.position),
        worst_case=margin,
        spendable=spendable,
        obstacle="" if spendable is None or margin <= spendable else "the wallet has too little",
    )


def row(number: int, quote: m.Offer, order: m.Order, at: int, *, role: Role = Role.TAKER) -> m.CfdRow:
    """An order that was just sent."""
    curve = curve_of(quote, order)
    return m.CfdRow(
        id=f"{number:032x}",
        role=role,
        peer=order.maker,
        product=quote.product,
        position=order.position,
        price=curve.price,
        quantity=order.quantity,
        leverage=order.leverage,
        margin=curve.margin(order.position),
        pool=curve.pool,
        state="setting up",
        meaning="The contract is being signed; nothing is at stake yet.",
        warning="",
        actions=(),
        opened_at=at,
        expiry=quote.expiry,
        next=None,
        rollover_at=None,
        funding_rate=quote.funding_rate,
        fees_owed=quote.opening_fee,
        liquidation_price=rounded(curve.liquidation_price(order.position)),
        mark_price=None,
        unrealised=None,
        realised=None,
        profit_percent=None,
        worst_case=0,
        over=False,
    )


def outcomes(found: m.CfdRow) -> tuple[m.SignedOutcome, ...]:
    """Two prices that an oracle signed for one event."""
    pays = ((48_935, found.margin // 2), (60_000, found.margin * 2))
    return tuple(
        m.SignedOutcome(event=EVENT, outcome=price, chosen=False, payout=payout, gain=payout - found.margin)
        for price, payout in pays
    )


def order(quantity: int = 1_000, position: Position = Position.LONG, leverage: int = 2, number: int = 1) -> m.Order:
    """Of `offer(number)`."""
    return m.Order(maker=MAKER, offer=f"{number:032x}", position=position, quantity=quantity, leverage=leverage)
