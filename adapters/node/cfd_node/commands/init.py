"""`cfd init`: the commented settings, the folder, and the seed."""

import os
import secrets
from pathlib import Path
from typing import Final

import click
from cfd_wallet import WalletError
from cfd_wallet.seed import (
    ENTROPY_BYTES,
    SEAL_ENTROPY,
    SEED_FILE,
    SeedFile,
    WrongWords,
    asked_words,
    confirm,
    new_phrase,
    read_phrase,
)

from cfd_core.values import Network, Secret
from cfd_node.commands.configured import default_config_file, known_passphrase, new_config_options
from cfd_node.config import Config, example
from cfd_node.folder import FolderRefused, own_folder

MIN_PASSPHRASE: Final = 8
TRIES: Final = 3


@click.command("init")
@new_config_options
@click.option("--words", type=click.Choice(["12", "24"]), default="24", help="Length of a new recovery phrase.")
@click.option("--import", "take_over", is_flag=True, help="Type in a recovery phrase (BIP 39) instead of a new one.")
@click.option("--unconfirmed", is_flag=True, help="Show the phrase, ask for no words of it. Not on mainnet.")
def init(config: Config, config_path: Path | None, words: str, take_over: bool, unconfirmed: bool) -> None:
    """Write the commented settings unless they are there, make the node's folder, and seal a seed into it."""
    if unconfirmed and config.network is Network.MAINNET:
        raise click.ClickException("on mainnet the words of a new phrase must be confirmed")
    target = config_path or default_config_file()
    try:
        with own_folder(config.folder):
            seed = SeedFile(config.folder / SEED_FILE)
            if seed.exists():
                raise WalletError(f"there is a seed in {seed.path} already; it stays as it is")
            phrase = _typed(config.network) if take_over else _new(int(words), not unconfirmed)
            seed.create(phrase, config.network, _new_passphrase(config), secrets.token_bytes(SEAL_ENTROPY))
            _write_settings(target, config)
    except (WalletError, FolderRefused) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The seed is sealed in {config.folder / SEED_FILE}. Settings are in {target}.")


def _new(words: int, ask: bool) -> Secret:
    phrase = new_phrase(secrets.token_bytes(ENTROPY_BYTES[words]))
    click.echo("Write these words on paper. Together with backups they are all that brings your coins back:\n")
    for place, word in enumerate(phrase.reveal().decode().split(), 1):
        click.echo(f"  {place:2}  {word}")
    click.echo()
    if ask:
        _confirm(phrase)
    return phrase


def _confirm(phrase: Secret) -> None:
    for tries_left in reversed(range(TRIES)):
        places = asked_words(phrase, secrets.token_bytes(3))
        typed = [click.prompt(f"Word {place}", hide_input=True) for place in places]
        try:
            confirm(phrase, places, typed)
        except WrongWords as error:
            if not tries_left:
                raise
            click.echo(f"{error}. Once more.")
        else:
            return


def _typed(network: Network) -> Secret:
    return read_phrase(Secret(click.prompt("Recovery phrase", hide_input=True).encode()), network)


def _new_passphrase(config: Config) -> Secret:
    known = known_passphrase(config)
    chosen = known or Secret(
        click.prompt("Passphrase for the seed on this machine", hide_input=True, confirmation_prompt=True).encode()
    )
    if len(chosen.reveal()) < MIN_PASSPHRASE:
        raise WalletError(f"a passphrase has at least {MIN_PASSPHRASE} characters")
    return chosen


def _write_settings(target: Path, config: Config) -> None:
    if target.exists():
        return
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(example({"network": config.network, "data": config.data}))
    except OSError as error:
        raise WalletError(f"{target} cannot be written: {error.strerror}") from error
