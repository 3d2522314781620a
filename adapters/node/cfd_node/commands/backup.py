"""`cfd backup` and `cfd restore`."""

import asyncio
import secrets
from pathlib import Path

import click

from cfd_node.backup import BackupRefused, save
from cfd_node.backup import restore as put_back
from cfd_node.backup.saving import CONFIG_NAME
from cfd_node.backup.sealed import ENTROPY_BYTES
from cfd_node.clock import ShiftableClock
from cfd_node.commands.configured import config_options, new_config_options, passphrase
from cfd_node.config import Config


@click.command("backup")
@config_options
@click.argument("file", type=click.Path(path_type=Path))
def backup(config: Config, config_path: Path | None, file: Path) -> None:
    """Seal seed, books, wallet and settings into FILE with the seed's passphrase; the node may run meanwhile."""
    now = ShiftableClock().now()
    try:
        entropy = secrets.token_bytes(ENTROPY_BYTES)
        count = save(config.folder, config_path, file, config.network, passphrase(config), now, entropy)
    except BackupRefused as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} files are in {file} ({file.stat().st_size:,} bytes). Keep it on another machine.")


@click.command("restore")
@new_config_options
@click.argument("file", type=click.Path(path_type=Path, exists=True))
def restore(config: Config, config_path: Path | None, file: Path) -> None:  # noqa: ARG001
    """Put the backup in FILE into the node's empty folder. Never run two nodes of one seed."""
    try:
        doubted = asyncio.run(put_back(file, config.folder, config.network, passphrase(config), ShiftableClock()))
    except BackupRefused as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The backup is in {config.folder}.")
    if (config.folder / CONFIG_NAME).exists():
        click.echo(f"Its settings are in {config.folder / CONFIG_NAME}: start the node with --config, or copy them.")
    if doubted:
        click.echo(f"{len(doubted)} open CFDs may be behind: nothing of them is published before the counterparty has")
        click.echo("told where it stands. The old machine must never run again.")
