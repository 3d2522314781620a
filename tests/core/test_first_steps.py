"""What a stranger meets: wrong types and values are told in plain words, reprs are short and hold no secret."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from cfd_core import CfdError, CfdId, Engine, Keychain, Network, Position, Secret, Settings, Timestamp
from cfd_core.cfd import commands as c
from cfd_core.crypto.keys import CfdKeys
from cfd_core.engine import NODE_STREAM
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.payouts import INVERSE_BTC_USD, PayoutCurve, build_schedule
from cfd_core.testing import START, Pair, announced, hours, make_offer
from cfd_core.values import OfferId, PeerId

KEYCHAIN = Keychain.from_seed(Secret(bytes(range(32))), Network.REGTEST)
ENGINE = Engine(settings=Settings(network=Network.REGTEST, keychain=KEYCHAIN))


def offer(**changes: Any) -> Any:
    return make_offer(announced(hours(24, 24)[0]), **changes)


def curve(price: Any) -> PayoutCurve:
    return PayoutCurve(INVERSE_BTC_USD, price, 1_000, 2, 1)


def any_of(value: Any) -> Any:
    """Past the type checker: a stranger may have none."""
    return value


MISTAKES: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: Secret(any_of(32)), TypeError, "a secret is made of bytes, not int"),
    (lambda: Secret(any_of("ab")), TypeError, "a secret is made of bytes, not str"),
    (lambda: Keychain.from_seed(any_of(bytes(32)), Network.REGTEST), TypeError, "a seed is a Secret, not bytes"),
    (lambda: Keychain.from_seed(Secret(bytes(32)), any_of("regtest")), TypeError, "network is a Network, not str"),
    (lambda: Keychain.from_seed(Secret(bytes(8)), Network.REGTEST), RuleViolation, "16 to 64 bytes, not 8"),
    (lambda: Settings(network=any_of("regtest"), keychain=KEYCHAIN), TypeError, "network is a Network, not str"),
    (lambda: Settings(network=Network.SIGNET, keychain=KEYCHAIN), RuleViolation, "keys for regtest.*for signet"),
    (lambda: curve(50_000.1), RuleViolation, "a price is a Decimal, a whole number or text, not float"),
    (lambda: curve(None), RuleViolation, "not NoneType"),
    (lambda: curve("fifty"), RuleViolation, "not a price: 'fifty'"),
    (lambda: build_schedule(curve(50_000), 20, any_of(0.01)), RuleViolation, "Decimal or a Fraction, not float"),
    (lambda: offer(bid=50_000.5), TypeError, "bid is a Decimal, not float"),
    (lambda: offer(network="regtest"), TypeError, "network is a Network, not str"),
    (lambda: offer(leverages=[1, 2]), TypeError, "leverages is a tuple, not list"),
    (lambda: offer(funding_rate=0.0001), RuleViolation, "funding rate"),
    (lambda: offer(id="abc"), DecodeError, "not an offer id: 'abc'"),
    (lambda: ENGINE.handle(any_of("hello"), START), TypeError, "inputs and commands, not str"),
    (lambda: ENGINE.handle(c.PublishOffer(offer(network=Network.MAINNET)), START), RuleViolation, "is for mainnet"),
    (lambda: ENGINE.handle(c.ForceClose(CfdId("abc")), START), RuleViolation, "no CFD abc"),
    (lambda: offer().terms(Position.LONG, "1000", 2), RuleViolation, "whole number.*not '1000'"),
    (
        lambda: c.TakeOffer(PeerId("x"), OfferId("0f" * 16), any_of("long"), 100, 2, bytes(32)),
        TypeError,
        "position is a Position, not str",
    ),
]


@pytest.mark.parametrize(("mistake", "error", "words"), MISTAKES, ids=[words for _, _, words in MISTAKES])
def test_a_mistake_is_told_in_plain_words(mistake: Callable[[], object], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        mistake()


def test_every_error_of_ours_has_one_root() -> None:
    with pytest.raises(CfdError):
        ENGINE.handle(c.ForceClose(CfdId("abc")), Timestamp(0))


# --- reprs


@pytest.fixture(scope="module")
def rolled() -> Pair:
    """A pair that opened a CFD and rolled it over: all kinds of secrets have been made, and one has been given away."""
    pair = Pair(tolerance=Decimal("0.1"), liquidations=()).opened()
    pair.later(3600)
    pair.taker.give(c.RollOver(pair.taker.cfd.id, pair.draws.entropy()))
    pair.run()
    assert pair.taker.held.live.number == 1
    return pair


def secrets_of(pair: Pair) -> Iterator[bytes]:
    for node in pair.nodes:
        for number in (0, 1):
            keys = node.settings.keychain.cfd_keys(node.cfd.key_id, number)
            assert isinstance(keys, CfdKeys)
            yield from (keys.identity.reveal(), keys.revocation.reveal(), keys.publish.reveal())


def test_no_repr_holds_a_secret(rolled: Pair) -> None:
    shown = [repr(x) for node in rolled.nodes for x in (node.engine, node.settings, node.cfd, *node.log, *node.done)]
    text = "\n".join(shown)
    for secret in secrets_of(rolled):
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text


def test_the_engine_s_repr_stays_short_whatever_it_holds(rolled: Pair) -> None:
    assert repr(rolled.maker.engine) == "<Engine on regtest: 1 CFDs, 1 offers, 0 runs>"
    assert all(len(repr(recorded)) < 2_000 for recorded in rolled.maker.log if recorded.stream != NODE_STREAM)
