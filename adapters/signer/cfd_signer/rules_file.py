"""The file in which a signer's owner says what may be signed, and with which seed.

    {"network": "regtest", "seed": "seed", "socket": "signer.sock", "memory": "memory.jsonl", "max_loss": 2000000,
     "oracles": [{"attestation": "<hex>", "announcement": "<hex>"}], "payout_scripts": null, "group": null}

Paths are relative to the file. `seed` is a file with a recovery phrase (BIP 39) that only its owner may read; `group`
may open the socket beside its owner.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import frozen

from cfd_core.crypto.keys import Keychain
from cfd_core.errors import CfdError
from cfd_core.oracle import OracleKeys
from cfd_core.values import Network, Sats, Secret
from cfd_signer.rules import Oracle, Rules

RULES: Final = "rules.json"
SEED: Final = "seed"
MAX_FILE: Final = 1 << 20
T = TypeVar("T")


class RulesUnreadable(Exception):
    """The file cannot be used; the text says why, for its owner."""


@frozen
class Orders:
    """Everything that the file says."""

    rules: Rules
    keychain: Keychain
    socket: Path
    group: str | None
    memory: Path


def read_orders(file: Path) -> Orders:
    """What the file says, with the seed that it names. `RulesUnreadable`."""
    found = _object(file)
    rules = Rules(
        network=_field(found, "network", Network),
        max_loss=_field(found, "max_loss", _sats),
        oracles=_field(found, "oracles", lambda oracles: tuple(_oracle(one) for one in oracles)),
        payout_scripts=_field(found, "payout_scripts", _scripts),
    )
    group = _field(found, "group", lambda name: None if name is None else _name(name))
    places = {name: file.parent / _field(found, name, _name) for name in ("seed", "socket", "memory")}
    if found:
        raise RulesUnreadable(f"{next(iter(found))} is no rule")
    return Orders(rules, _keychain(places["seed"], rules.network), places["socket"], group, places["memory"])


def _object(file: Path) -> dict[str, Any]:
    try:
        text = file.read_bytes()[: MAX_FILE + 1]
        found = json.loads(text)
    except OSError as error:
        raise RulesUnreadable(f"{error.strerror}") from error
    except ValueError as error:
        raise RulesUnreadable(f"it is not JSON: {error}") from error
    if not isinstance(found, dict) or len(text) > MAX_FILE:
        raise RulesUnreadable("it is not an object of rules")
    return found


def _field(found: dict[str, Any], name: str, read: Callable[[Any], T]) -> T:
    if name not in found:
        raise RulesUnreadable(f"{name} is missing")
    value = found.pop(name)
    try:
        return read(value)
    except (CfdError, ValueError, TypeError, KeyError) as error:
        raise RulesUnreadable(f"{name} cannot be {value!r:.80}") from error


def _sats(value: Any) -> Sats:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return Sats(value)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _oracle(found: Mapping[str, Any]) -> Oracle:
    if not set(found) <= {"attestation", "announcement"}:
        raise ValueError
    announcement = found.get("announcement")
    keys = OracleKeys(bytes.fromhex(found["attestation"]), bytes.fromhex(announcement) if announcement else None)
    return Oracle(keys.attestation, keys.announcement)


def _scripts(value: Any) -> frozenset[bytes] | None:
    return None if value is None else frozenset(map(bytes.fromhex, value))


def _keychain(path: Path, network: Network) -> Keychain:
    try:
        if path.stat().st_mode & 0o077:
            raise RulesUnreadable(f"others may read {path}: chmod 600 it, and think about who has read it already")
        return Keychain.from_mnemonic(Secret(path.read_bytes()), network)
    except OSError as error:
        raise RulesUnreadable(f"the seed {path}: {error.strerror}") from error
    except CfdError as error:
        raise RulesUnreadable(f"the seed {path}: {error}") from error


def write_orders(folder: Path, network: Network, max_loss: Sats, oracles: tuple[Oracle, ...], phrase: Secret) -> None:
    """A new folder, for its owner alone, with a seed and the rules to begin with. `OSError` if there is one already."""
    folder.mkdir(mode=0o700, parents=True)
    rules = {
        "network": network.value,
        "seed": SEED,
        "socket": "signer.sock",
        "memory": "memory.jsonl",
        "max_loss": max_loss,
        "oracles": [
            {"attestation": one.attestation.hex(), "announcement": one.announcement.hex() if one.announcement else None}
            for one in oracles
        ],
        "payout_scripts": None,
        "group": None,
    }
    _write(folder / SEED, phrase.reveal() + b"\n")
    _write(folder / RULES, json.dumps(rules, indent=2).encode() + b"\n")


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
