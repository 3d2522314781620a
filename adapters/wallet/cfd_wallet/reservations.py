"""Coins set aside, on disk beside the wallet: whole or not at all, before anybody is told."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

from attrs import evolve, frozen

from cfd_core.errors import DecodeError
from cfd_core.values import OutPoint, Sats
from cfd_wallet.errors import WalletError
from cfd_wallet.values import Coin, Reservation

VERSION: Final = 1
ScriptPair = tuple[bytes, bytes]
"""Change and payout script."""


@frozen
class Entry:
    """A reservation, what it was asked for with (sats, sat/vB), and whether we ever signed for it."""

    amount: int
    fee_rate: int
    reservation: Reservation
    signed: bool = False


class ReservationBook:
    """Every change is on disk when its call returns. Without a path it lives in memory.

    Scripts of reservations that were given back unsigned are used again: else a peer who begins and abandons
    orders could push our addresses beyond the gap that a restore from the seed searches.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._entries: dict[str, Entry] = {}
        self._spare: tuple[ScriptPair, ...] = ()

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """`WalletError` for a file that is not whole; it is left as it is."""
        book = cls(path)
        if path is not None and path.exists():
            try:
                book._load(json.loads(path.read_bytes()))
            except (OSError, ValueError, KeyError, TypeError, AttributeError, DecodeError) as error:
                raise WalletError(f"the reservations in {path} cannot be read") from error
        return book

    def get(self, reservation_id: str) -> Entry | None:
        return self._entries.get(reservation_id)

    def outpoints(self) -> set[OutPoint]:
        """All coins that are set aside."""
        return {coin.outpoint for entry in self._entries.values() for coin in entry.reservation.coins}

    def spare_scripts(self) -> ScriptPair | None:
        """Scripts to use before making new ones."""
        return self._spare[0] if self._spare else None

    def put(self, reservation_id: str, entry: Entry) -> None:
        used = (entry.reservation.change_script, entry.reservation.payout_script)
        spare = tuple(pair for pair in self._spare if pair != used)
        self._commit({**self._entries, reservation_id: entry}, spare)

    def mark_signed(self, reservation_id: str) -> None:
        entry = self._entries[reservation_id]
        if not entry.signed:
            self._commit({**self._entries, reservation_id: evolve(entry, signed=True)}, self._spare)

    def remove(self, reservation_id: str) -> None:
        entries = dict(self._entries)
        entry = entries.pop(reservation_id, None)
        if entry is not None:
            pair = (entry.reservation.change_script, entry.reservation.payout_script)
            self._commit(entries, self._spare if entry.signed else (*self._spare, pair))

    def _commit(self, entries: dict[str, Entry], spare: tuple[ScriptPair, ...]) -> None:
        if self._path is not None:
            try:
                _write_whole(self._path, json.dumps(_dump(entries, spare), indent=1).encode())
            except OSError as error:
                raise WalletError(f"the reservations in {self._path} cannot be written: {error.strerror}") from error
        self._entries, self._spare = entries, spare

    def _load(self, stored: dict[str, Any]) -> None:
        if stored["version"] != VERSION:
            raise ValueError("an unknown version")
        self._entries = {name: _load_entry(entry) for name, entry in stored["reservations"].items()}
        self._spare = tuple((bytes.fromhex(change), bytes.fromhex(payout)) for change, payout in stored["spare"])


def _dump(entries: dict[str, Entry], spare: tuple[ScriptPair, ...]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "reservations": {name: _dump_entry(entry) for name, entry in entries.items()},
        "spare": [[change.hex(), payout.hex()] for change, payout in spare],
    }


def _dump_entry(entry: Entry) -> dict[str, Any]:
    return {
        "amount": entry.amount,
        "fee_rate": entry.fee_rate,
        "signed": entry.signed,
        "coins": [
            {
                "outpoint": str(coin.outpoint),
                "sats": coin.sats,
                "script": coin.script.hex(),
                "previous_tx": coin.previous_tx.hex(),
            }
            for coin in entry.reservation.coins
        ],
        "change_script": entry.reservation.change_script.hex(),
        "payout_script": entry.reservation.payout_script.hex(),
    }


def _load_entry(stored: dict[str, Any]) -> Entry:
    reservation = Reservation(
        tuple(_load_coins(stored["coins"])),
        bytes.fromhex(stored["change_script"]),
        bytes.fromhex(stored["payout_script"]),
    )
    return Entry(int(stored["amount"]), int(stored["fee_rate"]), reservation, bool(stored["signed"]))


def _load_coins(stored: list[dict[str, Any]]) -> Iterator[Coin]:
    for coin in stored:
        yield Coin(
            OutPoint.parse(coin["outpoint"]),
            Sats(int(coin["sats"])),
            bytes.fromhex(coin["script"]),
            bytes.fromhex(coin["previous_tx"]),
        )


def _write_whole(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere folders cannot be opened, and a rename is as durable as it gets
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
