"""A whole world from one seed: nodes, the wires between them, a chain, an oracle and a clock.

Nothing happens by itself: `run` lets everybody work until nobody has anything to do, `mine` and `advance` move the
chain and the clock. The same seed and the same calls give the same world, bit for bit, on every machine.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Final, Self

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction, TxOut
from cfd_core.contract import jobs
from cfd_core.crypto.keys import Keychain
from cfd_core.crypto.signer import CetSigning, Keyring
from cfd_core.engine import Policy, Settings
from cfd_core.errors import DecodeError
from cfd_core.oracle import Announcement, read_price_event
from cfd_core.serial import wire
from cfd_core.testing.chain import SimChain
from cfd_core.testing.conscience import require
from cfd_core.testing.draws import Draws
from cfd_core.testing.network import Faults, Network, Parcel
from cfd_core.testing.node import Backup, Moment, SimNode
from cfd_core.testing.oracle import START, SimOracle, announced, attestation
from cfd_core.testing.wallet import SimWallet
from cfd_core.values import EventId, PeerId, Role, RunId, Secret, Timestamp
from cfd_core.values import Network as BitcoinNetwork

MANY_STEPS: Final = 10_000


class World:
    """Make one, `add` nodes, and let things happen.

    Public on purpose: everything. A test may look at and tamper with any part.
    """

    accepts: ClassVar[Callable[[Transaction, Sequence[TxOut]], bool]] = staticmethod(lambda _tx, _spent: True)
    """A script engine that everything broadcast is held against, where there is one."""

    def __init__(self, seed: bytes = b"", faults: Faults | None = None) -> None:
        self.draws = Draws(seed)
        self.network = Network(self.draws.apart("network"), faults)
        self.chain, self.oracle = SimChain(), SimOracle()
        self.nodes: tuple[SimNode, ...] = ()
        """In the order in which they get to work."""
        self.now = START
        self.known: dict[EventId, Announcement] = {}
        """Announcements of other oracles than the simulated one."""
        self.prompt = False
        """Whether dead nodes are back at once; else only `revive` brings them."""
        self.chain_speaks = True
        """False: the test itself tells what the chain would."""
        self.broadcasts: dict[str, Transaction] = {}
        self.refused: list[Transaction] = []
        """What was broadcast too early, too cheap, or too late."""
        self.tamper: Callable[[SimNode, bytes], bytes | None] = lambda _to, raw: raw
        """Sees each message before it is delivered; None loses it."""
        self.sign_cets: Callable[[CetSigning], bytes] = jobs.sign_cets
        self.verify_cets: Callable[[jobs.VerifyCetsJob], int | None] = jobs.verify_cets

    def add(
        self,
        name: str,
        role: Role,
        policy: Policy | None = None,
        *,
        coins: int = 2,
        seed: Secret | None = None,
        keyring: Keyring | None = None,
    ) -> SimNode:
        """A node with a wallet of so many coins; its peer id is `SHA256:` and the name.

        `seed` is that of its keys; else the world's draws give one. `keyring`: its keys are elsewhere.
        """
        keychain = keyring or Keychain.from_seed(
            seed or Secret(self.draws.apart(name).entropy()), BitcoinNetwork.REGTEST
        )
        settings = Settings(network=BitcoinNetwork.REGTEST, keychain=keychain, policy=policy or Policy())
        node = SimNode(PeerId(f"SHA256:{name}"), role, settings, SimWallet(name, self.chain, coins))
        node.give(i.TipChanged(self.chain.height))
        self.nodes = (*self.nodes, node)
        return node

    def copy(self) -> Self:
        """The same world, to go on differently. Neither `tamper` nor a node's `mortal` goes along."""
        twin = object.__new__(type(self))
        twin.__dict__ = {**self.__dict__, "known": dict(self.known), "broadcasts": dict(self.broadcasts)}
        twin.draws, twin.network, twin.oracle = self.draws.copy(), self.network.copy(), self.oracle.copy()
        twin.chain, twin.refused = self.chain.copy(), list(self.refused)
        twin.nodes = tuple(node.copy(node.wallet.copy(twin.chain)) for node in self.nodes)
        twin.tamper = lambda _to, raw: raw
        return twin

    def node(self, peer: PeerId) -> SimNode:
        """The node of this peer id."""
        return next(node for node in self.nodes if node.peer == peer)

    # --- work ------------------------------------------------------------------------------------------------------

    def run(self, steps: int = MANY_STEPS) -> None:
        """Work until nobody has anything to do; `steps` bounds how far."""
        for _ in range(steps):
            if not self.step():
                return
        require(steps < MANY_STEPS, "the world comes to rest")

    def step(self) -> bool:
        """The smallest piece of work: one effect, one message, or one report. False when there was nothing."""
        if self.prompt and self.revive():
            return True
        for node in self.nodes:
            if node.todo:
                effect = node.todo.popleft()
                node.done.append(effect)
                self.act(node, effect)
                node.dies(Moment.ACTED)
                return True
        self.network.arrive(self.now)
        if self.network.wire:
            self._arrived(self.network.wire.popleft())
            return True
        return (self.chain_speaks and self.report_news()) or self._attest_news()

    def _arrived(self, parcel: Parcel) -> None:
        to = self.node(parcel.to)
        if parcel.raw is None:
            self.network.streams.pop((parcel.to, parcel.run), None)
            to.give(i.StreamClosed(parcel.run, "the stream was closed"))
        elif not to.dead and (altered := self.tamper(to, parcel.raw)) is not None:
            self.deliver(to, parcel.run, altered)

    def deliver(self, to: SimNode, run: RunId, raw: bytes) -> None:
        """Hand bytes to a run of a node, as its shell would."""
        try:
            message = wire.decode_message(raw)
        except DecodeError as error:
            to.give(i.MessageUndecodable(run, str(error)))
        else:
            to.give(i.MessageReceived(run, message))

    def report_news(self) -> bool:
        """Tell one node one thing about the chain that it does not know; False when there is none."""
        for node in self.nodes:
            for outpoint in node.watched:
                report = self.chain.report(outpoint)
                if node.reported.get(outpoint) != report:
                    node.reported[outpoint] = report
                    node.give(report)
                    return True
        return False

    def _attest_news(self) -> bool:
        for node in self.nodes:
            heard = () if self.oracle.down else self._word(node)
            for event, price in heard:
                node.told.add((event, price))
                node.give(i.AttestationReceived(event, attestation(event, price)))
                return True
        return False

    def _word(self, node: SimNode) -> Iterator[tuple[EventId, int]]:
        """What the oracle has said, a node has asked for, and has not been told."""
        for event, not_before in node.asked.items():
            for price in self.oracle.said.get(event, ()):
                if not_before <= node.now and (event, price) not in node.told:
                    yield event, price

    # --- effects ---------------------------------------------------------------------------------------------------

    def act(self, node: SimNode, effect: f.Effect) -> None:
        """Do what a node wants done, and give it the answer."""
        match effect:
            case f.OpenStream(run, peer, protocol):
                theirs = None if self.node(peer).dead else self.network.open(node.peer, run, peer)
                if theirs is None:
                    node.give(i.StreamClosed(run, "the peer is not there"))
                else:
                    other = self.node(peer)
                    fresh = Draws(f"{run} at {other.now}".encode()).entropy()
                    other.give(i.StreamOpened(theirs, node.peer, protocol, fresh))
            case f.SendMessage(run, message):
                self.network.send(node.peer, run, wire.encode_message(message), self.now)
            case f.CloseStream(run):
                self.network.close(node.peer, run)
            case f.BroadcastTx(_, _, txid, raw):
                if txid not in self.chain.transactions:
                    node.conscience.publishing(raw)
                self.broadcast(Transaction.parse(raw))
            case f.WatchOutpoint(outpoint, script):
                node.watched[outpoint] = script
            case f.FetchAnnouncement(event):
                node.give(i.AnnouncementReceived(self.announcement_of(event)))
            case f.FetchAttestation(event, not_before):
                node.asked[event] = not_before
            case _:
                self._ask_own_side(node, effect)

    def _ask_own_side(self, node: SimNode, effect: f.Effect) -> None:
        match effect:
            case f.ReserveCoins():
                node.give(node.wallet.reserve(effect))
            case f.ReleaseCoins(key):
                node.wallet.release(key)
            case f.SignLock(key, psbt):
                node.give(i.LockInputsSigned(key, node.wallet.sign(psbt)))
            case f.SignCancel(key, psbt):
                node.give(i.CancelInputSigned(key, node.wallet.sign(psbt)))
            case f.BumpFee(key, parent, _, _, rate):
                child = node.wallet.bump(effect)
                if child is not None:
                    node.give(i.FeeBumpSigned(key, Transaction.parse(parent).txid, child.serialize(), rate))
            case f.CheckInputs(key, _):
                node.give(i.InputsChecked(key, node.input_problems))
            case f.SignCets(key, run, job):
                node.give(i.CetsSigned(key, run, self.sign_cets(job)))
            case f.VerifyCets(key, run, verify):
                node.give(i.CetsVerified(key, run, self.verify_cets(verify)))
            case f.LoadRevision(key, revision):
                require((key, revision) in node.revisions, "the signatures of an unrevoked revision are in the store")
                node.give(i.RevisionLoaded(key, revision, node.revisions[key, revision]))
            case f.DropRevision(key, revision):
                node.revisions.pop((key, revision), None)
            case _:
                raise AssertionError(f"an effect that the world does not know: {effect}")

    def broadcast(self, tx: Transaction) -> bool:
        """Into the mempool, if it may; whether it did is noted."""
        require(self.valid(tx), "only what Core's rules accept goes out")
        if accepted := self.chain.submit(tx):
            self.broadcasts[tx.txid] = tx
        else:
            self.refused.append(tx)
        return accepted

    def valid(self, tx: Transaction) -> bool:
        """Under the script engine, and paying no more than it spends; True where it spends what nobody knows."""
        known = [self.chain.transactions.get(tx_in.outpoint.txid) for tx_in in tx.inputs]
        if None in known:
            return True
        spent = [x.outputs[i.outpoint.vout] for x, i in zip(known, tx.inputs, strict=True) if x is not None]
        return sum(o.sats for o in tx.outputs) <= sum(o.sats for o in spent) and type(self).accepts(tx, spent)

    def announcement_of(self, event: EventId) -> Announcement:
        """What its oracle announces of an event."""
        read_price_event(event)
        return self.known.get(event) or announced(event)

    # --- what happens to all ---------------------------------------------------------------------------------------

    def both(self, happened: Any, now: Timestamp | None = None) -> None:
        """Tell every node, then run."""
        for node in self.nodes:
            node.give(happened, now)
        self.run()

    def mine(self, count: int = 1) -> None:
        """Blocks, one after the other, each told to everybody."""
        for _ in range(count):
            self.run()
            self.chain.mine()
            self.both(i.TipChanged(self.chain.height))

    def reorg(self, depth: int, *, forget: bool = False) -> None:
        """Blocks are undone, and everybody hears of it."""
        self.chain.reorg(depth, forget=forget)
        self.both(i.TipChanged(self.chain.height))

    def later(self, seconds: int) -> None:
        """Time passes for everybody, in one jump; then the timers fire."""
        self.now = Timestamp(self.now + seconds)
        for node in self.nodes:
            node.now = Timestamp(node.now + seconds)
        self.both(i.TimerFired())

    def advance(self, seconds: int) -> None:
        """Time passes from deadline to deadline, as it does for real shells."""
        end = self.now + seconds
        while self.now < end:
            dues = [node.engine.deadline - node.now for node in self.nodes if node.engine.deadline and not node.dead]
            dues += [at - self.now for at, _ in self.network.late]
            self.later(min([end - self.now, *(max(due, 1) for due in dues)]))

    def restart(self, node: SimNode) -> None:
        """The node's process dies and comes back; its streams are cut, and what was on its way to it is lost."""
        self.network.forget(node.peer)
        node.restart()

    def restore(self, node: SimNode, backup: Backup) -> None:
        """The node's machine is gone; on another one a backup is put back, and everybody is linked again."""
        self.network.forget(node.peer)
        node.restore(backup)
        self.reconnect()

    def revive(self) -> bool:
        """Restart whoever is dead, or put back what is lost, and link everybody again; False when nobody was."""
        dead = [node for node in self.nodes if node.dead]
        for node in dead:
            if node.lost is None:
                self.restart(node)
            else:
                self.network.forget(node.peer)
                node.restore(node.lost)
        if dead:
            self.reconnect()
        return bool(dead)

    def cut(self) -> None:
        """Every link breaks: what is on the wire is lost, every run hears of it."""
        self.network.cut()
        for node in self.nodes:
            for run in list(node.engine.runs):
                node.give(i.StreamClosed(run, "the link broke"))
        self.run()

    def reconnect(self) -> None:
        """Every link is up again."""
        for node in self.nodes:
            for other in self.nodes:
                if other is not node:
                    node.give(i.PeerConnected(other.peer, self.draws.apart(f"link {node.peer}").entropy()))
        self.run()
