"""What commands that talk to a running node share: finding it, saying what is wrong, and `--json`."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from attrs import frozen
from cfd_web import models as m
from cfd_web.access import ADDRESS_FILE, AccessRefused, find_access
from cfd_web.client import Call, Client, ClientError, NotRunning, calls, new_key
from pydantic import BaseModel, TypeAdapter
from rich.console import Console

from cfd_node.commands.configured import config_options
from cfd_node.commands.folders import meant
from cfd_node.config import Config

T = TypeVar("T")


@frozen
class Asking:
    """One command's conversation with the node."""

    client: Client
    as_json: bool
    assume_yes: bool
    key: str

    def ask(self, call: Call[T]) -> T:
        """The node's answer; one line of complaint otherwise."""
        try:
            return self.client.ask(call, key=self.key)
        except NotRunning as error:
            again = f"; whether it happened is not known: ask again with --key {self.key}" if call.moves_money else ""
            raise click.ClickException(f"{error}{again}") from error
        except ClientError as error:
            raise click.ClickException(str(error)) from error

    def confirm(self, question: str) -> None:
        """Ask the user, on standard error, unless --yes was given."""
        if not self.assume_yes:
            click.confirm(question, abort=True, err=True)

    def possible(self, obstacle: str) -> None:
        """Stop when a preview says that it would be refused."""
        if obstacle:
            raise click.ClickException(obstacle)

    def show(self, answer: Any, draw: Callable[[Console], None]) -> None:
        """The answer as JSON, or drawn for people."""
        if self.as_json:
            click.echo(in_json(answer))
        else:
            draw(Console())

    def cfd(self, beginning: str) -> m.CfdRow:
        """The CFD whose id begins so."""
        rows = [row for row in self.ask(calls.cfds()).cfds if row.id.startswith(beginning)]
        return only(rows, beginning, "CFD")


def only(found: list[T], beginning: str, what: str) -> T:
    """The one thing that an id's beginning means."""
    if not found:
        raise click.ClickException(f"no {what} begins with {beginning!r:.40}")
    if len(found) > 1:
        raise click.ClickException(f"{len(found)} {what}s begin with {beginning!r:.40}: give more of the ID")
    return found[0]


def in_json(answer: Any) -> str:
    """One line of JSON."""
    if isinstance(answer, BaseModel):
        return answer.model_dump_json()
    return TypeAdapter(type(answer)).dump_json(answer).decode()


def asks(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --folder, --json and the settings' options; the command gets `node`, an `Asking`."""
    return _asks(command, moves_money=False)


def moves(command: Callable[..., Any]) -> Callable[..., Any]:
    """As `asks`, with --yes and --key for a command that moves money."""
    with_key = click.option("--key", metavar="KEY", help="To ask again for the same thing, without doing it twice.")
    return with_key(click.option("--yes", is_flag=True, help="Do not ask.")(_asks(command, moves_money=True)))


def _asks(command: Callable[..., Any], *, moves_money: bool) -> Callable[..., Any]:
    @config_options
    @click.option("--folder", type=click.Path(path_type=Path), help="The node's folder, instead of the configured one.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @wraps(command)
    def asking(
        config: Config,
        config_path: Path | None,  # noqa: ARG001 - every command with settings gets it
        folder: Path | None,
        as_json: bool,
        yes: bool = False,
        key: str | None = None,
        **others: Any,
    ) -> Any:
        place = folder or config.folder
        try:
            access = find_access(place)
        except AccessRefused as error:
            advice = "start one with `cfd maker` or `cfd taker`, or name a running node's folder with --folder"
            raise click.ClickException(f"{error}{meant(place, ADDRESS_FILE) or f'; {advice}'}") from error
        with Client(access) as client:
            node = Asking(client, as_json, yes or not moves_money, key or new_key())
            return command(node=node, **others)

    return asking
