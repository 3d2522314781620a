"""The command line `cfd`."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from cfd_node.commands.backup import backup, restore, trust
from cfd_node.commands.config import config_group
from cfd_node.commands.demo import demo
from cfd_node.commands.explain import explain
from cfd_node.commands.init import init
from cfd_node.commands.oracle import oracle
from cfd_node.commands.payouts import payouts
from cfd_node.commands.purse import wallet
from cfd_node.commands.quoting import offer
from cfd_node.commands.run import maker, taker
from cfd_node.commands.sandbox import sandbox
from cfd_node.commands.server import server_group
from cfd_node.commands.trade import accept, choose, close, list_cfds, offers, reject, requests, rollover, settle, take
from cfd_node.commands.watch import completion, health, logs
from cfd_node.logs import configure_logs


class _OneLine(click.Group):
    """Says in one line what is wrong with a command line, as with everything else; --help is where the usage is."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _one_line():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _one_line():
            return super().invoke(ctx)


class _WrongUse(click.ClickException):
    exit_code = click.UsageError.exit_code


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        raise _WrongUse(" ".join(error.format_message().split())) from error


@click.group(cls=_OneLine)
@click.version_option(package_name="cfd-node")
@click.option("-v", "--verbose", is_flag=True, help="Show the nodes' logs on standard error.")
def main(verbose: bool) -> None:
    """Non-custodial bitcoin CFDs, settled by discreet log contracts."""
    configure_logs(logging.INFO if verbose else logging.ERROR, sys.stderr)


main.add_command(demo)
main.add_command(payouts)
main.add_command(oracle)
main.add_command(explain)
main.add_command(init)
main.add_command(config_group)
for command in (offers, take, list_cfds, rollover, settle, close, choose, requests, accept, reject):
    main.add_command(command)
for command in (wallet, offer, health, logs, completion):
    main.add_command(command)
main.add_command(server_group)
for command in (sandbox, maker, taker):
    main.add_command(command)
main.add_command(backup)
main.add_command(restore)
main.add_command(trust)
