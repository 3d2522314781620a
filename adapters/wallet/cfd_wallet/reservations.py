"""Coins set aside, on disk beside the wallet: whole or not at all, before anybody is told."""

import json
from pathlib import Path
from typing import Any, Final, Self

from attrs import evolve, field, frozen

from cfd_core.errors import DecodeError
from cfd_core.values import OutPoint
from cfd_wallet.entries import Bump, Entry, dump_bump, dump_entry, load_bump, load_entry
from cfd_wallet.errors import WalletError
from cfd_wallet.files import write_whole

VERSION: Final = 2
"""1 knew no bumps. A program that knows only 1 must not open 2: it would spend the bumps' coins."""
ScriptPair = tuple[bytes, bytes]
"""Change and payout script."""


@frozen
class _Pages:
    """The whole content of the book."""

    entries: dict[str, Entry] = field(factory=dict)
    bumps: dict[str, Bump] = field(factory=dict)
    spare: tuple[ScriptPair, ...] = ()


class ReservationBook:
    """Every change is on disk when its call returns. Without a path it lives in memory.

    Scripts of reservations that were given back unsigned are used again: else a peer who begins and abandons
    orders could push our addresses beyond the gap that a restore from the seed searches.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._pages = _Pages()

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """`WalletError` for a file that is not whole; it is left as it is."""
        book = cls(path)
        if path is not None and path.exists():
            try:
                book._pages = _load(json.loads(path.read_bytes()))
            except (OSError, ValueError, KeyError, TypeError, AttributeError, DecodeError) as error:
                raise WalletError(f"the reservations in {path} cannot be read") from error
        return book

    def get(self, reservation_id: str) -> Entry | None:
        """`WalletError` for the id of a bump."""
        if reservation_id in self._pages.bumps:
            raise WalletError(f"{reservation_id} is a bump, not a reservation")
        return self._pages.entries.get(reservation_id)

    def bump(self, bump_id: str) -> Bump | None:
        """`WalletError` for the id of a reservation."""
        if bump_id in self._pages.entries:
            raise WalletError(f"{bump_id} is a reservation, not a bump")
        return self._pages.bumps.get(bump_id)

    def outpoints(self) -> set[OutPoint]:
        """All coins that are set aside, and the outputs that bumps spend."""
        reserved = {coin.outpoint for entry in self._pages.entries.values() for coin in entry.reservation.coins}
        for bump in self._pages.bumps.values():
            reserved |= {bump.outpoint, *(coin.outpoint for coin in bump.coins)}
        return reserved

    def spare_scripts(self) -> ScriptPair | None:
        """Scripts to use before making new ones."""
        return self._pages.spare[0] if self._pages.spare else None

    def put(self, reservation_id: str, entry: Entry) -> None:
        used = (entry.reservation.change_script, entry.reservation.payout_script)
        spare = tuple(pair for pair in self._pages.spare if pair != used)
        self._commit(evolve(self._pages, entries={**self._pages.entries, reservation_id: entry}, spare=spare))

    def put_bump(self, bump_id: str, bump: Bump) -> None:
        self._commit(evolve(self._pages, bumps={**self._pages.bumps, bump_id: bump}))

    def mark_signed(self, reservation_id: str) -> None:
        entry = self._pages.entries[reservation_id]
        if not entry.signed:
            signed = evolve(entry, signed=True)
            self._commit(evolve(self._pages, entries={**self._pages.entries, reservation_id: signed}))

    def remove(self, any_id: str) -> None:
        """Forget a reservation or a bump; an unknown id is fine."""
        entries, bumps, spare = dict(self._pages.entries), dict(self._pages.bumps), self._pages.spare
        entry, bump = entries.pop(any_id, None), bumps.pop(any_id, None)
        if entry is not None and not entry.signed:
            spare = (*spare, (entry.reservation.change_script, entry.reservation.payout_script))
        if entry is not None or bump is not None:
            self._commit(_Pages(entries, bumps, spare))

    def _commit(self, pages: _Pages) -> None:
        if self._path is not None:
            try:
                write_whole(self._path, json.dumps(_dump(pages), indent=1).encode())
            except OSError as error:
                raise WalletError(f"the reservations in {self._path} cannot be written: {error.strerror}") from error
        self._pages = pages


def _dump(pages: _Pages) -> dict[str, Any]:
    return {
        "version": VERSION,
        "reservations": {name: dump_entry(entry) for name, entry in pages.entries.items()},
        "bumps": {name: dump_bump(bump) for name, bump in pages.bumps.items()},
        "spare": [[change.hex(), payout.hex()] for change, payout in pages.spare],
    }


def _load(stored: dict[str, Any]) -> _Pages:
    if stored["version"] not in (1, VERSION):
        raise ValueError("an unknown version")
    bumps = {} if stored["version"] == 1 else stored["bumps"]
    return _Pages(
        {name: load_entry(entry) for name, entry in stored["reservations"].items()},
        {name: load_bump(bump) for name, bump in bumps.items()},
        tuple((bytes.fromhex(change), bytes.fromhex(payout)) for change, payout in stored["spare"]),
    )
