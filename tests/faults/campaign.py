"""The whole matrix, or a part: `python -m tests.faults.campaign [--fault NAME] [--phase NAME] [--at-once 2]`
on the embedded chain, or with `--electrum HOST:PORT --bitcoind URL` on an outside regtest node, one cell after another.

Prints one JSON object with every cell; exit code 1 if any went wrong or was noticed too late.
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from attrs import asdict
from cfd_node.logs import configure_logs

from tests.faults.cells import PHASES, cell
from tests.faults.faults import FAULTS
from tests.faults.stage import embedded
from tests.realnode.outside import Chain, add_options, chosen

NOTICE = 10.0
"""Seconds within which health must tell the truth."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="only these")
    parser.add_argument("--phase", action="append", choices=list(PHASES), help="only these")
    parser.add_argument("--at-once", type=int, default=1, help="cells; DNS is cut for all of a process")
    add_options(parser)
    told = parser.parse_args()
    if told.electrum and told.at_once > 1:
        parser.error("one node has one clock: on an outside node one cell at a time")
    configure_logs(logging.CRITICAL, sys.stderr)
    wanted = [(phase, fault) for fault in told.fault or FAULTS for phase in told.phase or PHASES]
    found = asyncio.run(run(wanted, told.at_once, chosen(told, embedded)))
    print(json.dumps(found, indent=1))
    return 1 if any("failed" in each or each["noticed"] > NOTICE for each in found) else 0


async def run(wanted: list[tuple[str, str]], at_once: int, chain: Chain) -> list[dict[str, Any]]:
    places = asyncio.Semaphore(at_once)

    async def one(phase: str, fault: str) -> dict[str, Any]:
        async with places:
            with tempfile.TemporaryDirectory(prefix="cfd-faults-") as folder:
                try:
                    outcome = await cell(Path(folder), phase, FAULTS[fault], chain)
                except Exception as error:
                    traceback.print_exc()
                    return {"fault": fault, "phase": phase, "failed": f"{type(error).__name__}: {error}"}
            print(f"{fault}, {phase}: {outcome}", file=sys.stderr, flush=True)
            return {"fault": fault, "phase": phase, **asdict(outcome)}

    return list(await asyncio.gather(*(one(phase, fault) for phase, fault in wanted)))


if __name__ == "__main__":
    sys.exit(main())
