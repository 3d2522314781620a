"""The stage of every story: a maker and a taker node, an oracle, a chain, and a clock that can be turned."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Final, Self

from cfd_electrum import ElectrumError
from cfd_network import Address
from cfd_oracle import OracleServer
from cfd_regtest.control import ChainControl

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd, Held
from cfd_core.cfd.commands import PublishOffer, TakeOffer
from cfd_core.cfd.offer import Offer
from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Policy
from cfd_core.oracle import Dialect, OracleSecrets
from cfd_core.values import CfdId, EventId, Network, OfferId, PeerId, Role, Sats, Secret, Timestamp, words_of
from cfd_node.clock import ShiftableClock
from cfd_node.demo.plan import FEE_RATE, DemoPlan
from cfd_node.node import Node, NodeConfig

PATIENCE: Final = 60.0
"""Seconds that any single step may take before the story gives up and says at which step."""
Say = Callable[[str], None]


class DemoFailed(Exception):
    """The story did not come to its end; the text says where it stopped."""


class Theatre:
    """Two funded nodes that know each other. `async with Theatre(...) as stage`."""

    def __init__(self, plan: DemoPlan, control: ChainControl, folder: Path, say: Say) -> None:
        self.plan, self.control, self.folder, self.say = plan, control, folder, say
        self.clock = ShiftableClock(plan.start)
        own = OracleSecrets(Secret(secrets.token_bytes(32)), Secret(secrets.token_bytes(32)))
        recorded = [plan.event.raw] if plan.recorded else []
        self.oracle = OracleServer(secrets=own, clock=self.clock.now, recorded=recorded, recorded_keys=plan.event.keys)
        self.maker: Node
        self.taker: Node
        self.key: CfdId
        self.offer: Offer
        self.proofs: list[str] = []
        """What the chain refused when it had to."""
        self.children: dict[str, tuple[Transaction, int]] = {}
        """The child that confirmed with a bumped commit or close and its fee, by who paid it."""
        self._held = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.oracle)
            self.maker = await stack.enter_async_context(self._node("maker", listen=Address("127.0.0.1", 0)))
            if self.maker.address is None:
                raise DemoFailed(
                    f"the maker does not start: {self.maker.obstacle or self.maker.health()['network'].reason}"
                )
            makers = ((self.maker.address, self.maker.peer_id),)
            self.taker = await stack.enter_async_context(self._node("taker", makers=makers))
            await self._fund(self.maker, Role.MAKER)
            await self._fund(self.taker, Role.TAKER)
            self._held = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._held.aclose()

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
            oracle_keys=self.plan.event.keys if self.plan.recorded else self.oracle.keys,
            listen=listen,
            makers=makers,
            policy=Policy(),
            attestation_delay=0,
            bump_delay=0.25,
        )
        return Node(config, self.clock)

    async def _fund(self, node: Node, role: Role) -> None:
        self.say(f"{role.value}: {self.plan.deposit(role):,} sats arrive in the wallet")
        await self.control.fund(await node.wallet.script(), self.plan.deposit(role))
        await self.control.mine()
        await node.wallet.sync()
        balance = await node.wallet.balance()
        if balance.confirmed != self.plan.deposit(role):
            raise DemoFailed(f"the {role.value}'s wallet shows {balance.confirmed:,} sats")

    # --- trading -------------------------------------------------------------------------------------------------

    @property
    def nodes(self) -> tuple[Node, Node]:
        return self.maker, self.taker

    def cfd(self, node: Node) -> Cfd:
        return node.engine.cfds[self.key]

    def held(self, node: Node) -> Held:
        held = self.cfd(node).held
        if held is None:
            raise DemoFailed("there is no signed contract")
        return held

    async def publish(self, price: Decimal | None = None) -> Offer:
        """The maker offers both sides at one price."""
        plan = self.plan
        for event in (plan.settlement, *plan.liquidations):
            if event not in self.maker.engine.voices:
                await self.maker.learn_event(event)
        offer = Offer(
            id=OfferId(secrets.token_hex(16)),
            network=Network.REGTEST,
            product=plan.product,
            bid=price or plan.price,
            ask=price or plan.price,
            min_quantity=plan.quantity,
            max_quantity=plan.quantity,
            lot=1,
            leverages=(plan.leverage,),
            maker_leverage=plan.maker_leverage,
            opening_fee=plan.opening_fee,
            funding_rate=plan.funding_rate,
            fee_rate=FEE_RATE,
            tolerance=plan.tolerance,
            event=plan.settlement,
            liquidations=plan.liquidations,
            digits=plan.digits,
            expiry=plan.maturity,
            published_at=self.clock.now(),
        )
        self.maker.command(PublishOffer(offer))
        self.say(f"maker: offers {plan.quantity:,} contracts at {offer.ask:,} USD")
        return offer

    async def take(self) -> None:
        """The taker takes the offer; both sign the contract as far as they are let."""
        self.offer = await self.publish()
        events = {self.offer.event, *self.offer.liquidations}
        await self.step(
            "the taker to see the offer",
            self.taker.pump.until(
                lambda e: self.offer in e.market.get(self.maker.peer_id, ()) and events <= e.voices.keys()
            ),
        )
        plan = self.plan
        self.say(f"taker: goes {plan.position.value}, {plan.quantity:,} contracts at {plan.leverage}x")
        step = self.taker.command(
            TakeOffer(
                self.maker.peer_id,
                self.offer.id,
                plan.position,
                plan.quantity,
                plan.leverage,
                secrets.token_bytes(32),
            )
        )
        self.key = next(CfdId(r.stream) for r in step.events if r.stream != "node")

    async def open(self) -> None:
        """Up to a confirmed lock."""
        await self.take()
        await self.phase("the contract to be set up", p.LockPending, p.Open)
        draft = self.held(self.taker).live.draft
        self.say(f"both: signed {len(draft.entries):,} CETs each; lock {draft.lock.txid} is out")
        await self.in_mempool(draft.lock.txid)
        await self.control.mine()
        await self.phase("the lock to confirm", p.Open)
        self.say("chain: the lock is confirmed; the CFD is open")

    async def attest(self, event: EventId, price: int, at: Timestamp) -> None:
        """The demo's own oracle fixes a price, and its time comes."""
        self.oracle.attest(event, price)
        self.clock.turn_to(Timestamp(at + 15))
        self.say(f"oracle: attests {price:,} USD")

    # --- the chain -----------------------------------------------------------------------------------------------

    async def commit_confirms(self, confirmed: type = p.CommitConfirmed) -> int:
        """Mine the published commit; its height."""
        await self.phase("the commit to be published", p.CommitPending)
        phase = self.cfd(self.taker).phase
        assert isinstance(phase, p.CommitPending)  # noqa: S101 - told by the wait
        await self.in_mempool(_txid(phase.commit.transaction))
        await self.control.mine()
        await self.phase("the commit to confirm", confirmed)
        height = await self.control.height()
        self.say(f"chain: the commit is in block {height}")
        return height

    async def exit_after(self, commit_height: int, timelock: int, raw: bytes) -> None:
        """Mine up to the timelock, see the exit refused one block early, then confirmed and final."""
        await self.control.mine(commit_height + timelock - 2 - await self.control.height())
        refusal = await self.control.refusal(raw)
        if refusal is None or "non-BIP68-final" not in refusal:
            raise DemoFailed(f"one block early the chain says of the exit: {refusal}")
        self.proofs.append(f"refused one block before its timelock of {timelock} ends: {refusal}")
        await self.control.mine()
        await self.phase("the exit to be broadcast", p.ExitPending)
        await self.in_mempool(_txid(raw))
        await self.finish()

    async def finish(self, *nodes: Node) -> None:
        """Mine until the books are closed."""
        await self.control.mine(3)
        await self.phase("the end to be final", p.Closed, nodes=nodes or self.nodes)
        self.say("chain: final")

    # --- waiting -------------------------------------------------------------------------------------------------

    async def phase(self, what: str, *wanted: type, nodes: tuple[Node, ...] = ()) -> None:
        """Until the nodes (both, if none is named) are in one of these phases."""
        for node in nodes or self.nodes:
            await self.step(f"{what} ({node.config.name})", node.pump.until(self._settled(wanted)))
            cfd = self.cfd(node)
            if not isinstance(cfd.phase, wanted):
                reason = getattr(cfd.phase, "reason", "")
                raise DemoFailed(f"waiting for {what}: the {node.config.name}'s CFD is {words_of(cfd.phase)} {reason}")

    def _settled(self, wanted: tuple[type, ...]) -> "Callable[[object], bool]":
        def settled(engine: object) -> bool:
            cfd = getattr(engine, "cfds", {}).get(self.key)
            return cfd is not None and isinstance(cfd.phase, (*wanted, p.Rejected, p.SetupFailed, p.Closed))

        return settled

    async def until(self, what: str, condition: Callable[[Cfd], bool], *nodes: Node) -> None:
        """Until the nodes' CFDs satisfy the condition."""
        for node in nodes or self.nodes:
            await self.step(what, node.pump.until(lambda e: condition(e.cfds[self.key])))

    async def in_mempool(self, txid: str) -> None:
        await self.step(f"{txid} to reach the mempool", self._until_known(txid))

    async def _until_known(self, txid: str) -> None:
        while not await self._known(txid):  # noqa: ASYNC110 - the server tells of outputs, not of transactions
            await asyncio.sleep(0.02)

    async def _known(self, txid: str) -> bool:
        try:
            await self.taker.chain.transaction(txid)  # type: ignore[arg-type]
        except ElectrumError:
            return False
        return True

    async def step(self, what: str, work: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await work
        except TimeoutError:
            raise DemoFailed(f"waited {PATIENCE:.0f} s in vain for {what}") from None

    async def balance(self, node: Node) -> Sats:
        """What the wallet shows after a sync."""
        await node.wallet.sync()
        balance = await node.wallet.balance()
        return Sats(balance.confirmed + balance.pending)


def _txid(raw: bytes) -> str:
    return Transaction.parse(raw).txid
