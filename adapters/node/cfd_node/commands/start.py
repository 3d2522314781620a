"""`cfd maker` and `cfd taker`, up to the first page: what they run is loaded while that is already served."""

from contextlib import nullcontext
from typing import Any

import click

from cfd_node.commands.configured import config_options, json_option
from cfd_node.config import Config
from cfd_node.first_page import first_page
from cfd_node.modules import load


@click.command()
@config_options
@click.option("--mainnet", is_flag=True, help="Needed, besides the file's sentence, to use real coins.")
@json_option
def maker(config: Config, mainnet: bool, as_json: bool, **_: Any) -> None:
    """Run a node that takers reach: offers come in over its API, with `cfd offer`, or from a bot."""
    if config.peers.listen is None:
        raise click.ClickException("peers.listen says where takers reach this node; it is not set")
    _live(config, mainnet, as_json)


@click.command()
@config_options
@click.option("--mainnet", is_flag=True, help="Needed, besides the file's sentence, to use real coins.")
@json_option
def taker(config: Config, mainnet: bool, as_json: bool, **_: Any) -> None:
    """Run a node that trades with makers: their offers are taken in its pages, with `cfd take`, or over its API."""
    if not config.peers.makers:
        raise click.ClickException("peers.makers names the makers whose offers you see; there are none")
    _live(config, mainnet, as_json)


def _live(config: Config, mainnet: bool, as_json: bool) -> None:
    listen = config.api.listen
    shown = config.api.pages and listen is not None and listen.port  # nobody knows a port that is yet to be chosen
    with first_page(listen.host, listen.port) if listen is not None and shown else nullcontext() as page:
        live = load("cfd_node.commands.run").live
        live(config, mainnet, as_json, *(() if page is None else (page.hand_over,)))
