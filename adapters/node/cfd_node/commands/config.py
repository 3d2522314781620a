"""`cfd config`: what the settings are, whether they hold, and an example to start from."""

import json
from pathlib import Path
from typing import Any

import click

from cfd_node.commands.configured import config_options, json_option
from cfd_node.config import Config, ConfigError, check_mainnet, database_url, example
from cfd_node.config.reading import options


@click.group("config")
def config_group() -> None:
    """Settings: check them, or print a commented example."""


@config_group.command("check")
@config_options
@click.option("--mainnet", is_flag=True, help="As it will be given when the node starts.")
@json_option
def check(config: Config, config_path: Path | None, mainnet: bool, as_json: bool) -> None:
    """Read all settings as a node would, show them, and exit with 1 if they cannot be used."""
    try:
        check_mainnet(config, mainnet)
        database_url(config)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    found = {option.key: option.kind.show(_value(config, option.path)) for option in options().values()}
    if as_json:
        click.echo(json.dumps({"file": str(config_path) if config_path else None, "settings": found}))
        return
    click.echo(f"{config_path or 'no file, only defaults, environment and flags'}: these settings can be used")
    for key, shown in found.items():
        click.echo(f"  {key} = {shown}")


@config_group.command("example")
def show_example() -> None:
    """Print every setting with its default, what is allowed, and a sentence about it."""
    click.echo(example(), nl=False)


def _value(config: Config, path: tuple[str, ...]) -> Any:
    found: Any = config
    for name in path:
        found = getattr(found, name)
    return found
