"""What the reservation book holds, and its form on disk."""

from collections.abc import Iterator
from typing import Any

from attrs import field, frozen

from cfd_core.values import OutPoint, Sats
from cfd_wallet.values import Coin, Reservation


@frozen
class Entry:
    """A reservation, what it was asked for with (sats, sat/vB), and whether we ever signed for it."""

    amount: int
    fee_rate: int
    reservation: Reservation
    signed: bool = False


@frozen
class Bump:
    """The last child of one parent's output, signed: `fee` is its own, `rate` (sat/vB) was asked for the package.

    `coins` are what it spends beside `outpoint`, `script` is ours and takes the rest.
    """

    outpoint: OutPoint
    rate: int
    coins: tuple[Coin, ...]
    script: bytes
    fee: Sats
    child: bytes = field(repr=lambda raw: f"<{len(raw)} bytes>")


def dump_entry(entry: Entry) -> dict[str, Any]:
    return {
        "amount": entry.amount,
        "fee_rate": entry.fee_rate,
        "signed": entry.signed,
        "coins": [dump_coin(coin) for coin in entry.reservation.coins],
        "change_script": entry.reservation.change_script.hex(),
        "payout_script": entry.reservation.payout_script.hex(),
    }


def load_entry(stored: dict[str, Any]) -> Entry:
    reservation = Reservation(
        tuple(load_coins(stored["coins"])),
        bytes.fromhex(stored["change_script"]),
        bytes.fromhex(stored["payout_script"]),
    )
    return Entry(int(stored["amount"]), int(stored["fee_rate"]), reservation, bool(stored["signed"]))


def dump_bump(bump: Bump) -> dict[str, Any]:
    return {
        "outpoint": str(bump.outpoint),
        "rate": bump.rate,
        "coins": [dump_coin(coin) for coin in bump.coins],
        "script": bump.script.hex(),
        "fee": bump.fee,
        "child": bump.child.hex(),
    }


def load_bump(stored: dict[str, Any]) -> Bump:
    return Bump(
        OutPoint.parse(stored["outpoint"]),
        int(stored["rate"]),
        tuple(load_coins(stored["coins"])),
        bytes.fromhex(stored["script"]),
        Sats(int(stored["fee"])),
        bytes.fromhex(stored["child"]),
    )


def dump_coin(coin: Coin) -> dict[str, Any]:
    """One coin, for JSON."""
    return {
        "outpoint": str(coin.outpoint),
        "sats": coin.sats,
        "script": coin.script.hex(),
        "previous_tx": coin.previous_tx.hex(),
    }


def load_coins(stored: list[dict[str, Any]]) -> Iterator[Coin]:
    """What `dump_coin` made of each."""
    for coin in stored:
        yield Coin(
            OutPoint.parse(coin["outpoint"]),
            Sats(int(coin["sats"])),
            bytes.fromhex(coin["script"]),
            bytes.fromhex(coin["previous_tx"]),
        )
