"""The command line `cfd`. A command's module is loaded when the command is used: each needs a few of the libraries."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from cfd_node.modules import load

COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "accept": ("trade", "accept", "Accept the order or the settlement that a counterparty asks for."),
    "backup": (
        "backup",
        "backup",
        "Seal seed, books, wallet and settings into FILE with the seed's passphrase; the node may run meanwhile.",
    ),
    "check": (
        "check",
        "check",
        "Fold all events anew and compare what comes out with the snapshots that spare a start that work.",
    ),
    "choose": ("trade", "choose", "Where the oracle signed two prices for one event: show both, or settle on PRICE."),
    "close": ("trade", "close", "Force-close a CFD: take it to the chain alone."),
    "completion": (
        "watch",
        "completion",
        "Print a script that completes `cfd` in your shell: `source <(cfd completion bash)`.",
    ),
    "config": ("config", "config_group", "Settings: check them, or print a commented example."),
    "demo": ("demo", "demo", "Open a CFD between two nodes and see it through to its end."),
    "explain": (
        "explain",
        "explain",
        "Say what a CFD is doing, what that means, what can be done, and how it got there.",
    ),
    "health": ("watch", "health", "How each of a node's services is."),
    "init": (
        "init",
        "init",
        "Write the commented settings unless they are there, make the node's folder, and seal a seed into it.",
    ),
    "list": ("trade", "list_cfds", "The CFDs of a running node, newest first."),
    "logs": ("watch", "logs", "What a node logged since it started; with --json, a line of JSON each."),
    "maker": (
        "start",
        "maker",
        "Run a node that takers reach: offers come in over its API, with `cfd offer`, or from a bot.",
    ),
    "offer": ("quoting", "offer", "A maker's own offers."),
    "offers": ("trade", "offers", "The offers of all makers, side by side."),
    "oracle": ("oracle", "oracle", "Look at what oracles announce and attest."),
    "payouts": (
        "payouts",
        "payouts",
        "Show what a contract pays each side at each settlement price, and how many CETs that takes.",
    ),
    "reject": ("trade", "reject", "Reject it."),
    "requests": ("trade", "requests", "What counterparties ask for and nobody has answered."),
    "restore": ("backup", "restore", "Put the backup in FILE into the node's empty folder."),
    "rollover": ("trade", "rollover", "Propose to the counterparty to move a CFD's expiry ahead."),
    "sandbox": (
        "sandbox",
        "sandbox",
        "Run a regtest chain, an oracle, a maker with a pricing bot and a taker with coins, until Ctrl-C.",
    ),
    "server": ("server", "server_group", "Electrum servers: their certificates."),
    "settle": ("trade", "settle", "Propose to the counterparty to close a CFD together."),
    "take": ("trade", "take", "Take an offer."),
    "taker": (
        "start",
        "taker",
        "Run a node that trades with makers: their offers are taken in its pages, with `cfd take`, or over its API.",
    ),
    "trust": ("backup", "trust", "Rely on a restored CFD whose counterparty is gone for good."),
    "wallet": ("purse", "wallet", "The bitcoin wallet of a running node."),
}
"""By name: its module in `cfd_node.commands`, its name there, and the first sentence of its help."""


class _Commands(click.Group):
    """Loads a command when it is used, and only then.

    Says in one line what is wrong with a command line, as with everything else; --help is where the usage is.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click has it
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002 - as click has it
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        found = getattr(load(f"cfd_node.commands.{module}"), attribute)
        assert isinstance(found, click.Command)  # noqa: S101 - a test holds the table against the commands
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        listed = {name: click.Command(name, help=text) for name, (_, _, text) in COMMANDS.items()}
        click.Group(commands=listed).format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in sorted(COMMANDS) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=COMMANDS[name][2]) for name in names), *options]

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


@click.group(cls=_Commands)
@click.version_option(package_name="cfd-node")
@click.option("-v", "--verbose", is_flag=True, help="Show the nodes' logs on standard error.")
def main(verbose: bool) -> None:
    """Non-custodial bitcoin CFDs, settled by discreet log contracts."""
    from cfd_node.logs import configure_logs

    configure_logs(logging.INFO if verbose else logging.ERROR, sys.stderr)
