"""Every way a CFD can go, each as a story on the stage."""

import secrets
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from cfd_core import effects as f
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.commands import ForceClose, ProposeSettlement, PublishOffer, RollOver
from cfd_core.cfd.events import ExitKind
from cfd_core.engine import Engine
from cfd_core.errors import RuleViolation
from cfd_core.protocols.contract_setup.messages import LockSignatures
from cfd_core.values import HOUR, OfferId, OutPoint, Position, Timestamp, round_half_up
from cfd_node.demo.plan import DemoPlan
from cfd_node.demo.theatre import DemoFailed, Theatre
from cfd_node.node import Node

Act = Callable[[Theatre], Awaitable[None]]
SETTLED_AT: Final = 48_935
SPIKE: Final = 20
"""sat/vB that blocks ask for in the story of the fee spike; the contract agreed on 2."""
MOST_BLOCKS: Final = 16
"""That the commit may take then; the rate passes 20 sat/vB after 8."""


@frozen
class Story:
    """What happens, on which contract, and how it must end."""

    act: Act
    ends: ExitKind
    about: str
    prepare: Callable[[DemoPlan], DemoPlan] = lambda plan: evolve(plan, recorded=False)


async def cet(stage: Theatre) -> None:
    """Force close on the recorded price."""
    await stage.open()
    stage.clock.turn_to(Timestamp(stage.plan.maturity + 15))
    await stage.until("the attestation", lambda cfd: bool(cfd.attestations))
    stage.say(f"oracle: attests {stage.cfd(stage.taker).attestations[0].outcome:,} USD, every digit checked")
    await _force_close(stage, stage.taker)


async def _force_close(stage: Theatre, node: Node) -> None:
    node.command(ForceClose(stage.key))
    stage.say(f"{node.config.name}: force-closes")
    height = await stage.commit_confirms()
    await _cet(stage, height)


async def _cet(stage: Theatre, height: int) -> None:
    number = stage.cfd(stage.taker).phase.commit.number  # type: ignore[union-attr]
    kinds = (ExitKind.CET, ExitKind.LIQUIDATION)
    await stage.until("the CET to be signed", lambda cfd: cfd.exit_for(number, *kinds) is not None)
    ready = stage.cfd(stage.taker).exit_for(number, *kinds)
    if ready is None:
        raise DemoFailed("there is no CET")
    await stage.exit_after(height, stage.plan.terms.cet_timelock, ready.transaction)


async def settle(stage: Theatre) -> None:
    """Both close together at the maker's live quote."""
    await stage.open()
    stage.clock.turn_to(Timestamp(stage.clock.now() + 300))
    await stage.publish(Decimal(51_234))
    await _settle(stage, Decimal(51_234))


async def _settle(stage: Theatre, price: Decimal) -> None:
    stage.taker.command(ProposeSettlement(stage.key, price))
    stage.say(f"taker: proposes to settle at {price:,} USD; the maker takes its own quote")
    await stage.phase("the close to be seen", p.ClosePending)
    await stage.finish()


async def rollover(stage: Theatre) -> None:
    """24 hourly rollovers, then a settlement."""
    await stage.open()
    for count in range(1, 25):
        await _roll_over(stage, count)
    stage.clock.turn_to(Timestamp(stage.clock.now() + 60))
    revision = stage.held(stage.maker).live.draft
    offer = evolve(
        stage.offer,
        id=OfferId(secrets.token_hex(16)),
        bid=Decimal(51_234),
        ask=Decimal(51_234),
        published_at=stage.clock.now(),
        event=revision.revision.settlement,
        liquidations=revision.revision.liquidations,
        expiry=revision.announcements[0].maturity,
    )
    stage.maker.command(PublishOffer(offer))
    await _settle(stage, Decimal(51_234))


async def _roll_over(stage: Theatre, number: int) -> None:
    stage.clock.turn_to(Timestamp((stage.clock.now() // HOUR + 1) * HOUR + 5))
    stage.taker.command(RollOver(stage.key, secrets.token_bytes(32)))
    await stage.until(
        f"rollover {number}",
        lambda cfd: cfd.held is not None and cfd.held.live.number == number and cfd.held.old is None,
    )
    if number in (1, 2, 3) or number % 8 == 0:
        cfd = stage.cfd(stage.taker)
        stage.say(f"both: rolled over, revision {number}, expiry {cfd.settlement.event_id}")


async def _liquidate(stage: Theatre, side: Position) -> None:
    await stage.open()
    event = stage.plan.liquidations[2]
    await stage.attest(event, _liquidating(stage.plan, side), Timestamp(stage.plan.start + 3 * HOUR))
    height = await stage.commit_confirms()
    stage.say("both: the hourly price liquidates a side; the commit is out by itself")
    await _cet(stage, height)


def _liquidating(plan: DemoPlan, side: Position) -> int:
    """A price 1 % beyond the side's liquidation, so past the sliver that no CET covers; `RuleViolation` without one."""
    threshold = plan.terms.curve.liquidation_price(side)
    if threshold is None:
        raise RuleViolation(f"the {side.value} has leverage {plan.terms.leverage(side)} and is never liquidated")
    price = round_half_up(threshold * (101 if side is Position.SHORT else 99) / 100)
    if not 0 < price < 1 << plan.digits:
        raise RuleViolation(f"the oracle cannot attest {price:,} USD, where the {side.value} is liquidated")
    return price


async def liquidate_long(stage: Theatre) -> None:
    """An hourly price below the long's liquidation."""
    await _liquidate(stage, Position.LONG)


async def liquidate_short(stage: Theatre) -> None:
    """An hourly price above the short's liquidation."""
    await _liquidate(stage, Position.SHORT)


async def refund(stage: Theatre) -> None:
    """The oracle never speaks."""
    await stage.open()
    stage.clock.turn_to(Timestamp(stage.plan.maturity + 12 * HOUR + 5))
    stage.say("oracle: says nothing, 12 h after the event")
    height = await stage.commit_confirms()
    live = stage.held(stage.taker).live
    raw = live.sign_refund(stage.taker.config.keychain.cfd_keys(stage.key, live.number)).serialize()
    await stage.exit_after(height, stage.plan.terms.refund_timelock, raw)


async def punish(stage: Theatre) -> None:
    """The taker publishes a revoked commit; the maker takes it all, from the mempool on."""
    await stage.open()
    keys = stage.taker.config.keychain.cfd_keys(stage.key, 0)
    revoked = stage.held(stage.taker).live.sign_commit(keys)
    await _roll_over(stage, 1)
    stage.say(f"taker: publishes the revoked commit {revoked.txid}")
    await stage.control.broadcast(revoked.serialize())
    await stage.until("the punishment", lambda cfd: cfd.exit_for(0, ExitKind.PUNISH) is not None, stage.maker)
    await stage.phase("the punishment to be seen", p.ExitPending)
    stage.say("maker: saw it in the mempool and spends its output, 12 blocks before any CET could")
    await stage.finish()


async def cancel(stage: Theatre) -> None:
    """The maker withholds its lock signature; the taker takes its coin back."""
    stage.maker.keep_from = _withholds
    await stage.take()
    await stage.phase("the taker to sign the lock", p.LockSignedUnseen, nodes=(stage.taker,))
    await stage.phase("the maker to have both signatures", p.LockPending, nodes=(stage.maker,))
    stage.say("maker: withholds its signature on the lock")
    stage.clock.turn_to(Timestamp(stage.clock.now() + stage.taker.config.policy.deadlines.cancel_after + 5))
    await stage.phase("the cancellation to be seen", *p.CONFLICTS)
    stage.say("taker: spends its own input back; the lock can never appear")
    await stage.finish()


def _withholds(effect: f.Effect) -> bool:
    lock_out = isinstance(effect, f.BroadcastTx) and effect.kind == "lock"
    return lock_out or (isinstance(effect, f.SendMessage) and isinstance(effect.message, LockSignatures))


async def reorg(stage: Theatre) -> None:
    """The blocks with the lock, and later with the commit, are replaced."""
    await stage.open()
    await stage.control.reorg(1)
    await stage.phase("the lock to be unconfirmed again", p.LockPending)
    stage.say("chain: a reorg took the lock back; both know")
    await stage.in_mempool(stage.held(stage.taker).live.draft.lock.txid)
    await stage.control.mine()
    await stage.phase("the lock to confirm again", p.Open)
    await stage.attest(stage.plan.settlement, SETTLED_AT, stage.plan.maturity)
    await stage.until("the attestation", lambda cfd: bool(cfd.attestations))
    stage.taker.command(ForceClose(stage.key))
    await stage.commit_confirms()
    await stage.control.reorg(1)
    await stage.phase("the commit to be unconfirmed again", p.CommitPending)
    stage.say("chain: a reorg took the commit back; both know")
    height = await stage.commit_confirms()
    await _cet(stage, height)


async def fees(stage: Theatre) -> None:
    """A fee spike: the commit needs its anchor."""
    await stage.open()
    await stage.attest(stage.plan.settlement, SETTLED_AT, stage.plan.maturity)
    await stage.until("the attestation", lambda cfd: bool(cfd.attestations))
    await stage.control.spike(SPIKE)
    stage.say(f"chain: blocks take nothing below {SPIKE} sat/vB")
    stage.taker.command(ForceClose(stage.key))
    await stage.phase("the commit to be published", p.CommitPending)
    await _bumped_in(stage, p.CommitPending, p.CommitConfirmed, {stage.taker: 0})
    phase = stage.cfd(stage.taker).phase
    await stage.control.spike(0)
    await _cet(stage, phase.commit_height if isinstance(phase, p.CommitConfirmed) else 0)


async def stuck_close(stage: Theatre) -> None:
    """A fee spike on the close: children of the payouts bring it in; a force close cannot overtake it."""
    await stage.open()
    stage.clock.turn_to(Timestamp(stage.clock.now() + 300))
    await stage.publish(Decimal(51_234))
    await stage.control.spike(SPIKE)
    stage.say(f"chain: blocks take nothing below {SPIKE} sat/vB")
    stage.taker.command(ProposeSettlement(stage.key, Decimal(51_234)))
    await stage.phase("the close to be seen", p.ClosePending)
    await _not_overtaken(stage)
    # the maker, with the smaller leverage, gets more out of it and begins; the taker follows two blocks later
    await _bumped_in(stage, p.ClosePending, p.CloseConfirmed, {stage.maker: 0, stage.taker: 2})
    await stage.control.spike(0)
    await stage.finish()


async def _not_overtaken(stage: Theatre) -> None:
    stage.taker.command(ForceClose(stage.key))
    forced = stage.cfd(stage.taker).forced
    refusal = await stage.control.refusal(forced.transaction) if forced is not None else None
    if refusal is None or "insufficient fee" not in refusal:
        raise DemoFailed(f"of a commit in the place of the close the chain says: {refusal}")
    stage.proofs.append("refused, as it pays no more than the close: the commit")
    stage.say("taker: force-closes; nodes keep the close, which pays more")


async def _bumped_in(stage: Theatre, pending: type, confirmed: type, payers: dict[Node, int]) -> None:
    """Mine until what waits is in a block with its children; `payers` begin so many blocks late."""
    waited = 0
    while isinstance(stage.cfd(stage.taker).phase, pending):
        if waited > MOST_BLOCKS:
            raise DemoFailed(f"what was bumped did not confirm within {MOST_BLOCKS} blocks")
        tip = await stage.control.height()
        await stage.control.mine()
        waited += 1
        for node in stage.nodes:
            await stage.step("the block to be heard of", node.pump.until(_past(tip)))
        for payer, late in payers.items():
            await _child_waits(stage, payer, waited - late, pending)
    await stage.phase("it to confirm", confirmed)
    bump = stage.cfd(next(iter(payers))).bump
    await _note_child(stage)
    stage.say(f"chain: it confirmed with a child at {bump.rate if bump else 0} sat/vB")


async def _child_waits(stage: Theatre, payer: Node, waited: int, pending: type) -> None:
    await stage.until("the bump to be signed", _bump_settled(stage, waited, pending), payer)
    bump = stage.cfd(payer).bump
    if bump is not None:
        await stage.in_mempool(Transaction.parse(bump.child).txid)


def _past(tip: int) -> Callable[[Engine], bool]:
    return lambda engine: engine.tip > tip


async def _note_child(stage: Theatre) -> None:
    """Whose child confirmed with it, and what it cost: only one can spend an anchor, each side its own payout."""
    for node in stage.nodes:
        bump = stage.cfd(node).bump
        child = Transaction.parse(bump.child) if bump is not None else None
        if child is not None and await stage.control.confirmed(child.txid):
            spent = [await _output(stage, tx_in.outpoint) for tx_in in child.inputs]
            fee = sum(spent) - sum(out.sats for out in child.outputs)
            stage.children[node.config.name] = (child, fee)


async def _output(stage: Theatre, outpoint: OutPoint) -> int:
    previous = Transaction.parse(await stage.taker.chain.transaction(outpoint.txid))
    return previous.outputs[outpoint.vout].sats


def _bump_settled(stage: Theatre, waited: int, pending: type) -> Callable[[Cfd], bool]:
    agreed = stage.plan.terms.fee_rate
    wanted = agreed << (max(waited, 0) // 2)

    def settled(cfd: Cfd) -> bool:
        if not isinstance(cfd.phase, pending) or wanted == agreed:
            return True
        return cfd.bump is not None and cfd.bump.rate >= wanted

    return settled


def _same(plan: DemoPlan) -> DemoPlan:
    return plan


def _falling(plan: DemoPlan) -> DemoPlan:
    prepared = evolve(plan, recorded=False)
    _liquidating(prepared, Position.LONG)
    return prepared


def _rising(plan: DemoPlan) -> DemoPlan:
    """A maker who is short needs leverage to be liquidated at all."""
    prepared = evolve(plan, recorded=False, maker_leverage=2)
    _liquidating(prepared, Position.SHORT)
    return prepared


STORIES: Final[dict[str, Story]] = {
    "cet": Story(cet, ExitKind.CET, "force close on the recorded price", _same),
    "settle": Story(settle, ExitKind.CLOSE, "both close together at the maker's quote"),
    "rollover": Story(rollover, ExitKind.CLOSE, "24 hourly rollovers, then a settlement"),
    "liquidate-long": Story(liquidate_long, ExitKind.LIQUIDATION, "an hourly price liquidates the long", _falling),
    "liquidate-short": Story(liquidate_short, ExitKind.LIQUIDATION, "an hourly price liquidates the short", _rising),
    "refund": Story(refund, ExitKind.REFUND, "the oracle never speaks"),
    "punish": Story(punish, ExitKind.PUNISH, "the taker publishes a revoked commit"),
    "cancel": Story(cancel, ExitKind.CANCEL, "the maker withholds its lock signature"),
    "reorg": Story(reorg, ExitKind.CET, "blocks are replaced under the lock and the commit"),
    "stuck-close": Story(stuck_close, ExitKind.CLOSE, "a fee spike: the close needs children of the payouts"),
    "fees": Story(fees, ExitKind.CET, "a fee spike: the commit needs its anchor"),
}
