"""`cfd sandbox`: a whole market on this machine, for a first look."""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import click
from cfd_web.access import AccessRefused

from cfd_node.clock import ShiftableClock
from cfd_node.commands.ending import stopped_by_signal
from cfd_node.daemon.assembly import Daemon
from cfd_node.folder import FolderRefused
from cfd_node.logs import LogBook, configure_logs
from cfd_node.sandbox import Sandbox, SandboxPlan
from cfd_node.sandbox.world import SandboxFailed


@click.command()
@click.option("--maker-port", default=8471, show_default=True, help="Of the maker's pages and API; 0: a free one.")
@click.option("--taker-port", default=8472, show_default=True, help="Of the taker's pages and API; 0: a free one.")
@click.option("--block-seconds", default=10, show_default=True, type=click.IntRange(1, 600), help="Between two blocks.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the two nodes' folders under this one.")
@click.option("--stop-after", type=click.IntRange(0), help="Seconds; without it, until Ctrl-C.")
@click.pass_context
def sandbox(
    context: click.Context,
    maker_port: int,
    taker_port: int,
    block_seconds: int,
    keep: Path | None,
    stop_after: int | None,
) -> None:
    """Run a regtest chain, an oracle, a maker with a pricing bot and a taker with coins, until Ctrl-C.

    Nothing in it is worth anything, and nothing of it is kept unless --keep says where.
    """
    book = LogBook()
    verbose = bool((context.parent or context).params.get("verbose"))
    configure_logs(logging.INFO if verbose else logging.ERROR, sys.stderr, book)
    with tempfile.TemporaryDirectory(prefix="cfd-sandbox-") as temporary:
        if keep is not None and keep.exists() and any(keep.iterdir()):
            raise click.ClickException(f"{keep} is not empty: each sandbox begins with a new chain and new keys")
        plan = SandboxPlan(
            folder=(keep or Path(temporary)).absolute(),
            maker_port=maker_port,
            taker_port=taker_port,
            block_seconds=block_seconds,
        )
        try:
            asyncio.run(_run(plan, book, stop_after))
        except (SandboxFailed, FolderRefused, AccessRefused, OSError) as error:
            raise click.ClickException(str(error)) from error


async def _run(plan: SandboxPlan, book: LogBook, stop_after: int | None) -> None:
    ended = stopped_by_signal()
    click.echo("Starting a chain, an oracle, a maker and a taker ...", err=True)
    async with Sandbox(plan, ShiftableClock(), book) as world:
        for daemon in (world.maker, world.taker):
            click.echo(told(daemon))
        click.echo(f"Try, in another terminal: cfd offers --folder {world.taker.node.config.folder}")
        click.echo(f"A block comes every {plan.block_seconds} s. Ctrl-C ends it all.", err=True)
        try:
            async with asyncio.timeout(stop_after):
                await ended.wait()
        except TimeoutError:
            pass


def told(daemon: Daemon) -> str:
    """How to reach a running node."""
    return (
        f"{daemon.node.config.name}: {daemon.service.url}\n"
        f"  token: {daemon.token.reveal().decode()}\n"
        f"  folder: {daemon.node.config.folder}"
    )
