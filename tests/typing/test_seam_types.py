"""The seams as the type checker sees them: what we ship fits them, and so does what a user writes by the book."""

from decimal import Decimal
from fractions import Fraction
from typing import assert_type

from attrs import frozen
from cfd_conformance import Implementation
from cfd_signer import RemoteKeyring
from cfd_store import EventStore, MemoryStore, SqlStore

from cfd_core import Keychain, Network, Position, Secret, Settings
from cfd_core.crypto.cets import SignCetsJob
from cfd_core.crypto.keys import CfdKeys
from cfd_core.crypto.signer import CetSigning, Keyring, PublicKeys, Signer
from cfd_core.payouts import INVERSE_BTC_USD, Gain, LinearRatio, Payoff, PayoutCurve
from cfd_core.values import Sats, cfd_id
from tests.conformance.ours import Ours


@frozen
class Flat:
    """The least that a payoff can be."""

    name: str = "flat"
    index: str = "NONE"

    def margin(self, quantity: int, price: Decimal, leverage: int) -> Sats:
        return Sats(quantity * int(price) // leverage)

    def long_gain(self, quantity: int, price: Decimal) -> LinearRatio:
        return LinearRatio(quantity, -quantity * int(price), 0, 1)

    def liquidation_price(self, position: Position, price: Decimal, leverage: int) -> Fraction | None:  # noqa: ARG002
        return None


def payoff_of(flat: Flat) -> Payoff:
    return flat


def gain_of(payoff: Payoff) -> Gain:
    return assert_type(payoff.long_gain(1, Decimal(1)), Gain)


def keyrings(near: Keychain, far: RemoteKeyring) -> tuple[Keyring, Keyring]:
    return near, far


def signer_of(keyring: Keyring) -> Signer:
    return assert_type(keyring.cfd_keys(cfd_id("00" * 16), 0), Signer)


def work_of(keys: CfdKeys) -> CetSigning:
    return assert_type(keys.cets_job(b"", (), bytes(32), None), SignCetsJob)


def settings_of(keyring: Keyring) -> Settings:
    return Settings(network=keyring.network, keychain=keyring)


def stores(one: MemoryStore, two: SqlStore) -> list[EventStore]:
    return [one, two]


def implementation() -> Implementation:
    return Ours()


def test_what_fits_the_types_works() -> None:
    keychain = Keychain.from_seed(Secret(bytes(32)), Network.REGTEST)
    assert settings_of(keychain).keychain is keychain
    assert_type(signer_of(keychain).public, PublicKeys)
    assert len(signer_of(keychain).public.identity) == 33
    assert gain_of(INVERSE_BTC_USD).at(1)[1] > 0
    assert PayoutCurve(payoff_of(Flat()), 100, 10, 1, 1).pool == 2_000
