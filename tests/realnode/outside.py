"""The options of a campaign for an outside regtest node instead of the embedded chain."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from cfd_network import Address
from cfd_regtest import BitcoindControl, ChainControl, EmbeddedControl

Chain = Callable[[], AbstractAsyncContextManager[ChainControl]]
"""Makes the control of a chain; one of an outside node may be made again and again, for the same chain."""


def add_options(parser: ArgumentParser) -> None:
    """`--electrum` and `--bitcoind`."""
    parser.add_argument("--electrum", metavar="HOST:PORT", help="of an outside node, with --bitcoind")
    parser.add_argument("--bitcoind", metavar="URL", help="with user and password")


def chosen(told: Namespace, embedded: Chain = EmbeddedControl) -> Chain:
    """What the options ask for; without them the embedded chain."""
    if not (told.electrum and told.bitcoind):
        return embedded
    server = Address.parse(told.electrum)
    return lambda: BitcoindControl(told.bitcoind, server.host, server.port)
