"""The desk's part about the wallet."""

import json
import secrets
from pathlib import Path
from typing import Final

from cfd_wallet import Payment, Progress, WalletError
from cfd_wallet.qr import payment_uri
from cfd_wallet.seed import WrongWords, asked_words, confirm
from cfd_web import models as m
from cfd_web.desk import NotKnown, Unavailable

from cfd_core.cfd import phases as p
from cfd_core.values import FeeRate, Sats, Secret, Timestamp
from cfd_node.desk.refusals import plain_refusals
from cfd_node.node import Node
from cfd_node.payments import FeeLevel

BACKUP_FILE: Final = "backup.json"
"""In the node's folder: when the user last showed to have the words."""
ASKED: Final = 3
LEVELS: Final = {FeeLevel.SLOW: m.FeeLevel.SLOW, FeeLevel.NORMAL: m.FeeLevel.NORMAL, FeeLevel.FAST: m.FeeLevel.FAST}
WAITING: Final = (p.SettingUp, p.LockSignedUnseen)
"""Our margin is still in the wallet."""


async def spendable(node: Node) -> Sats | None:
    """What the wallet can spend as of its last sync; None: not known now."""
    try:
        balance = await node.wallet.balance()
    except WalletError:
        return None
    return Sats(balance.confirmed - balance.reserved)


class LiveWallet:
    """The bitcoin wallet."""

    def __init__(self, node: Node, phrase: Secret | None) -> None:
        """`phrase`: the backup words, to ask the user for some of them; None: they are not known to this process."""
        self._node, self._phrase = node, phrase

    async def wallet(self) -> m.Wallet:
        with plain_refusals():
            balance = await self._node.wallet.balance()
        health, now = self._node.wallet.health, self._node.clock.now()
        return m.Wallet(
            confirmed=balance.confirmed,
            reserved=balance.reserved,
            spendable=balance.confirmed - balance.reserved,
            pending=balance.pending,
            locked=self._locked(),
            synced_at=None if health.age is None else Timestamp(max(0, int(now - health.age))),
            stale=bool(health.reason),
        )

    def _locked(self) -> int:
        if not self._node.ready:
            return 0
        cfds = self._node.engine.cfds.values()
        return sum(c.terms.margin(c.role) for c in cfds if not c.ended and not isinstance(c.phase, WAITING))

    async def new_address(self) -> m.Address:
        with plain_refusals():
            address = await self._node.wallet.address()
        return m.Address(address=address, uri=payment_uri(address))

    async def history(self, *, limit: int) -> m.History:
        with plain_refusals():
            found = await self._node.wallet.history()
            waiting = {w.txid for w in await self._node.wallet.withdrawals() if w.progress is not Progress.CONFIRMED}
        cfds = self._contracts()
        entries = []
        for entry in found[:limit]:
            kind, cfd = cfds.get(entry.txid, ("deposit" if entry.net >= 0 else "sent", ""))
            entries.append(
                m.HistoryEntry(
                    txid=entry.txid,
                    net=entry.net,
                    fee=entry.fee,
                    height=entry.height,
                    at=entry.at,
                    label=f"{kind} of CFD {cfd[:8]}" if cfd else kind,
                    cfd=cfd,
                    can_bump=entry.height is None and entry.txid in waiting,
                )
            )
        return m.History(entries=tuple(entries))

    def _contracts(self) -> dict[str, tuple[str, str]]:
        """Which transactions are of which CFD."""
        if not self._node.ready:
            return {}
        found = dict[str, tuple[str, str]]()
        for cfd in self._node.engine.cfds.values():
            if cfd.held is not None:
                found[cfd.held.live.draft.lock.txid] = ("lock", str(cfd.id))
        return found

    async def fees(self) -> m.Fees:
        told = await self._node.payments.fees()
        choices = [
            m.FeeChoice(level=LEVELS[level], rate=rate, blocks=level.value) for level, rate in told.rates.items()
        ]
        return m.Fees(choices=tuple(sorted(choices, key=lambda choice: choice.rate)), estimated=told.estimated)

    async def _payment(self, send: m.Send) -> Payment:
        rate = send.fee_rate or (await self._node.payments.fees()).rates[FeeLevel.NORMAL]
        return Payment(send.address, None if send.sats is None else Sats(send.sats), rate)

    async def preview_send(self, send: m.Send) -> m.SendPreview:
        with plain_refusals():
            payment = await self._payment(send)
            found = await self._node.payments.preview(payment)
        open_cfds = self._locked() > 0
        warning = "little is left to pay fees of open contracts with" if open_cfds and found.left < 20_000 else ""
        return m.SendPreview(
            address=send.address,
            sats=found.sats,
            fee=found.fee,
            fee_rate=FeeRate(payment.rate),
            left=found.left,
            warnings=(warning,) if warning else (),
            obstacle="",
        )

    async def send(self, send: m.Send) -> m.Sent:
        with plain_refusals():
            made = await self._node.payments.withdraw(f"send:{secrets.token_hex(16)}", await self._payment(send))
        self._node.want_sync()
        return m.Sent(txid=made.txid, sats=made.sats, fee=made.fee)

    async def bump(self, bump: m.Bump) -> m.Sent:
        with plain_refusals():
            known = await self._node.wallet.withdrawals()
            found = next((each for each in known if each.txid == bump.txid), None)
            if found is None:
                raise NotKnown("that is no payment of this wallet's own")
            made = await self._node.payments.replace(found.id, bump.fee_rate)
        return m.Sent(txid=made.txid, sats=made.sats, fee=made.fee)

    async def watch_only(self) -> m.WatchOnly:
        with plain_refusals():
            found = await self._node.wallet.watch_only()
        return m.WatchOnly(external=found.external, internal=found.internal)

    # --- backup --------------------------------------------------------------------------------------------------

    async def backup_question(self) -> m.BackupQuestion:
        ask = asked_words(self._words(), secrets.token_bytes(ASKED))
        return m.BackupQuestion(confirmed_at=self._confirmed_at(), ask=tuple(ask))

    async def check_backup(self, answer: m.BackupAnswer) -> m.BackupResult:
        places = sorted(answer.words)
        try:
            confirm(self._words(), tuple(places), [answer.words[place] for place in places])
        except (WrongWords, IndexError):
            return m.BackupResult(right=False)
        if len(places) >= ASKED:
            self._file.write_text(json.dumps({"confirmed_at": self._node.clock.now()}))
        return m.BackupResult(right=True)

    def _words(self) -> Secret:
        if self._phrase is None:
            raise Unavailable("this node was started without its recovery words")
        return self._phrase

    @property
    def _file(self) -> Path:
        return self._node.config.folder / BACKUP_FILE

    def _confirmed_at(self) -> int | None:
        try:
            return int(json.loads(self._file.read_text())["confirmed_at"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
