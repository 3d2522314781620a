"""The wallet's part of the fake desk."""

import hashlib
from typing import TYPE_CHECKING, Final

from cfd_web import models as m
from cfd_web.desk import NotKnown, Refused
from cfd_web.testing import samples

if TYPE_CHECKING:
    from cfd_web.testing.fake_desk import FakeDesk

VSIZE: Final = 141
RATES: Final = {m.FeeLevel.SLOW: 1, m.FeeLevel.NORMAL: 2, m.FeeLevel.FAST: 5}
WORDS: Final = {3: "abandon", 7: "zebra", 11: "about"}


class FakeWallet:
    """A balance that sending takes from."""

    def __init__(self, world: "FakeDesk") -> None:
        self._world = world
        self.spendable = 10_000_000
        self.sent: list[m.HistoryEntry] = []
        self.confirmed_at: int | None = None

    async def wallet(self) -> m.Wallet:
        self._world.need("wallet")
        return m.Wallet(
            confirmed=self.spendable + 1_000,
            reserved=1_000,
            spendable=self.spendable,
            pending=0,
            locked=0,
            synced_at=self._world.at,
            stale=False,
        )

    async def new_address(self) -> m.Address:
        self._world.need("wallet")
        return m.Address(address=samples.ADDRESS, uri=f"bitcoin:{samples.ADDRESS}")

    async def history(self, *, limit: int) -> m.History:
        self._world.need("wallet")
        return m.History(entries=tuple(reversed(self.sent))[:limit])

    async def fees(self) -> m.Fees:
        choices = tuple(m.FeeChoice(level=level, rate=rate, blocks=1) for level, rate in RATES.items())
        return m.Fees(choices=choices, estimated="chain" not in self._world.down)

    async def preview_send(self, send: m.Send) -> m.SendPreview:
        self._world.need("wallet")
        if not send.address.startswith("bcrt1"):
            raise Refused("that is not an address of regtest")
        rate = send.fee_rate or RATES[m.FeeLevel.NORMAL]
        fee = rate * VSIZE
        sats = send.sats if send.sats is not None else self.spendable - fee
        left = self.spendable - fee - sats
        return m.SendPreview(
            address=send.address,
            sats=max(sats, 0),
            fee=fee,
            fee_rate=rate,
            left=max(left, 0),
            warnings=(),
            obstacle="" if left >= 0 and sats > 0 else "the wallet has too little",
        )

    async def send(self, send: m.Send) -> m.Sent:
        preview = await self.preview_send(send)
        if preview.obstacle:
            raise Refused(preview.obstacle)
        await self._world.move(f"send {preview.sats}")
        self.spendable = preview.left
        txid = hashlib.sha256(f"{len(self.sent)}".encode()).hexdigest()
        self._remember(txid, preview.sats, preview.fee)
        self._world.tell(m.WalletChanged(wallet=await self.wallet()))
        return m.Sent(txid=txid, sats=preview.sats, fee=preview.fee)

    async def bump(self, bump: m.Bump) -> m.Sent:
        self._world.need("wallet")
        found = next((entry for entry in self.sent if entry.txid == bump.txid), None)
        if found is None:
            raise NotKnown(f"there is no transaction {bump.txid} of ours")
        fee, paid = bump.fee_rate * VSIZE, found.fee or 0
        if fee <= paid:
            raise Refused("the new fee must be higher")
        await self._world.move(f"bump to {bump.fee_rate}")
        self.spendable -= fee - paid
        return m.Sent(txid=hashlib.sha256(bump.txid.encode()).hexdigest(), sats=-found.net - paid, fee=fee)

    async def backup_question(self) -> m.BackupQuestion:
        return m.BackupQuestion(confirmed_at=self.confirmed_at, ask=tuple(WORDS))

    async def check_backup(self, answer: m.BackupAnswer) -> m.BackupResult:
        right = dict(answer.words) == WORDS
        if right:
            self.confirmed_at = self._world.at
        return m.BackupResult(right=right)

    async def watch_only(self) -> m.WatchOnly:
        return m.WatchOnly(external="wpkh(tpub.../0/*)", internal="wpkh(tpub.../1/*)")

    def _remember(self, txid: str, sats: int, fee: int) -> None:
        entry = m.HistoryEntry(
            txid=txid, net=-sats - fee, fee=fee, height=None, at=self._world.at, label="sent", cfd="", can_bump=True
        )
        self.sent.append(entry)
