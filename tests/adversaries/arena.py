"""Where an honest node meets a liar: the simulated pair, with one side's shell in a strategy's hands.

The liar's own engine keeps it able to follow the protocols for as long as its strategy wants; everything that its keys
ever allowed it stays in its `Hand`. What the honest side gave away and got is noted by a `Witness` from the messages
alone, so that the verdict does not depend on what the honest engine believes.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd.aggregate import Cfd
from cfd_core.contract.dlc import Settleable
from cfd_core.crypto.secp import public_key
from cfd_core.errors import CfdError, DecodeError
from cfd_core.inputs import Message
from cfd_core.oracle import read_attestation
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.rollover import messages as r
from cfd_core.protocols.settlement import messages as t
from cfd_core.serial import wire
from cfd_core.testing import Conscience, Pair, SimNode, attestation, hours
from cfd_core.values import EventId, Role, RunId, Secret, Timestamp

FUNDING_RATE: Final = Decimal("0.0006")
TOLERANCE: Final = Decimal("0.05")


class Shameless(Conscience):
    """A liar has none."""

    def stored(self, recorded: Any) -> None:
        """Nothing is required."""

    def leaving(self, message: Message) -> None:
        """Nothing is required."""


class Hand:
    """All that a node could ever publish. Nothing that it was once able to is forgotten."""

    def __init__(self) -> None:
        self.commits: dict[int, Transaction] = {}
        self.dlcs: dict[int, Settleable] = {}
        self.packed: dict[int, bytes] = {}
        self.closes: dict[str, Transaction] = {}
        self.lock: Transaction | None = None
        self.seen: dict[str, Cfd] = {}

    def look(self, node: SimNode) -> None:
        """Take in what the node's engine has by now."""
        for cfd in node.engine.cfds.values():
            held = cfd.held
            if held is None or self.seen.get(cfd.id) is cfd:
                continue
            self.seen[cfd.id] = cfd
            for dlc in (held.live, held.old):
                if dlc is not None and dlc.number not in self.commits:
                    self.commits[dlc.number] = dlc.sign_commit(node.settings.keychain.cfd_keys(cfd.key_id, dlc.number))
            for settleable in held.unrevoked:
                self.dlcs[settleable.number] = settleable
                if (cfd.id, settleable.number) in node.revisions:
                    self.packed[settleable.number] = node.revisions[cfd.id, settleable.number]
            if held.close is not None and held.close.complete:
                self.closes[held.close.price] = Transaction.parse(held.close.transaction)
            if held.lock:
                self.lock = Transaction.parse(held.lock)

    def exits(self, node: SimNode, said: dict[EventId, tuple[int, ...]]) -> Iterator[Transaction]:
        """Every CET that the oracle's words allow, then the refunds, of every revision."""
        for number, dlc in self.dlcs.items():
            keys = node.settings.keychain.cfd_keys(node.cfd.key_id, number)
            for announcement in dlc.draft.announcements:
                for price in said.get(announcement.event_id, ()):
                    word = read_attestation(announcement, attestation(announcement.event_id, price))
                    if dlc.covers(word) and number in self.packed:
                        yield dlc.sign_cet(keys, word, self.packed[number]).transaction
            yield dlc.sign_refund(keys)


class Witness:
    """What went between the two, seen from outside."""

    def __init__(self) -> None:
        self.given: set[int] = set()
        """Revisions whose commit the honest side signed for the liar."""
        self.revoked: set[int] = set()
        """Revisions that the honest side got the liar's secret of."""
        self.closes: set[Decimal] = set()
        """Prices of closes that the honest side signed."""
        self.lock_given = False
        self._points: dict[int, set[bytes]] = {}
        self._price: Decimal | None = None

    def honest_says(self, message: Message) -> None:
        match message:
            case m.Signatures():
                self.given.add(0)
            case m.LockSignatures():
                self.lock_given = True
            case r.CommitSignature(_, number, _):
                self.given.add(number)
            case t.Propose(_, price, _):
                self._price = price
            case t.CloseSignature() if self._price is not None:
                self.closes.add(self._price)
            case _:
                pass

    def liar_says(self, message: Message) -> None:
        match message:
            case m.Params():
                self._points.setdefault(0, set()).add(message.revocation)
            case r.Points():
                self._points.setdefault(max(self.given, default=0) + 1, set()).add(message.revocation)
                self._points.setdefault(max(self.given, default=0), set()).add(message.revocation)
            case t.Propose(_, price, _):
                self._price = price
            case r.Revocation(_, number, secret) if _belongs(secret, self._points.get(number, set())):
                self.revoked.add(number)
            case _:
                pass


def _belongs(secret: bytes, points: set[bytes]) -> bool:
    try:
        return public_key(Secret(secret)).encode() in points
    except CfdError:
        return False


class Arena(Pair):
    """A pair of which `liar` follows a strategy. `prices` are what the oracle says, event after event."""

    def __init__(self, liar: Role, *, liquidations: int = 0, **offer: Any) -> None:
        self.liar_role = liar
        self.strategy: Any = None
        self.struck = False
        self.countdown: int | None = None
        """Messages that the liar still sends before it strikes; None: not by messages."""
        self.said: list[bytes] = []
        """Lines of the liar so far."""
        self.hand, self.witness = Hand(), Witness()
        self.kept: Any = None
        """The backup of the honest side, in stories that lose its machine."""
        self.forgot: int | None = None
        """The honest side's books know no secret of the liar's revisions from this one on; None: all that it got."""
        self.published: dict[str, tuple[int, frozenset[int], Timestamp]] = {}
        """Each commit that was seen: its revision, what was revoked by then, and when."""
        events = hours(1, liquidations) if liquidations else ()
        super().__init__(
            liquidations=events, tolerance=TOLERANCE, funding_rate=FUNDING_RATE, seed=liar.value.encode(), **offer
        )
        self.liar.conscience = Shameless()

    def copy(self) -> "Arena":
        twin = super().copy()
        twin.hand, twin.witness = Hand(), Witness()
        for name in ("hand", "witness"):
            for field, value in vars(getattr(self, name)).items():
                setattr(getattr(twin, name), field, type(value)(value) if isinstance(value, dict | set) else value)
        twin.said, twin.published = list(self.said), dict(self.published)
        twin.liar.conscience = Shameless()
        return twin

    @property
    def liar(self) -> SimNode:
        return self.maker if self.liar_role is Role.MAKER else self.taker

    @property
    def honest(self) -> SimNode:
        return self.other(self.liar)

    # --- the liar's shell ------------------------------------------------------------------------------------------

    def act(self, node: SimNode, effect: f.Effect) -> None:
        if node is self.honest:
            if isinstance(effect, f.SendMessage):
                self.witness.honest_says(effect.message)
            super().act(node, effect)
        elif isinstance(effect, f.SendMessage):
            self._say(effect.run, effect.message)
        elif self.strategy is None or not self.struck or self.strategy.permits(self, effect):
            with suppress(CfdError):  # its own lies confuse its own engine
                super().act(node, effect)
        self.hand.look(self.liar)
        self._look_at_chain()

    def _say(self, run: RunId, message: Message) -> None:
        if self.countdown is not None and not self.struck:
            if self.countdown == 0:
                self.strike()
            self.countdown -= 1
        if self.strategy is None or not self.struck:
            self.send(run, message)
            return
        for said in self.strategy.sends(self, message):
            self.send(run, said)

    def send(self, run: RunId, said: Message | bytes) -> None:
        """Put a line of the liar on the wire."""
        raw = said if isinstance(said, bytes) else wire.encode_message(said)
        self.said.append(raw)
        self.network.send(self.liar.peer, run, raw, self.now)

    def deliver(self, to: SimNode, run: RunId, raw: bytes) -> None:
        if to is self.honest:
            with suppress(DecodeError):
                self.witness.liar_says(wire.decode_message(raw))
            super().deliver(to, run, raw)
            return
        with suppress(CfdError):
            super().deliver(to, run, raw)

    def report_news(self) -> bool:
        try:
            return super().report_news()
        except CfdError:
            return True

    def strike(self) -> None:
        """The moment has come."""
        if not self.struck:
            self.struck = True
            self.hand.look(self.liar)
            self.strategy.strikes(self)
            self._look_at_chain()

    def publish(self, tx: Transaction | None) -> bool:
        """Into the mempool if it may be there."""
        accepted = tx is not None and self.broadcast(tx)
        self._look_at_chain()
        return accepted

    def talk(self, protocol: str, said: Sequence[Message | bytes]) -> None:
        """A stream of the liar's own, with these lines on it."""
        run = RunId(f"talk:{len(self.said)}:{self.chain.height}:{self.now}")
        theirs = self.network.open(self.liar.peer, run, self.honest.peer)
        if theirs is not None:
            self.honest.give(i.StreamOpened(theirs, self.liar.peer, protocol, self.draws.entropy()))
            for one in said:
                self.send(run, one)

    # --- what everybody can see ------------------------------------------------------------------------------------

    def _look_at_chain(self) -> None:
        for node in self.nodes:
            for cfd in node.engine.cfds.values():
                for dlc in cfd.held.unrevoked if cfd.held else ():
                    self.hand_of_all.setdefault(dlc.draft.commit.txid, dlc)
        for txid, dlc in self.hand_of_all.items():
            if txid in self.chain.places and txid not in self.published:
                self.published[txid] = (dlc.number, frozenset(self.witness.revoked), self.now)

    @property
    def hand_of_all(self) -> dict[str, Settleable]:
        """Every revision that ever was, by its commit's id."""
        found: dict[str, Settleable] = self.__dict__.setdefault("_all", {})
        return found

    def told(self) -> None:
        """Both hear of the tip; what the liar's engine makes of it does not matter."""
        for node in self.nodes:
            try:
                node.give(i.TipChanged(self.chain.height))
            except CfdError:
                if node is self.honest:
                    raise
        self.run()
