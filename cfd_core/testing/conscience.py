"""What must hold after every turn of a node, whatever the other side, the chain and the oracle do."""

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd, Held
from cfd_core.cfd.events import Recorded
from cfd_core.cfd.evolve import evolve as fold
from cfd_core.cfd.lifecycle import FACTS, LIFECYCLE, legal
from cfd_core.contract.dlc import publish_secret
from cfd_core.contract.draft import Draft
from cfd_core.errors import CfdError
from cfd_core.inputs import Message
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.rollover import messages as r
from cfd_core.protocols.settlement import messages as t
from cfd_core.values import Role


class InvariantBroken(AssertionError):
    """Something happened that must never happen: a bug of ours, not of any peer."""


def require(holds: object, what: str) -> None:
    """`InvariantBroken` that says `what` must hold, unless it does."""
    if not holds:
        raise InvariantBroken(what)


@frozen
class Given:
    """A revision that we revoked: what tells our version of its commit from the counterparty's."""

    draft: Draft
    role: Role
    their_commit: bytes


class Conscience:
    """Watches one node from outside: only by what it stored, and by what is about to leave it."""

    def __init__(self) -> None:
        self.cfds: dict[str, Cfd] = {}
        """Folded from what is stored, never from the engine."""
        self.versions: dict[str, int] = {}
        self.force_closed: set[tuple[str, int]] = set()
        self.revoked: set[tuple[str, int]] = set()
        """Revisions whose secret of ours has left."""
        self.given_up: dict[str, Given] = {}
        """The commits of these revisions, by their ids."""
        self.commit_signatures: dict[tuple[str, int], bytes] = {}
        self.closes: dict[str, str] = {}
        self.may_punish = False
        """The counterparty cheats in this world."""
        self.cheated = False
        """This node published what it had revoked, whose exits it has rightly forgotten."""
        self.chain_lies = False
        """The world makes transactions up that no rule allows."""

    def copy(self) -> "Conscience":
        twin = Conscience()
        for name, value in vars(self).items():
            setattr(twin, name, type(value)(value) if isinstance(value, dict | set) else value)
        return twin

    def put_back(self, log: Iterable[Recorded]) -> None:
        """The store was put back from a backup. What left before stays in mind: revoked is revoked."""
        self.cfds, self.versions = {}, {}
        for recorded in log:
            self.versions[recorded.stream] = recorded.version
            if not isinstance(recorded.event, e.NodeEvent):
                self.cfds[recorded.stream] = fold(self.cfds.get(recorded.stream), recorded.event)

    def stored(self, recorded: Recorded) -> None:
        """To be called for each event once it is stored."""
        key, event = recorded.stream, recorded.event
        self.versions[key] = self.versions.get(key, 0) + 1
        require(recorded.version == self.versions[key], "no gap in a stream")
        if isinstance(event, e.NodeEvent):
            return
        before = self.cfds.get(key)
        after = self.cfds[key] = fold(before, event)
        if before is not None:
            _lawful(before.phase, event, after.phase)
            self._harmless(before, event)
        if isinstance(event, e.CfdClosed) and not self.chain_lies:
            require(event.kind is not e.ExitKind.UNKNOWN or self.cheated, "every exit is one of ours")
            conserved(after, after.phase)

    def _harmless(self, before: Cfd, event: e.CfdEvent) -> None:
        match event:
            case e.RolloverSigned():
                require(not isinstance(before.phase, p.COMMITTED), "no rollover while a commit is out")
            case e.ForceCloseStarted():
                number = _held(before, "a force close needs a contract").live.number
                require((before.id, number) not in self.revoked, "we gave that commit up")
                self.force_closed.add((before.id, number))
            case e.CloseSigned(close=close):
                txid = Transaction.parse(close).txid
                require(self.closes.setdefault(before.id, txid) == txid, "never two prices signed")
            case e.ExitSigned(kind=e.ExitKind.PUNISH):
                require(self.may_punish, "an honest party is never punishable")
            case _:
                pass

    def leaving(self, message: Message) -> None:
        """To be called when a message is about to leave."""
        cfd = self.cfds.get(message.cfd_id)
        match message:
            case m.LockSignatures():
                _held(cfd, "a lock signature leaves only after the contract is stored")
            case r.CommitSignature(key, number, signature):
                held = _held(cfd, "a commit signature needs a contract")
                require(held.settleable(number), "a commit signature leaves only after its exits are stored")
                require(self.commit_signatures.setdefault((key, number), signature) == signature, "one signature only")
            case r.Revocation(key, number, _):
                held = _held(cfd, "a revocation needs a contract")
                require(held.live.number > number, "a secret leaves only after the next revision is stored as signed")
                require((key, number) not in self.force_closed, "we published that commit")
                self.revoked.add((key, number))
                old = held.old
                if old is not None and old.number == number:
                    self.given_up[old.draft.commit.txid] = Given(old.draft, old.role, old.their_commit)
            case t.CloseSignature(key, _):
                require(key in self.closes, "a close signature leaves only after the close is stored")
            case _:
                pass

    def publishing(self, raw: bytes) -> None:
        """To be called when a transaction is about to be broadcast: never a commit that we could be punished for."""
        tx = Transaction.parse(raw)
        given = self.given_up.get(tx.txid)
        if given is None or self.cheated:
            return
        try:
            publish_secret(given.draft, given.role.other, given.their_commit, tx)
        except CfdError:
            return  # the counterparty's own version, which it published: it reveals no secret of ours
        raise InvariantBroken("our version of a revoked commit is never broadcast")


def _held(cfd: Cfd | None, what: str) -> Held:
    if cfd is None or cfd.held is None:
        raise InvariantBroken(what)
    return cfd.held


def _lawful(before: p.Phase, event: Any, after: p.Phase) -> None:
    name = type(event).__name__
    require(legal(before, event), f"{name} is not legal in {before!r:.60}")
    table = LIFECYCLE.get((type(before), type(event)), ())
    unchanged = isinstance(before, FACTS.get(type(event), ())) and type(after) is type(before)
    require(type(after) in table or unchanged, f"{name}: {before!r:.60} to {after!r:.60}")


def conserved(cfd: Cfd, phase: Any) -> None:
    """Every sat of the pool went to one of the two, except where it never entered or a punishment paid fees."""
    paid = phase.maker + phase.taker
    match phase.kind:
        case e.ExitKind.CANCEL | e.ExitKind.DOUBLE_SPEND:
            require(paid == 0, "nothing was paid where nothing was locked")
        case e.ExitKind.PUNISH:
            most = cfd.terms.pool + _held(cfd, "it was locked").live.draft.costs.exit_fee
            require(cfd.terms.pool // 2 <= paid <= most, "a punishment takes the pool")
        case _:
            require(paid == cfd.terms.pool, f"the two got {paid} sats of {cfd.terms.pool}")
