"""The core in trio: two nodes open a CFD and settle it together, with not a line of asyncio.

What a runtime owes the core: hand over what happened and the time, store the events, take the next engine, run the
effects, and wake it at `deadline`. Here streams are trio memory channels and the crypto runs in trio's threads; chain,
wallets and oracle are the simulator's. A node for real money has a store on disk, sockets, and a chain in their places.
"""

from collections.abc import Callable
from os import urandom
from typing import Any

import trio

from cfd_core import Cfd, Engine, Keychain, Network, PeerId, Position, Secret, Settings, Timestamp
from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin.transaction import Transaction
from cfd_core.cfd import commands as c
from cfd_core.cfd.phases import Closed, Open
from cfd_core.contract import jobs
from cfd_core.errors import DecodeError
from cfd_core.serial import stored, wire
from cfd_core.serial.records import PackedRevision, StoredEvent
from cfd_core.testing import START, SimChain, SimWallet, announced, hours, make_offer
from cfd_core.values import OutPoint, RunId

_channel = trio.open_memory_channel[bytes]


class Node:
    """An engine, what it has stored, and the tasks that act for it."""

    def __init__(self, name: str, chain: SimChain, peers: "dict[PeerId, Node]", nursery: trio.Nursery) -> None:
        self.peer, self.chain, self.peers, self.nursery = PeerId(f"SHA256:{name}"), chain, peers, nursery
        keychain = Keychain.from_seed(Secret(urandom(32)), Network.REGTEST)
        self.engine = Engine(settings=Settings(network=Network.REGTEST, keychain=keychain))
        self.wallet = SimWallet(name, chain)
        self.log: list[StoredEvent] = []
        self.revisions: list[PackedRevision] = []
        self.streams: dict[RunId, trio.MemorySendChannel[bytes]] = {}
        self.watched: set[OutPoint] = set()
        told, self.arrived = trio.open_memory_channel[i.Input | c.Command](1000)
        self.tell = told.send_nowait
        self.begun = trio.current_time()
        peers[self.peer] = self
        nursery.start_soon(self.run)

    def now(self) -> Timestamp:
        return Timestamp(START + int(trio.current_time() - self.begun))

    async def run(self) -> None:
        """One thing after the other: whatever arrives, and the timer when it is due."""
        while True:
            happened: i.Input | c.Command = i.TimerFired()
            due = self.engine.deadline
            with trio.move_on_after(float("inf") if due is None else max(0, due - self.now())):
                happened = await self.arrived.receive()
            self.turn(happened)

    def turn(self, happened: i.Input | c.Command) -> None:
        step = self.engine.handle(happened, self.now())
        self.log.extend(map(stored.to_stored, step.events))
        self.revisions.extend(filter(None, map(stored.to_revision, step.events)))
        self.engine = step.engine
        for effect in step.effects:
            self.act(effect)

    async def until(self, phase: type[Any]) -> Cfd:
        while not any(isinstance(cfd.phase, phase) for cfd in self.engine.cfds.values()):  # noqa: ASYNC110
            await trio.sleep(0.01)
        return next(iter(self.engine.cfds.values()))

    def act(self, effect: f.Effect) -> None:
        match effect:
            case f.OpenStream(run, peer, protocol):
                there, theirs = self.peers[peer], RunId(f"{self.peer}/{run}")
                there.tell(i.StreamOpened(theirs, self.peer, protocol, urandom(32)))
                (self.streams[run], at_them), (there.streams[theirs], here) = _channel(64), _channel(64)
                self.nursery.start_soon(there.listen, theirs, at_them)
                self.nursery.start_soon(self.listen, run, here)
            case f.SendMessage(run, message):
                self.streams[run].send_nowait(wire.encode_message(message))
            case f.CloseStream(run):
                self.streams[run].close()
            case f.ReserveCoins():
                self.tell(self.wallet.reserve(effect))
            case f.CheckInputs(key, outputs):
                real = all(self.chain.transactions[at.txid].outputs[at.vout] == output for at, output in outputs)
                self.tell(i.InputsChecked(key, () if real else ("an input is not on the chain",)))
            case f.SignLock(key, psbt):
                self.tell(i.LockInputsSigned(key, self.wallet.sign(psbt)))
            case f.SignCets(key, run, job):
                self.nursery.start_soon(self.in_thread, lambda: i.CetsSigned(key, run, jobs.sign_cets(job)))
            case f.VerifyCets(key, run, check):
                self.nursery.start_soon(self.in_thread, lambda: i.CetsVerified(key, run, jobs.verify_cets(check)))
            case f.BroadcastTx(_, _, _, raw):
                self.chain.submit(Transaction.parse(raw))
            case f.WatchOutpoint(outpoint, _):
                self.watched.add(outpoint)
            case f.FetchAttestation():
                pass  # due a day later, when this story is over
            case _:
                raise NotImplementedError(f"this story has no failure, fee bump or restart: {effect}")

    async def in_thread(self, work: Callable[[], i.Input]) -> None:
        self.tell(await trio.to_thread.run_sync(work))

    async def listen(self, run: RunId, arriving: trio.MemoryReceiveChannel[bytes]) -> None:
        async for raw in arriving:
            try:
                self.tell(i.MessageReceived(run, wire.decode_message(raw)))
            except DecodeError as error:
                self.tell(i.MessageUndecodable(run, str(error)))
        self.tell(i.StreamClosed(run, "the other end closed it"))


async def mine(chain: SimChain, nodes: dict[PeerId, Node]) -> None:
    """A block every twentieth of a second; each node hears of it, and how things stand with what it watches."""
    while True:
        await trio.sleep(0.05)
        chain.mine()
        for node in nodes.values():
            node.tell(i.TipChanged(chain.height))
            for outpoint in node.watched:
                node.tell(chain.report(outpoint))


async def main() -> dict[PeerId, Any]:
    """Open at 50,000 and settle at the maker's quote; how it ended, by peer."""
    chain, nodes = SimChain(), dict[PeerId, Node]()
    offer = make_offer(announced(hours(24, 24)[0]))
    async with trio.open_nursery() as nursery:
        maker, taker = (Node(name, chain, nodes, nursery) for name in ("maker", "taker"))
        nursery.start_soon(mine, chain, nodes)
        for node in (maker, taker):
            node.tell(i.AnnouncementReceived(announced(offer.event)))
        maker.tell(c.PublishOffer(offer))
        taker.tell(c.LearnOffers(maker.peer, (offer,)))
        taker.tell(c.TakeOffer(maker.peer, offer.id, Position.LONG, 1_000, 2, urandom(32)))
        await maker.until(Open)
        cfd = await taker.until(Open)
        taker.tell(c.ProposeSettlement(cfd.id, cfd.terms.price))
        ended = {node.peer: (await node.until(Closed)).phase for node in (maker, taker)}
        nursery.cancel_scope.cancel()
    return ended


if __name__ == "__main__":
    print(*trio.run(main).items(), sep="\n")
