"""The command `cfd-signer`: make a signer's folder, and run the process that holds its keys."""

import argparse
import secrets
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from embit import bip39

from cfd_core.errors import CfdError
from cfd_core.oracle import OracleKeys
from cfd_core.values import Network, Sats, Secret
from cfd_signer.desk import Desk
from cfd_signer.memory import Memory
from cfd_signer.rules import Oracle
from cfd_signer.rules_file import RULES, RulesUnreadable, read_orders, write_orders
from cfd_signer.server import SignerServer

ENTROPY_BYTES: Final = 32
"""Of a new seed: 24 words."""


def main(words: Sequence[str] | None = None) -> int:
    """The exit code of a command line."""
    chosen = _parser().parse_args(words)
    try:
        return int(chosen.run(chosen))
    except (CfdError, RulesUnreadable, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("cfd-signer", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    new = commands.add_parser("new", help="make a folder with a new seed, and rules to begin with")
    new.add_argument("folder", type=Path, metavar="FOLDER")
    new.add_argument("--network", type=Network, required=True, help="regtest, signet, testnet4 or mainnet")
    new.add_argument("--max-loss", type=int, required=True, metavar="SATS", help="the most that one CFD may lose")
    new.add_argument(
        "--oracle",
        type=_oracle,
        action="append",
        required=True,
        metavar="KEY[:KEY]",
        help="the oracle's attestation key and, where it is another one, its announcement key; may be given again",
    )
    new.set_defaults(run=_new)
    run = commands.add_parser("run", help="sign by the rules in a folder until told to stop")
    run.add_argument("folder", type=Path, metavar="FOLDER")
    run.set_defaults(run=_run)
    return parser


def _oracle(text: str) -> Oracle:
    attestation, _, announcement = text.partition(":")
    try:
        keys = OracleKeys(bytes.fromhex(attestation), bytes.fromhex(announcement) if announcement else None)
    except CfdError as error:
        raise ValueError(str(error)) from error
    return Oracle(keys.attestation, keys.announcement)


def _new(chosen: argparse.Namespace) -> int:
    phrase: str = bip39.mnemonic_from_bytes(secrets.token_bytes(ENTROPY_BYTES))
    folder = chosen.folder.absolute()
    if chosen.max_loss < 0:
        raise RulesUnreadable("nobody can lose less than nothing")
    write_orders(folder, chosen.network, Sats(chosen.max_loss), tuple(chosen.oracle), Secret(phrase.encode()))
    print("Write these words on paper. They are the keys of all contracts that this signer will sign:\n")
    for place, word in enumerate(phrase.split(), 1):
        print(f"  {place:2}  {word}")
    print(f"\nThe rules are in {folder / RULES}: read them. Then run `cfd-signer run {chosen.folder}`, and put")
    print(f'\n[signer]\nsocket = "{folder / "signer.sock"}"\n\ninto the settings of the node.')
    return 0


def _run(chosen: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    file = chosen.folder / RULES
    try:
        orders = read_orders(file)
    except RulesUnreadable as error:
        raise RulesUnreadable(f"{file}: {error}") from error
    desk = Desk(orders.keychain, orders.rules, Memory(orders.memory))
    try:
        server = SignerServer(desk, orders.socket, orders.group)
    except LookupError as error:
        raise RulesUnreadable(f"{file}: {error}") from error
    try:
        print(f"signs for {orders.rules.network.value} at {orders.socket}", flush=True)
        server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
    return 0
