"""`cfd health`, `logs` and `completion`: looking after a running node."""

import time
from typing import Final

import click
from cfd_web import models as m
from cfd_web.client import calls
from click.shell_completion import get_completion_class

from cfd_node.commands import tables
from cfd_node.commands.asking import Asking, asks, in_json

POLL_SECONDS: Final = 1.0


@click.command("health")
@click.option("--check", is_flag=True, help="Exit with 1 unless all is well.")
@click.option("--restart", metavar="SERVICE", help="Restart a service first; its name is in --json.")
@click.option("--next-server", is_flag=True, help="Leave the Electrum server for the next of your list first.")
@asks
def health(node: Asking, check: bool, restart: str | None, next_server: bool) -> None:
    """How each of a node's services is."""
    if next_server:
        node.ask(calls.act_on_service("chain", m.ServiceAction.NEXT_SERVER))
    if restart is not None:
        node.ask(calls.act_on_service(restart, m.ServiceAction.RESTART))
    found = node.ask(calls.health())
    node.show(found, lambda console: tables.health(console, found))
    if check and found.level is not m.HealthLevel.GOOD:
        click.get_current_context().exit(1)


@click.command("logs")
@click.option("--level", type=click.Choice([level.value for level in m.LogLevel]), default="info", show_default=True)
@click.option("--cfd", metavar="ID", default="", help="Only lines about this CFD; its first few digits will do.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="At most so many.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until interrupted.")
@asks
def logs(node: Asking, level: str, cfd: str, limit: int, follow: bool) -> None:
    """What a node logged since it started; with --json, a line of JSON each."""
    if cfd.strip("0123456789abcdef") or len(cfd) > 32:
        raise click.ClickException(f"not the beginning of a CFD's ID: {cfd!r:.40}")
    after = 0
    while True:
        found = node.ask(calls.log(after=after, limit=limit, level=m.LogLevel(level), cfd=cfd))
        for line in found.lines:
            click.echo(in_json(line) if node.as_json else _words(line))
        after = found.last
        if not follow:
            return
        time.sleep(POLL_SECONDS)


def _words(line: m.LogLine) -> str:
    about = f"CFD {line.cfd[:8]}: " if line.cfd else ""
    return f"{tables.utc(line.at)} [{line.level.value:7}] {about}{line.text}"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes `cfd` in your shell: `source <(cfd completion bash)`."""
    root = click.get_current_context().find_root()
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click has all three
    click.echo(found(root.command, {}, "cfd", "_CFD_COMPLETE").source())
