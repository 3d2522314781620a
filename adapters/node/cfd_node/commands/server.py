"""`cfd server`: the Electrum servers' certificates that this node knows, and accepting another one."""

import asyncio
import json
from pathlib import Path
from typing import Final

import click
from cfd_electrum import ElectrumError, PinChanged, Pins, Road, ServerAddress

from cfd_core.errors import DecodeError
from cfd_node.commands.configured import config_options, json_option
from cfd_node.config import Config, Traffic
from cfd_node.folder import FolderRefused, own_folder
from cfd_node.proxy import Socks5

PINS_FILE: Final = "pins.json"


@click.group("server")
def server_group() -> None:
    """Electrum servers: their certificates."""


@server_group.command("list")
@config_options
@json_option
def list_pins(config: Config, config_path: Path | None, as_json: bool) -> None:  # noqa: ARG001
    """The configured servers and the certificates that were remembered."""
    known = _pins(config).known
    found = {str(server): known.get(str(server), "") for server in config.electrum.servers}
    if as_json:
        click.echo(json.dumps(found))
        return
    for server, pin in found.items():
        click.echo(f"{server}  {pin or ('not met yet' if server.startswith('ssl') else 'not encrypted')}")


@server_group.command("accept")
@config_options
@click.argument("server")
@click.option("--fingerprint", metavar="HEX", help="Accept this one; without it, what the server shows now is asked.")
def accept(config: Config, config_path: Path | None, server: str, fingerprint: str | None) -> None:  # noqa: ARG001
    """Take another certificate of SERVER for the right one. Stop the node first, and ask the server's owner."""
    try:
        address = ServerAddress.parse(server)
        with own_folder(config.folder):
            pins = _pins(config)
            shown = fingerprint or asyncio.run(_shown(config, address))
            known = pins.known.get(str(address))
            if known == shown:
                click.echo("It is known already.")
                return
            if fingerprint is None:
                click.confirm(f"{address} shows\n  {shown}\ninstead of\n  {known or 'nothing'}\nTake it?", abort=True)
            pins.accept(address, shown)
    except (DecodeError, ElectrumError, FolderRefused) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"From now on, {address} must show {shown}.")


def _pins(config: Config) -> Pins:
    try:
        return Pins(config.folder / PINS_FILE)
    except ElectrumError as error:
        raise click.ClickException(str(error)) from error


async def _shown(config: Config, address: ServerAddress) -> str:
    """What the server shows now; nothing is sent to it."""
    if not address.tls:
        raise ElectrumError(f"{address} is not encrypted, so it has no certificate")
    proxy = config.proxy_for(Traffic.ELECTRUM)
    memory = Pins()
    memory.accept(address, "0" * 64)  # so that nothing is taken from it
    road = Road(memory, Socks5(proxy).open_socket if proxy else None)
    try:
        async with asyncio.timeout(config.electrum.timeout):
            await road.connect(address, asyncio.Protocol)
    except PinChanged as error:
        return error.shown
    except OSError as error:  # TimeoutError is one
        raise ElectrumError(f"{address} cannot be reached: {str(error) or type(error).__name__}") from error
    raise AssertionError("no certificate has this fingerprint")
