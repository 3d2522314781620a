"""The story: two nodes of their own find each other, trade, and settle on the chain."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from attrs import field, frozen
from cfd_electrum import ElectrumError
from cfd_network import Address
from cfd_oracle import OracleServer
from cfd_regtest.control import ChainControl

from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import CetReady, Cfd
from cfd_core.cfd.commands import ForceClose, PublishOffer, TakeOffer
from cfd_core.cfd.events import Event
from cfd_core.cfd.offer import DEFAULT_PRODUCT, Offer
from cfd_core.crypto.keys import Keychain
from cfd_core.oracle import Dialect, OracleSecrets
from cfd_core.values import HOUR, CfdId, Network, OfferId, PeerId, Role, Sats, Secret, Timestamp, Txid
from cfd_node.clock import ShiftableClock
from cfd_node.demo.plan import FEE_RATE, MAKER_LEVERAGE, DemoPlan
from cfd_node.node import Node, NodeConfig

PATIENCE: Final = 60.0
"""Seconds that any single step may take before the demo gives up and says at which step."""
Say = Callable[[str], None]


class DemoFailed(Exception):
    """The story did not come to its end; the text says where it stopped."""


@frozen
class Side:
    """One party of the finished story."""

    node: Node = field(repr=False)
    deposited: Sats
    balance_after: Sats


@frozen
class Finished:
    """What the report needs."""

    maker: Side
    taker: Side
    cfd_id: CfdId
    heights: dict[str, int]
    """Block height by transaction id."""
    history: tuple[Event, ...] = field(repr=False)
    """The taker's stored events."""


class Story:
    """Runs the nodes; `finish` gives their figures."""

    def __init__(self, plan: DemoPlan, control: ChainControl, folder: Path, say: Say) -> None:
        self.plan, self.control, self.folder, self.say = plan, control, folder, say
        self.maturity = plan.event.announcement.maturity
        self.clock = ShiftableClock(Timestamp(self.maturity - 24 * HOUR))
        self.oracle = OracleServer(
            secrets=_oracle_secrets(),
            clock=self.clock.now,
            recorded=[plan.event.raw],
            recorded_keys=plan.event.keys,
        )
        self.heights: dict[str, int] = {}

    async def run(self) -> Finished:
        """From two empty wallets to two final balances."""
        async with self.oracle:
            maker = self._node("maker", listen=Address("127.0.0.1", 0))
            async with maker:
                if maker.address is None:
                    raise DemoFailed("the maker cannot listen on loopback")
                taker = self._node("taker", makers=((maker.address, maker.peer_id),))
                async with taker:
                    return await self._trade(maker, taker)

    def _node(
        self, name: str, *, listen: Address | None = None, makers: tuple[tuple[Address, PeerId], ...] = ()
    ) -> Node:
        config = NodeConfig(
            name=name,
            keychain=Keychain.from_seed(Secret(secrets.token_bytes(32)), Network.REGTEST),
            network=Network.REGTEST,
            folder=self.folder / name,
            electrum=self.control.electrum,
            oracle_url=self.oracle.url,
            oracle_dialect=Dialect.OLIVIA_V1,
            oracle_keys=self.plan.event.keys,
            listen=listen,
            makers=makers,
            attestation_delay=0,
        )
        return Node(config, self.clock)

    async def _trade(self, maker: Node, taker: Node) -> Finished:
        await self._fund(maker, Role.MAKER)
        await self._fund(taker, Role.TAKER)
        offer = await self._publish(maker)
        key = await self._take(maker, taker, offer)
        await self._open(maker, taker, key)
        await self._attest(maker, taker, key)
        await self._close(maker, taker, key)
        sides = [await self._side(maker, Role.MAKER), await self._side(taker, Role.TAKER)]
        return Finished(sides[0], sides[1], key, self.heights, tuple(taker.pump.history(key)))

    async def _fund(self, node: Node, role: Role) -> None:
        self.say(f"{role.value}: {self.plan.deposit(role):,} sats arrive in the wallet")
        await self.control.fund(await node.wallet.script(), self.plan.deposit(role))
        await self.control.mine()
        await node.wallet.sync()
        balance = await node.wallet.balance()
        if balance.confirmed != self.plan.deposit(role):
            raise DemoFailed(f"the {role.value}'s wallet shows {balance.confirmed:,} sats")

    async def _publish(self, maker: Node) -> Offer:
        plan = self.plan
        await maker.learn_event(plan.event.announcement.event_id)
        offer = Offer(
            id=OfferId(secrets.token_hex(16)),
            network=Network.REGTEST,
            product=DEFAULT_PRODUCT,
            bid=plan.price,
            ask=plan.price,
            min_quantity=plan.quantity,  # a smaller one might have a margin that is dust
            max_quantity=plan.quantity,
            lot=1,
            leverages=(plan.leverage,),
            maker_leverage=MAKER_LEVERAGE,
            opening_fee=plan.opening_fee,
            funding_rate=plan.funding_rate,
            fee_rate=FEE_RATE,
            tolerance=plan.tolerance,
            event=plan.event.announcement.event_id,
            digits=plan.event.announcement.digits,
            expiry=self.maturity,
            published_at=self.clock.now(),
        )
        maker.command(PublishOffer(offer))
        self.say(f"maker: offers {plan.quantity:,} contracts at {plan.price:,} USD, {maker.peer_id} on {maker.address}")
        return offer

    async def _take(self, maker: Node, taker: Node, offer: Offer) -> CfdId:
        await self._step(
            "the taker to see the offer",
            taker.pump.until(lambda e: offer in e.market.get(maker.peer_id, ()) and offer.event in e.announcements),
        )
        plan = self.plan
        self.say(f"taker: goes {plan.position.value}, {plan.quantity:,} contracts at {plan.leverage}x")
        entropy = secrets.token_bytes(32)
        step = taker.command(TakeOffer(maker.peer_id, offer.id, plan.position, plan.quantity, plan.leverage, entropy))
        key = CfdId(step.events[0].stream)
        for node in (taker, maker):
            await self._phase(node, key, "the contract to be set up", p.LockPending, p.Open)
        return key

    async def _open(self, maker: Node, taker: Node, key: CfdId) -> None:
        lock = _held(taker, key).dlc.draft.lock.txid
        self.say(f"both: signed {len(_held(taker, key).dlc.draft.schedule):,} CETs each; lock {lock} is out")
        await self._in_mempool(taker, lock)
        await self.control.mine()
        for node in (maker, taker):
            opened = await self._phase(node, key, "the lock to confirm", p.Open)
            assert isinstance(opened, p.Open)  # noqa: S101 - told by the wait
            self.heights[lock] = opened.lock_height
        self.say(f"chain: the lock is in block {self.heights[lock]}; the CFD is open")

    async def _attest(self, maker: Node, taker: Node, key: CfdId) -> None:
        self.clock.turn_to(Timestamp(self.maturity + 15))
        for node in (maker, taker):
            await self._step("the attestation", node.pump.until(lambda e: isinstance(e.cfds[key].outcome, CetReady)))
        outcome = _cfd(taker, key).outcome
        assert isinstance(outcome, CetReady)  # noqa: S101 - told by the wait
        self.say(f"oracle: attests {outcome.attestation.outcome:,} USD, every digit's signature checked")

    async def _close(self, maker: Node, taker: Node, key: CfdId) -> None:
        draft = _held(taker, key).dlc.draft
        taker.command(ForceClose(key))
        self.say(f"taker: force-closes; commit {draft.commit.txid} is out")
        await self._in_mempool(taker, draft.commit.txid)
        await self.control.mine()
        for node in (maker, taker):
            await self._phase(node, key, "the commit to confirm", p.CommitConfirmed)
        self.heights[draft.commit.txid] = await self.control.height()
        self.say(f"chain: the commit is in block {self.heights[draft.commit.txid]}; {draft.terms.cet_timelock} to wait")
        await self.control.mine(draft.terms.cet_timelock - 1)
        for node in (maker, taker):
            await self._phase(node, key, "the CET to be broadcast", p.ExitPending)
        await self.control.mine()
        for node in (maker, taker):
            phase = await self._phase(node, key, "the CET to confirm", p.ExitConfirmed)
            assert isinstance(phase, p.ExitConfirmed)  # noqa: S101 - told by the wait
            self.heights["exit"] = phase.exit_height
        self.say(f"chain: the CET is in block {self.heights['exit']}")
        await self.control.mine(2)
        for node in (maker, taker):
            await self._phase(node, key, "the CET to be final", p.Closed)

    async def _side(self, node: Node, role: Role) -> Side:
        await node.wallet.sync()
        balance = await node.wallet.balance()
        return Side(node, self.plan.deposit(role), balance.confirmed)

    # --- waiting -------------------------------------------------------------------------------------------------

    async def _phase(self, node: Node, key: CfdId, what: str, *wanted: type) -> p.Phase:
        def reached(phase: p.Phase) -> bool:
            return isinstance(phase, wanted)

        def settled(phase: p.Phase | None) -> bool:
            return phase is not None and (reached(phase) or isinstance(phase, p.Rejected | p.SetupFailed))

        def phase_of() -> p.Phase | None:
            cfd = node.engine.cfds.get(key)
            return cfd.phase if cfd is not None else None

        await self._step(f"{what} ({node.config.name})", node.pump.until(lambda _: settled(phase_of())))
        phase = phase_of()
        if phase is None or not reached(phase):
            raise DemoFailed(f"{node.config.name}: {phase}")
        return phase

    async def _in_mempool(self, node: Node, txid: Txid) -> None:
        await self._step(f"{txid} to reach the mempool", _until_known(node, txid))

    async def _step(self, what: str, work: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await work
        except TimeoutError:
            raise DemoFailed(f"waited {PATIENCE:.0f} s in vain for {what}") from None


async def _until_known(node: Node, txid: Txid) -> None:
    while not await _known(node, txid):  # noqa: ASYNC110 - the server tells of outputs, not of transactions
        await asyncio.sleep(0.05)


async def _known(node: Node, txid: Txid) -> bool:
    try:
        await node.chain.transaction(txid)
    except ElectrumError:
        return False
    return True


def _cfd(node: Node, key: CfdId) -> Cfd:
    return node.engine.cfds[key]


def _held(node: Node, key: CfdId) -> p.Held:
    held = _cfd(node, key).held
    if held is None:
        raise DemoFailed("there is no signed contract")
    return held


def _oracle_secrets() -> OracleSecrets:
    return OracleSecrets(Secret(secrets.token_bytes(32)), Secret(secrets.token_bytes(32)))


__all__ = ["DemoFailed", "Finished", "Side", "Story"]
