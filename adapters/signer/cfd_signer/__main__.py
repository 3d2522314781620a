"""`python -m cfd_signer RULES.json`: a process that holds the keys and signs by its owner's rules.

    {"network": "regtest", "seed": "seed", "socket": "signer.sock", "memory": "signer.jsonl", "max_loss": 2000000,
     "oracles": [{"attestation": "<hex>", "announcement": "<hex>"}], "payout_scripts": null}

Paths are relative to the file. `seed` is a file with the seed's raw bytes that only its owner may read.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Any

from cfd_core.crypto.keys import Keychain
from cfd_core.errors import CfdError
from cfd_core.values import Network, Sats, Secret
from cfd_signer.desk import Desk
from cfd_signer.memory import Memory
from cfd_signer.rules import Oracle, Rules
from cfd_signer.server import SignerServer


def read_rules(found: dict[str, Any]) -> Rules:
    """The owner's limits; `ValueError`, `KeyError` or `TypeError` for anything that they are not."""
    scripts = found["payout_scripts"]
    return Rules(
        network=Network(found["network"]),
        max_loss=Sats(int(found["max_loss"])),
        oracles=tuple(_oracle(one) for one in found["oracles"]),
        payout_scripts=None if scripts is None else frozenset(map(bytes.fromhex, scripts)),
    )


def _oracle(found: dict[str, Any]) -> Oracle:
    announcement = found.get("announcement")
    return Oracle(bytes.fromhex(found["attestation"]), bytes.fromhex(announcement) if announcement else None)


def read_seed(path: Path) -> Secret:
    """The seed; `PermissionError` if others may read it."""
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"others may read {path}")
    return Secret(path.read_bytes())


def open_server(file: Path) -> SignerServer:
    """Everything that the file of rules names."""
    found = json.loads(file.read_text())
    rules, folder = read_rules(found), file.parent
    keychain = Keychain.from_seed(read_seed(folder / found["seed"]), rules.network)
    return SignerServer(Desk(keychain, rules, Memory(folder / found["memory"])), folder / found["socket"])


def main(file: Path) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server = open_server(file)
    except (CfdError, ValueError, KeyError, TypeError, OSError) as error:
        print(f"cannot start: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print("ready", flush=True)
    try:
        server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
