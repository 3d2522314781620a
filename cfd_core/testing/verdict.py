"""The verdict on a world that has come to its end: by the chain alone, and by what the contract says."""

from typing import Any

from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.contract.close import build_close
from cfd_core.contract.dlc import Settleable
from cfd_core.testing.conscience import InvariantBroken, require
from cfd_core.testing.node import SimNode
from cfd_core.testing.world import World
from cfd_core.values import CfdId, Role, Sats, price

SAME_MONEY = {e.ExitKind.LIQUIDATION: e.ExitKind.CET, e.ExitKind.DOUBLE_SPEND: e.ExitKind.CANCEL}
"""By the chain alone a liquidation and a settlement that pays the same cannot always be told apart; and what one side
calls its cancellation is the other's double spend of its own coin."""


def check(world: World) -> None:
    """`InvariantBroken` unless every CFD has ended, lawfully and fairly on every side, and no sat is missing.

    A node that was put back from a backup may not know how a CFD ended, or that there was one: then the books of the
    counterparty, which ended it on the chain, say what both got.
    """
    for node in world.nodes:
        node.check_replay()
        for cfd in node.engine.cfds.values():
            over = cfd.ended or left_to_peer(world, node, cfd)
            require(over, f"CFD {cfd.id} ends, and is not for ever {type(cfd.phase).__name__}")
            for role in Role if cfd.ended else ():
                fair(world, node, cfd, role)
            tidy(node, cfd)
    for key in {key for node in world.nodes for key in node.engine.cfds}:
        kinds = kinds_of(world, key)
        require(len(kinds) == 1, f"both sides saw CFD {key} end alike, not {kinds}")
    conserved(world)


def kinds_of(world: World, key: CfdId) -> set[e.ExitKind]:
    """How a CFD ended, by the books of each node that can know."""
    known = [(node, node.engine.cfds[key]) for node in world.nodes if key in node.engine.cfds]
    kinds = {kind_of(cfd) for node, cfd in known if not left_to_peer(world, node, cfd)}
    # who published what it had revoked may not know what took it
    unknown = {e.ExitKind.UNKNOWN} if any(node.conscience.cheated for node in world.nodes) else set()
    return kinds - unknown


def left_to_peer(world: World, node: SimNode, cfd: Cfd) -> bool:
    """Whether these books come from a backup that cannot tell how the CFD ended, and the counterparty has ended it.

    Either their revision is in doubt, so the counterparty had to publish its own, which they do not know; or by them
    the contract was never signed.
    """
    theirs = world.node(cfd.peer).engine.cfds.get(cfd.id)
    if not node.restored or theirs is None or theirs.held is None or not isinstance(theirs.phase, p.Closed):
        return False
    return cfd.held is None or (not cfd.ended and bool(cfd.doubt))


def kind_of(cfd: Cfd) -> e.ExitKind:
    """How a CFD ended, as both sides must see it."""
    # where nothing was ever locked, it is all one whether the setup was broken off or cancelled
    kind = cfd.phase.kind if isinstance(cfd.phase, p.Closed) else e.ExitKind.CANCEL
    return SAME_MONEY.get(kind, kind)


def tidy(node: SimNode, cfd: Cfd) -> None:
    """Nothing is kept that nobody needs: coins of a setup that came to nothing, signatures of revoked revisions."""
    if cfd.held is None:
        require(cfd.id not in node.wallet.reserved, "the coins of a setup that came to nothing are free")
        return
    for revoked in cfd.held.revoked:
        require((cfd.id, revoked.number) not in node.revisions, "the signatures of a revoked revision are deleted")


def fair(world: World, node: SimNode, cfd: Cfd, role: Role) -> None:
    """What this side got, by the books of this node, is what the contract gives it in the way that the CFD ended."""
    if not isinstance(cfd.phase, p.Closed) or cfd.held is None:
        return
    got = cfd.phase.maker if role is Role.MAKER else cfd.phase.taker
    match cfd.phase.kind:
        case e.ExitKind.CANCEL | e.ExitKind.DOUBLE_SPEND:
            lock = cfd.held.live.draft.lock.txid
            require(not world.chain.places.get(lock), "nothing that was locked is cancelled")
        case e.ExitKind.PUNISH:
            require(got == 0 or got > cfd.terms.pool // 2, "a punishment gives one side everything")
        case e.ExitKind.REFUND:
            require(got == cfd.terms.margin(role), f"a refund gives the margin back, not {got} sats")
        case e.ExitKind.CLOSE if node.restored and cfd.held.close is None:
            return  # signed after the backup: the counterparty's books say at which price
        case e.ExitKind.CLOSE:
            agreed = build_close(cfd.held.live.draft, price(cfd.held.close.price if cfd.held.close else ""))
            require(got == (agreed.maker if role is Role.MAKER else agreed.taker), "a close pays the agreed price")
        case e.ExitKind.CET | e.ExitKind.LIQUIDATION:
            require(got in promised(world, node, cfd, role), f"{got} sats are not what the contract gives")
        case e.ExitKind.UNKNOWN:
            require(node.conscience.cheated, "every exit is one of ours")


def promised(world: World, node: SimNode, cfd: Cfd, role: Role) -> set[Sats]:
    """What the revision that was published pays a side, for each price that the oracle attested."""
    dlc = published(node, cfd)
    words = [(event, price) for event, prices in world.oracle.said.items() for price in prices]
    words += [(x.event_id, x.outcome) for x in cfd.attestations]
    found: set[Sats] = set()
    for event, outcome in words:
        cets = dlc.draft.event(event)
        entry = cets.find(outcome) if cets is not None else None
        if entry is not None:
            maker, taker = dlc.draft.payouts(entry[1])
            found.add(maker if role is Role.MAKER else taker)
    return found


def published(node: SimNode, cfd: Cfd) -> Settleable:
    """The revision whose commit was the last to be seen."""
    seen: list[Any] = [event for event in node.events(CfdId(cfd.id)) if isinstance(event, e.CommitSeen)]
    dlc = cfd.held.settleable(seen[-1].number) if cfd.held and seen else None
    if dlc is None:
        raise InvariantBroken("a CFD that settled by a CET has a commit that was published lawfully")
    return dlc


def conserved(world: World, *, locked: bool = False) -> None:
    """Every sat is in a wallet, was paid to miners, or lies in the anchor of a commit; with `locked`, or in a CFD."""
    fees = anchors = funded = 0
    for tx in world.chain.transactions.values():
        fee = world.chain.fee(tx)
        if fee is None:
            funded += sum(out.sats for out in tx.outputs)
        else:
            require(fee >= 0, "nothing comes from nowhere")
            fees += fee
            unspent = [out for n, out in enumerate(tx.outputs) if world.chain.spender(tx.outpoint(n)) is None]
            anchors += sum(out.sats for out in unspent if all(out.script not in w.wallet.scripts for w in world.nodes))
    owned = sum(node.wallet.worth for node in world.nodes)
    commits = sum(240 for node in world.nodes for _ in node.engine.cfds)
    require(locked or anchors <= commits, f"{anchors} sats are locked for ever")
    require(owned + fees + anchors == funded, f"{owned} owned, {fees} fees, {anchors} in anchors: not {funded}")
