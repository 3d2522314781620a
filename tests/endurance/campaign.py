"""Two makers and three takers for so many hours: rollovers by themselves, random trades, random restarts of services,
and one outage of the oracle. `python -m tests.endurance.campaign --hours 200 --seed 1` on the embedded chain, or with
`--electrum HOST:PORT --bitcoind URL` on an outside regtest node, whose clock is turned too. Exit code 0 only if at the
end both sides of every CFD remember the same end, and chain and wallets agree to the sat.
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from cfd_node.daemon.taker import NotNow
from cfd_node.logs import configure_logs
from cfd_regtest import EmbeddedControl
from cfd_store import StoreError

from cfd_core.cfd import phases as p
from cfd_core.errors import RuleViolation
from cfd_core.values import HOUR
from tests.chaos.books import audit
from tests.endurance.market import START, Market, Wrong
from tests.realnode.outside import Chain, add_options, chosen

OUTAGE = range(5, 8)
"""Hours of every fifty in which the oracle is away: less than what rolls over is away from its expiry."""
LAST_HOURS = 40
"""At most, until what is closed at the end has ended."""


async def run(market: Market, hours: int) -> dict[str, Any]:
    """The figures; `Wrong` ends it at the first thing that must not be."""
    tally: Counter[str] = Counter()
    for hour in range(hours):
        await _oracle(market, hour, tally)
        await market.turn_hour()
        if hour % 50 not in OUTAGE:
            await market.quote()
            await _trade(market, tally)
        tally[f"restarts of {await market.restart_something()}".split(" SHA256")[0]] += 1
        await market.rest()
        if hour % 10 == 9:
            print(f"hour {hour + 1}: {dict(tally)}", file=sys.stderr, flush=True)
    await market.oracle_back()
    await _end_all(market, tally)
    return {**await _books(market), "hours": hours, **_counted(market), "tally": dict(tally)}


async def _oracle(market: Market, hour: int, tally: Counter[str]) -> None:
    if hour % 50 == OUTAGE.start:
        await market.oracle.stop()
        tally["oracle outages"] += 1
    elif hour % 50 == OUTAGE.stop:
        await market.oracle_back()


async def _trade(market: Market, tally: Counter[str]) -> None:
    for taker in market.takers:
        held = market.open_cfds(taker)
        dice = market.draw.random()
        try:
            if held and dice < 0.10:
                taker.settle(market.draw.choice(held).id)
                tally["settlements asked"] += 1
            elif held and dice < 0.13:
                taker.force_close(market.draw.choice(held).id)
                tally["force closes"] += 1
            elif len(held) < 2 and dice < 0.6 and market.take_one(taker):
                tally["orders"] += 1
        except (RuleViolation, NotNow, StoreError) as error:
            tally[f"refused: {error}"[:60]] += 1
    await market.rest()
    await market.mine()


async def _end_all(market: Market, tally: Counter[str]) -> None:
    """Force close what is open or comes to be, and live on until nothing is left."""
    for _ in range(LAST_HOURS):
        for taker in market.takers:
            for cfd in market.open_cfds(taker):
                taker.force_close(cfd.id)
                tally["force closes at the end"] += 1
        await market.turn_hour()
        if all(cfd.ended for node in market.nodes for cfd in node.engine.cfds.values()):
            return
    left = [
        (n.config.name, type(c.phase).__name__) for n in market.nodes for c in n.engine.cfds.values() if not c.ended
    ]
    raise Wrong(f"CFDs that do not end: {left}")


async def _books(market: Market) -> dict[str, Any]:
    for taker in market.takers:
        for key, cfd in taker.node.engine.cfds.items():
            other = next(maker.node for maker in market.makers if maker.node.peer_id == cfd.peer).engine.cfds.get(key)
            if isinstance(cfd.phase, p.Closed) and (other is None or other.phase != cfd.phase):
                raise Wrong(f"the two sides of {key} do not agree: {cfd.phase} and {other and other.phase}")
    held = 0
    for node in market.nodes:
        await node.wallet.sync()
        balance = await node.wallet.balance()
        held += balance.confirmed + balance.pending
    books = await audit(market.control.electrum, market.deposits)
    if books.unspent != held:
        raise Wrong(f"the chain holds {books.unspent:,} sats for the five, their wallets show {held:,}")
    return {"deposited": books.deposited, "in wallets": held, "in anchors": books.anchors, "fees": books.fees}


def _counted(market: Market) -> dict[str, Any]:
    cfds = [cfd for taker in market.takers for cfd in taker.node.engine.cfds.values()]
    closed = [cfd for cfd in cfds if isinstance(cfd.phase, p.Closed)]
    rollovers = sum(cfd.held.live.number for cfd in cfds if cfd.held is not None)
    kinds = Counter(cfd.phase.kind.value for cfd in closed if isinstance(cfd.phase, p.Closed))
    return {"contracts": len(closed), "rollovers": rollovers, "ends": dict(kinds)}


async def _main(hours: int, seed: int, chain: Chain, folder: Path) -> dict[str, Any]:
    begun = time.monotonic()
    async with Market(folder, seed, chain) as market:
        found = await run(market, hours)
    return {**found, "seconds": round(time.monotonic() - begun)}


def _embedded() -> EmbeddedControl:
    return EmbeddedControl(start_time=START - 2 * HOUR, interval=60)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    add_options(parser)
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="for the nodes' stores and a log")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cfd-endurance-") as temporary:
        folder = told.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log").open("w") as log:
            configure_logs(logging.INFO, log)
            try:
                found = asyncio.run(_main(told.hours, told.seed, chosen(told, _embedded), folder))
            except Wrong as error:
                print(error, file=sys.stderr)
                return 1
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
