"""Withdrawals on disk beside the wallet: the id before anything is signed, what was signed before it leaves."""

import json
from pathlib import Path
from typing import Any, Final, Self

from attrs import evolve

from cfd_core.errors import DecodeError
from cfd_core.values import OutPoint, Sats
from cfd_wallet.entries import dump_coin, load_coins
from cfd_wallet.errors import WalletError
from cfd_wallet.files import write_whole
from cfd_wallet.payments import Payment, Withdrawal

VERSION: Final = 1
MAX_ID: Final = 100


class WithdrawalBook:
    """Every change is on disk when its call returns. Without a path it lives in memory."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Withdrawal] = {}

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """`WalletError` for a file that is not whole; it is left as it is."""
        book = cls(path)
        if path is not None and path.exists():
            try:
                book._known = _load(json.loads(path.read_bytes()))
            except (OSError, ValueError, KeyError, TypeError, AttributeError, DecodeError, WalletError) as error:
                raise WalletError(f"the withdrawals in {path} cannot be read") from error
        return book

    def get(self, key: str) -> Withdrawal | None:
        return self._known.get(key)

    def all(self) -> tuple[Withdrawal, ...]:
        """Oldest first."""
        return tuple(self._known.values())

    def outpoints(self) -> set[OutPoint]:
        """Coins that withdrawals which are not final spend."""
        return {coin.outpoint for each in self._known.values() if not each.final for coin in each.coins}

    def put(self, withdrawal: Withdrawal) -> None:
        if not 1 <= len(withdrawal.id) <= MAX_ID or not withdrawal.id.isprintable():
            raise WalletError(f"a withdrawal's id has 1 to {MAX_ID} printable characters")
        known = {**self._known, withdrawal.id: withdrawal}
        if self._path is not None:
            try:
                write_whole(self._path, json.dumps(_dump(known), indent=1).encode())
            except OSError as error:
                raise WalletError(f"the withdrawals in {self._path} cannot be written: {error.strerror}") from error
        self._known = known

    def mark_final(self, key: str) -> None:
        self.put(evolve(self._known[key], final=True))


def _dump(known: dict[str, Withdrawal]) -> dict[str, Any]:
    return {"version": VERSION, "withdrawals": [_dump_one(each) for each in known.values()]}


def _dump_one(each: Withdrawal) -> dict[str, Any]:
    return {
        "id": each.id,
        "address": each.payment.address,
        "sats": each.payment.sats,
        "rate": each.payment.rate,
        "coins": [dump_coin(coin) for coin in each.coins],
        "change_script": each.change_script.hex(),
        "unsigned": each.unsigned.hex(),
        "signed": [raw.hex() for raw in each.signed],
        "final": each.final,
    }


def _load(stored: dict[str, Any]) -> dict[str, Withdrawal]:
    if stored["version"] != VERSION:
        raise ValueError("an unknown version")
    return {each["id"]: _load_one(each) for each in stored["withdrawals"]}


def _load_one(stored: dict[str, Any]) -> Withdrawal:
    sats = None if stored["sats"] is None else Sats(int(stored["sats"]))
    return Withdrawal(
        str(stored["id"]),
        Payment(str(stored["address"]), sats, int(stored["rate"])),
        tuple(load_coins(stored["coins"])),
        bytes.fromhex(stored["change_script"]),
        bytes.fromhex(stored["unsigned"]),
        tuple(bytes.fromhex(raw) for raw in stored["signed"]),
        bool(stored["final"]),
    )
