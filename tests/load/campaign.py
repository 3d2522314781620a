"""One maker process and a crowd of takers over real SSH: all set a contract up, then all roll over within a window,
while a user looks at the maker's health and force closes some positions in the middle of it.
`python -m tests.load.campaign --takers 1000`. Exit code 0 only if every position but the force-closed ones is rolled
over on both sides, and each forced commit is on the chain. How long it all took is told, and judged by people.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.load.child import Failed, Order
from tests.load.figures import spread, table
from tests.load.stage import Plan, Stage, machine, outpoint

CONNECTING = 16
"""Links being made at a time."""
SAID = 20
"""Troubles quoted in the report."""


async def run(stage: Stage) -> dict[str, Any]:
    """The figures; `Failed` ends it at the first thing that must not be."""
    found: dict[str, Any] = {"takers": stage.plan.takers, **machine()}
    await stage.fund()
    async with _measured(stage, found, "connecting"):
        found["connecting"] |= await _crowds(stage, "connect", at_once=CONNECTING)
    offer = await stage.publish()
    async with _measured(stage, found, "setting up"), _beside(stage.mine_along(), stage.look(), _republish(stage)):
        words = {"offer": offer, "quantity": 3_500, "at_once": stage.plan.at_once}
        found["setting up"] |= await _crowds(stage, "set up", **words)
    await _all_open(stage)
    async with _measured(stage, found, "rolling over"), _beside(stage.mine_along(), stage.look()):
        found["rolling over"] |= await _rollovers(stage)
    await _check(stage, found)
    found["ends"] = {"rolled over": len(stage.state["rolled over"]), "force closed": len(stage.state["committed"])}
    found["store MB"] = round(sum(f.stat().st_size for f in (stage.folder / "maker").iterdir()) / 2**20, 1)
    return found


async def _crowds(stage: Stage, do: str, **words: Any) -> dict[str, Any]:
    """All crowds do it; what it took, together."""
    begun = time.perf_counter()
    answers = await asyncio.gather(*(crowd.ask(do, **words) for crowd in stage.crowds))
    return _together(answers, time.perf_counter() - begun)


def _together(answers: list[Order], seconds: float) -> dict[str, Any]:
    took = [each for answer in answers for each in answer["took"]]
    troubles = [each for answer in answers for each in answer["troubles"]]
    return {
        "seconds": round(seconds, 1),
        "latency": spread(took),
        "per second": round(len(took) / seconds, 2),
        "troubles": len(troubles),
        "such as": sorted(set(troubles))[:SAID],
    }


async def _rollovers(stage: Stage) -> dict[str, Any]:
    cfds: dict[str, Order] = {}
    for crowd in stage.crowds:
        cfds |= (await crowd.ask("state"))["cfds"]
    chosen = sorted(cfds)[: stage.plan.force_closes]
    rolling = asyncio.create_task(_crowds(stage, "roll over", window=stage.plan.window, without=chosen))
    try:
        for cfd in chosen:
            await asyncio.sleep(stage.plan.window / (len(chosen) + 1))
            await stage.force_close(cfd, outpoint(cfds[cfd]["lock"]))
        return await rolling
    finally:
        rolling.cancel()


async def _republish(stage: Stage) -> None:
    """Offers grow stale after ten minutes."""
    while True:
        await asyncio.sleep(240)
        await stage.publish()


async def _all_open(stage: Stage) -> None:
    async def opened() -> bool:
        stage.state = await stage.maker.ask("state")
        crowds = [await crowd.ask("state") for crowd in stage.crowds]
        theirs = sum(cfd["open"] for crowd in crowds for cfd in crowd["cfds"].values())
        return bool(stage.state["open"] == theirs == stage.plan.takers)

    await stage.control.mine()
    await stage.until("all positions to be open", opened, every=0.5)


async def _check(stage: Stage, found: dict[str, Any]) -> None:
    rolled = stage.plan.takers - stage.plan.force_closes

    async def agreed() -> bool:
        stage.state = await stage.maker.ask("state")
        crowds = [await crowd.ask("state") for crowd in stage.crowds]
        theirs = [cfd for crowd in crowds for cfd in crowd["cfds"].values()]
        ours = (len(stage.state["rolled over"]), len(stage.state["committed"]))
        both = [ours, (sum(c["rolled over"] for c in theirs), sum(c["committed"] for c in theirs))]
        found["agreed"] = both
        return both == [(rolled, stage.plan.force_closes)] * 2

    await stage.control.mine()
    await stage.until("both sides to agree that all is done", agreed, every=0.5)


@asynccontextmanager
async def _measured(stage: Stage, found: dict[str, Any], name: str) -> AsyncIterator[None]:
    """What the maker's process and its user felt meanwhile."""
    await stage.maker.ask("begin")
    seen = stage.seen
    seen.health, seen.lists, seen.force_closes, seen.down = [], [], [], []
    found[name] = {}
    yield
    found[name]["maker"] = await stage.maker.ask("figures")
    if seen.health:
        found[name]["health answered"] = spread(seen.health)
        found[name]["positions listed"] = spread(seen.lists)
        found[name]["not answered, or down"] = len(seen.down)
    if seen.force_closes:
        found[name]["force closes"] = spread(seen.force_closes)
    print("\n".join(table(name, found[name])), file=sys.stderr, flush=True)


@asynccontextmanager
async def _beside(*others: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(other) for other in others]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


async def _main(plan: Plan) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="cfd-load-") as folder:
        async with Stage(Path(folder), plan) as stage:
            return await run(stage)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--takers", type=int, default=50)
    parser.add_argument("--crowds", type=int, default=1, help="processes that the takers are in")
    parser.add_argument("--window", type=float, help="seconds that stand for the hour; usually 0.4 for each taker")
    parser.add_argument("--at-once", type=int, default=4, help="contracts being set up at a time")
    parser.add_argument("--force-closes", type=int, help="usually one in fifty")
    parser.add_argument("--tolerance", default="0.0035", help="of the pool; the default makes the contract C1")
    parser.add_argument("--trusting", action="store_true", help="takers do not verify the maker's CET signatures")
    parser.add_argument("--crypto", default="threads", choices=("threads", "processes", "inline"), help="of the maker")
    parser.add_argument("--unfrozen", dest="freezes", action="store_false", help="let garbage be looked for everywhere")
    parser.add_argument("--profile", type=Path, help="where to put cProfile's figures of the maker's event loop")
    told = vars(parser.parse_args())
    told["window"] = told["window"] or 0.4 * told["takers"]
    told["force_closes"] = told["force_closes"] or max(1, told["takers"] // 50)
    try:
        print(json.dumps(asyncio.run(_main(Plan(**told))), indent=1))
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
