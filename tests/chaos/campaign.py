"""Two real node processes over SSH, killed again and again while they open, roll over and settle CFDs.

`python -m tests.chaos.campaign --rounds 200 --seed 1` on the embedded chain, or with `--electrum HOST:PORT --bitcoind
URL` on an outside regtest node. Exit code 0 only if nothing was lost, stuck or broken: after each round both nodes
remember the same end and the payout that the contract gives; at the end every deposited sat is found on the chain, in
one of the two wallets or paid as a fee.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random

from cfd_oracle import OracleServer
from cfd_regtest import ChainControl

from cfd_core.oracle import OracleSecrets
from cfd_core.values import OutPoint, Secret
from tests.chaos.books import audit, find_output
from tests.chaos.party import FileClock
from tests.chaos.process import Order, Party, Wrong
from tests.chaos.rounds import Round, Stage
from tests.realnode.outside import add_options, chosen

DEPOSITS = 4
DEPOSIT = 20_000_000
"""Sats each; several, so that a coin that waits in one contract does not stop the next."""


async def run(rounds: int, seed: int, control: AbstractAsyncContextManager[ChainControl], folder: Path) -> Order:
    """The figures of the campaign; `Wrong` ends it at the first thing that must not be."""
    draw = Random(seed)
    begun = time.monotonic()
    (folder / "clock").write_text("0.0")
    clock = FileClock(folder / "clock")
    oracle_keys = OracleSecrets(Secret(draw.randbytes(32)), Secret(draw.randbytes(32)))
    async with control as chain, OracleServer(secrets=oracle_keys, clock=clock.now) as oracle:
        stage = await _stage(chain, oracle, clock, folder, draw)
        try:
            deposits = await _fund(stage)
            for number in range(1, rounds + 1):
                try:
                    await Round(stage, Random(f"{seed}:{number}")).play()
                except Wrong as wrong:
                    raise Wrong(f"round {number} of seed {seed}: {wrong}") from wrong
                print(f"round {number}: {json.dumps(stage.tally)}", file=sys.stderr, flush=True)
            return {**await _close_books(stage, deposits), "rounds": rounds, "seconds": round(time.monotonic() - begun)}
        finally:
            for party in stage.parties:
                await party.kill()


async def _stage(chain: ChainControl, oracle: OracleServer, clock: FileClock, folder: Path, draw: Random) -> Stage:
    keys = oracle.keys
    told: Order = {
        "clock": str(folder / "clock"),
        "electrum": list(chain.electrum),
        "oracle": oracle.url,
        "oracle_keys": [keys.attestation.hex(), (keys.announcement or b"").hex()],
        "makers": [],
        "listen": ["127.0.0.1", 0],
    }
    maker = Party({**told, "name": "maker", "seed": draw.randbytes(32).hex(), "folder": str(folder / "maker")}, folder)
    await maker.start()
    towards = {"listen": None, "makers": [[maker.told["listen"], maker.id]]}
    taker = Party(
        {**told, **towards, "name": "taker", "seed": draw.randbytes(32).hex(), "folder": str(folder / "taker")}, folder
    )
    await taker.start()
    return Stage(maker, taker, chain, oracle, clock)


async def _fund(stage: Stage) -> list[OutPoint]:
    deposits = []
    for party in stage.parties:
        for _ in range(DEPOSITS):
            script = bytes.fromhex((await party.ask("deposit"))["script"])
            txid = await stage.control.fund(script, DEPOSIT)
            deposits.append((txid, script))
    await stage.control.mine()
    for party in stage.parties:
        if (balance := await party.ask("sync"))["confirmed"] != DEPOSITS * DEPOSIT:
            raise Wrong(f"the {party.name}'s wallet shows {balance}")
    return [await find_output(stage.control.electrum, txid, script) for txid, script in deposits]


async def _close_books(stage: Stage, deposits: list[OutPoint]) -> Order:
    """A last clean stop and start of both; then the chain and the wallets must agree to the sat."""
    await stage.control.mine(6)
    held = 0
    for party in stage.parties:
        await party.revive()
        await party.stop()
        await party.revive()
        balance = await party.ask("sync")
        held += balance["confirmed"] + balance["pending"]
        state = await party.ask("state")
        if alive := [key for key, told in state["cfds"].items() if not told["ended"]]:
            raise Wrong(f"the {party.name} still has {len(alive)} CFDs that have not ended")
    books = await audit(stage.control.electrum, deposits)
    if books.unspent != held:
        raise Wrong(f"the chain holds {books.unspent:,} sats for the two, their wallets show {held:,}")
    deaths = {party.name: party.deaths for party in stage.parties}
    return {
        "deaths": deaths,
        "deposited": books.deposited,
        "in wallets": held,
        "in anchors": books.anchors,
        "fees": books.fees,
        "transactions": books.transactions,
        **stage.tally,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    add_options(parser)
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="for the processes' logs and stores")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cfd-chaos-") as temporary:
        folder = told.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            figures = asyncio.run(run(told.rounds, told.seed, chosen(told)(), folder))
        except Wrong as wrong:
            print(f"FAILED: {wrong}", file=sys.stderr)
            return 1
    print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
