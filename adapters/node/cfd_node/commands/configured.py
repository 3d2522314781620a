"""What commands on a configured node share: which file, what over it, and the passphrase of the seed."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from cfd_core.values import Secret
from cfd_node.config import Config, ConfigError, load_config
from cfd_node.folder import FolderRefused, check_private

MAX_PASSPHRASE: Final = 1024


def config_file(given: str | None) -> Path | None:
    """The file to read: the one given, or CFD_CONFIG, or ~/.config/cfd/cfd.toml where there is one."""
    named = given or os.environ.get("CFD_CONFIG")
    if named:
        return Path(named)
    usual = default_config_file()
    return usual if usual.exists() else None


def default_config_file() -> Path:
    """Where the file lies unless told otherwise, by the XDG rules."""
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".config") / "cfd" / "cfd.toml"


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --json to a command that tells one thing; the command gets `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")(command)


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --config, --network, --data and --set; the command gets `config`, and `config_path` (perhaps None)."""
    return _with_config(command, may_be_missing=False)


def new_config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """As `config_options`, for a command that writes the file if it is missing."""
    return _with_config(command, may_be_missing=True)


def _with_config(command: Callable[..., Any], *, may_be_missing: bool) -> Callable[..., Any]:
    @click.option("--config", "config_name", metavar="FILE", help="Settings; CFD_CONFIG names it too.")
    @click.option("--network", metavar="NETWORK", help="regtest, signet, testnet4 or mainnet.")
    @click.option("--data", metavar="FOLDER", help="Where data lies.")
    @click.option(
        "--set", "changes", metavar="KEY=VALUE", multiple=True, help="Any setting, like limits.max_fee_rate=50."
    )
    @wraps(command)
    def with_config(
        config_name: str | None, network: str | None, data: str | None, changes: tuple[str, ...], **others: Any
    ) -> Any:
        flags = {key: value for key, value in (("network", network), ("data", data)) if value is not None}
        path = config_file(config_name)
        readable = None if path is not None and may_be_missing and not path.exists() else path
        try:
            config = load_config(readable, os.environ, flags | _changes(changes))
        except ConfigError as error:
            raise click.ClickException(str(error)) from error
        return command(config=config, config_path=path, **others)

    return with_config


def _changes(changes: tuple[str, ...]) -> dict[str, str]:
    for change in changes:
        if "=" not in change:
            raise ConfigError([f"--set takes KEY=VALUE, not {change!r:.80}"])
    return {key: value for key, _, value in (change.partition("=") for change in changes)}


def known_passphrase(config: Config) -> Secret | None:
    """The seed's passphrase from CFD_PASSPHRASE or the configured file; None: ask for it."""
    text = os.environ.get("CFD_PASSPHRASE")
    if text is None and config.wallet.passphrase_file is not None:
        text = _first_line(config.wallet.passphrase_file)
    return None if text is None else Secret(text.encode())


def passphrase(config: Config) -> Secret:
    """The seed's passphrase, asked for where it is not known."""
    return known_passphrase(config) or Secret(click.prompt("Passphrase", hide_input=True, err=True).encode())


def _first_line(path: Path) -> str:
    try:
        check_private(path)
        with path.open() as file:
            return file.readline(MAX_PASSPHRASE).rstrip("\r\n")
    except (OSError, UnicodeDecodeError, FolderRefused) as error:
        raise click.ClickException(f"wallet.passphrase_file: {error}") from error
