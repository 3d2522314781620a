"""One node in a process of its own, told what to do by lines of JSON, killed by its own hand where it is told to be.

`python party.py CONFIG` runs until its standard input ends. Each line in is `{"do": NAME, ...}`; each line out answers
one of them, `{"refused": REASON}` when the node refused. `{"do": "die", "at": WHERE, "after": N}` arms the killer:
SIGKILL before the Nth batch of events is stored (`storing`), right after it was (`stored`), or before the Nth effect
(`acting`).
"""

import asyncio
import json
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from attrs import asdict, define
from cfd_network import Address, Backoff
from cfd_node.logs import configure_logs
from cfd_node.node import Node, NodeConfig
from cfd_node.pump import Pump

from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.commands import ForceClose, ProposeSettlement, PublishOffer, RollOver, TakeOffer
from cfd_core.cfd.events import Recorded
from cfd_core.cfd.offer import DEFAULT_PRODUCT, Offer
from cfd_core.crypto.keys import Keychain
from cfd_core.effects import Effect
from cfd_core.engine import Policy
from cfd_core.errors import RuleViolation
from cfd_core.oracle import Dialect, OracleKeys
from cfd_core.values import CfdId, EventId, FeeRate, Network, OfferId, PeerId, Position, Sats, Secret, Timestamp

QUICK: Final = Backoff(first=0.1, longest=1.0)
"""A campaign kills every few seconds: a dialler that waits a minute after so many failures would see none of it."""


class FileClock:
    """The campaign's time: the pace of the real clock, moved by the seconds in a file that all processes read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> Timestamp:
        return Timestamp(int(self._exact()))

    async def sleep_until(self, when: float) -> None:
        while (left := when - self._exact()) > 0:  # noqa: ASYNC110 - another process turns it
            await asyncio.sleep(min(left, 0.1))

    def turn(self, seconds: float) -> None:
        """Jump ahead, for every process."""
        fresh = self._path.with_suffix(".new")
        fresh.write_text(repr(float(self._path.read_text()) + seconds))
        fresh.replace(self._path)

    def _exact(self) -> float:
        return time.time() + float(self._path.read_text())  # noqa: TID251 - this is the clock


@define
class Killer:
    """Ends this process, as a power cut would, at a counted moment."""

    at: str = ""
    left: int = 0

    def arm(self, at: str, after: int) -> None:
        self.at, self.left = at, after

    def pass_by(self, at: str) -> None:
        if at != self.at:
            return
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Party:
    """The node, and what it can be told."""

    def __init__(self, told: dict[str, Any], killer: Killer) -> None:
        self.clock = FileClock(Path(told["clock"]))
        self.killer = killer
        self.node = Node(_config(told), self.clock)
        self._watch_storing()
        self.node.keep_from = self._before_effect
        for link in self.node.links:
            link.backoff = QUICK

    def _watch_storing(self) -> None:
        """The node has this process for itself, so this reaches the pumps of all its lives."""
        keep = Pump._keep

        def kept(pump: Pump, events: Sequence[Recorded]) -> None:
            self.killer.pass_by("storing")
            keep(pump, events)
            self.killer.pass_by("stored")

        setattr(Pump, "_keep", kept)  # noqa: B010 - the type of a method cannot be spelled

    def _before_effect(self, _effect: Effect) -> bool:
        self.killer.pass_by("acting")
        return False

    async def do(self, order: dict[str, Any]) -> dict[str, Any]:
        match order.pop("do"):
            case "die":
                self.killer.arm(**order)
                return {}
            case "state":
                return await self._state()
            case "deposit":
                return {"script": (await self.node.wallet.script()).hex()}
            case "sync":
                await self.node.wallet.sync()
                return asdict(await self.node.wallet.balance())
            case "publish":
                return await self._publish(**order)
            case "take":
                return self._take(**order)
            case "roll over":
                self.node.command(RollOver(CfdId(order["cfd"]), secrets.token_bytes(32)))
            case "settle":
                self.node.command(ProposeSettlement(CfdId(order["cfd"]), Decimal(order["price"])))
            case "force close":
                self.node.command(ForceClose(CfdId(order["cfd"])))
            case other:
                raise ValueError(f"cannot do {other}")
        return {}

    async def _state(self) -> dict[str, Any]:
        engine = self.node.engine
        running = {run.cfd_id for run in engine.runs.values()}
        return {
            "id": self.node.peer_id,
            "address": [self.node.address.host, self.node.address.port] if self.node.address else None,
            "linked": bool(self.node.connections),
            "store": self.node.pump.store_problem,
            "offers": [offer.id for offers in engine.market.values() for offer in offers if self._known(offer.event)],
            "cfds": {key: _told(cfd, key in running) for key, cfd in engine.cfds.items()},
        }

    def _known(self, event: EventId) -> bool:
        return any(announcement.event_id == event for announcement in self.node.engine.announcements.values())

    async def _publish(self, price: str, event: str, expiry: int, quantity: int) -> dict[str, Any]:
        if not self._known(EventId(event)):
            await self.node.learn_event(EventId(event))
        offer = Offer(
            id=OfferId(secrets.token_hex(16)),
            network=Network.REGTEST,
            product=DEFAULT_PRODUCT,
            bid=Decimal(price),
            ask=Decimal(price),
            min_quantity=quantity,
            max_quantity=quantity,
            lot=1,
            leverages=(2,),
            maker_leverage=1,
            opening_fee=Sats(0),
            funding_rate=Decimal(0),
            fee_rate=FeeRate(2),
            tolerance=Decimal("0.02"),
            event=EventId(event),
            digits=20,
            expiry=Timestamp(expiry),
            published_at=self.clock.now(),
        )
        self.node.command(PublishOffer(offer))
        return {"offer": offer.id}

    def _take(self, maker: str, offer: str, position: str, quantity: int) -> dict[str, Any]:
        command = TakeOffer(PeerId(maker), OfferId(offer), Position(position), quantity, 2, secrets.token_bytes(32))
        step = self.node.command(command)
        return {"cfd": next(recorded.stream for recorded in step.events if recorded.stream != "node")}


def _told(cfd: Cfd, running: bool) -> dict[str, Any]:
    held, phase = cfd.held, cfd.phase
    return {
        "phase": type(phase).__name__,
        "reason": getattr(phase, "reason", ""),
        "expiry": cfd.expiry,
        "event": cfd.settlement.event_id if held is not None else "",
        "number": held.live.number if held is not None else -1,
        # a prepared revision that stays behind is no trouble: it is settleable, and the next rollover takes its place
        "between": held is not None and held.old is not None,
        "running": running,
        "signed close": held is not None and held.close is not None,
        "kind": phase.kind.value if isinstance(phase, p.Closed) else "",
        "maker": phase.maker if isinstance(phase, p.Closed) else 0,
        "taker": phase.taker if isinstance(phase, p.Closed) else 0,
        "ended": cfd.ended,
    }


def _config(told: dict[str, Any]) -> NodeConfig:
    keys = OracleKeys(*(bytes.fromhex(key) for key in told["oracle_keys"]))
    return NodeConfig(
        name=told["name"],
        keychain=Keychain.from_seed(Secret(bytes.fromhex(told["seed"])), Network.REGTEST),
        network=Network.REGTEST,
        folder=Path(told["folder"]),
        electrum=(told["electrum"][0], told["electrum"][1]),
        oracle_url=told["oracle"],
        oracle_dialect=Dialect.OLIVIA_V1,
        oracle_keys=keys,
        listen=Address(*told["listen"]) if told["listen"] else None,
        makers=tuple((Address(*where), PeerId(peer)) for where, peer in told["makers"]),
        policy=Policy(),
        attestation_delay=0,
        bump_delay=0.25,
    )


async def live(told: dict[str, Any]) -> None:
    """Run the node, and obey, until standard input ends."""
    killer = Killer()
    if told["die"]:
        killer.arm(**told["die"])
    party = Party(told, killer)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with party.node:
        print(json.dumps(await party.do({"do": "state"})), flush=True)
        while line := await reader.readline():
            try:
                answer = await party.do(json.loads(line))
            except RuleViolation as error:
                answer = {"refused": str(error)}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    configure_logs(logging.WARNING, sys.stderr)
    asyncio.run(live(json.loads(Path(sys.argv[1]).read_text())))
