"""`cfd backup` and `cfd restore`."""

import asyncio
import json
import secrets
from pathlib import Path

import click

from cfd_core.errors import CfdError
from cfd_core.values import cfd_id
from cfd_node.backup import BackupRefused, save
from cfd_node.backup import restore as put_back
from cfd_node.backup import trust as rely
from cfd_node.backup.saving import CONFIG_NAME
from cfd_node.backup.sealed import ENTROPY_BYTES
from cfd_node.clock import ShiftableClock
from cfd_node.commands.configured import config_options, json_option, new_config_options, passphrase
from cfd_node.config import Config, ConfigError, database_url
from cfd_node.folder import FolderRefused, own_folder


@click.command("backup")
@config_options
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def backup(config: Config, config_path: Path | None, file: Path, as_json: bool) -> None:
    """Seal seed, books, wallet and settings into FILE with the seed's passphrase; the node may run meanwhile."""
    _books_in_folder(config)
    now = ShiftableClock().now()
    try:
        entropy = secrets.token_bytes(ENTROPY_BYTES)
        count = save(config.folder, config_path, file, config.network, passphrase(config), now, entropy)
    except BackupRefused as error:
        raise click.ClickException(str(error)) from error
    size = file.stat().st_size
    if as_json:
        click.echo(json.dumps({"file": str(file), "files": count, "bytes": size}))
    else:
        click.echo(f"{count} files are in {file} ({size:,} bytes). Keep it on another machine.")


@click.command("restore")
@new_config_options
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@json_option
def restore(config: Config, config_path: Path | None, file: Path, as_json: bool) -> None:  # noqa: ARG001
    """Put the backup in FILE into the node's empty folder. Never run two nodes of one seed."""
    _books_in_folder(config)
    try:
        doubted = asyncio.run(put_back(file, config.folder, config.network, passphrase(config), ShiftableClock()))
    except BackupRefused as error:
        raise click.ClickException(str(error)) from error
    settings = config.folder / CONFIG_NAME
    if as_json:
        found = str(settings) if settings.exists() else None
        click.echo(json.dumps({"folder": str(config.folder), "settings": found, "doubted": list(doubted)}))
        return
    click.echo(f"The backup is in {config.folder}.")
    if settings.exists():
        click.echo(f"Its settings are in {settings}: start the node with --config, or copy them.")
    if doubted:
        click.echo(f"{len(doubted)} open CFDs may be behind: nothing of them is published before the counterparty has")
        click.echo("told where it stands. The old machine must never run again.")


@click.command("trust")
@config_options
@click.argument("cfd")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def trust(config: Config, config_path: Path | None, cfd: str, yes: bool, as_json: bool) -> None:  # noqa: ARG001
    """Rely on a restored CFD whose counterparty is gone for good. Stop the node first.

    Right only if the CFD was not rolled over since the backup: else closing it gives everything to the counterparty.
    """
    _books_in_folder(config)
    if not yes:
        click.confirm("Are you sure that this CFD was not rolled over after the backup was made?", abort=True, err=True)
    try:
        with own_folder(config.folder):
            asyncio.run(rely(config.folder, config.network, passphrase(config), cfd_id(cfd), ShiftableClock()))
    except (BackupRefused, FolderRefused, CfdError) as error:
        raise click.ClickException(str(error)) from error
    told = f"CFD {cfd} is as good as any other again; start the node."
    click.echo(json.dumps({"cfd": cfd}) if as_json else told)


def _books_in_folder(config: Config) -> None:
    try:
        elsewhere = database_url(config) is not None
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    if elsewhere:
        raise click.ClickException(
            "this node's books are in PostgreSQL, where this command does not reach: see docs/operations.md"
        )
