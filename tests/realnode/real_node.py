"""A real bitcoind and ElectrumX for `nox -s regtest`; a program, not a test.

`real_node.py find PREFIX` prints `bitcoind=PATH` as its last line, fetching the program into PREFIX if need be.
`real_node.py run COMMAND ...` runs a command beside a running node (program named by $BITCOIND), with `{electrum}`
replaced by HOST:PORT and `{bitcoind}` by the RPC's URL, and exits as the command did.
Exit code 77: the programs cannot be had here.
"""

import subprocess
import sys
from pathlib import Path

from cfd_regtest import NotAvailable, RealNode, find_or_get_bitcoind
from cfd_regtest.realnode import find_electrumx_python

NOT_AVAILABLE = 77


def find(prefix: Path) -> int:
    find_electrumx_python()
    print(f"bitcoind={find_or_get_bitcoind(prefix).resolve()}")
    return 0


def run(command: list[str]) -> int:
    with RealNode.find() as node:
        places = {"{electrum}": "{}:{}".format(*node.electrum), "{bitcoind}": node.rpc_url}
        return subprocess.run([places.get(word, word) for word in command], stdin=subprocess.DEVNULL).returncode


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["find", prefix]:
                return find(Path(prefix))
            case ["run", _, *_]:
                return run(arguments[1:])
    except NotAvailable as error:
        print(f"not available: {error}")
        return NOT_AVAILABLE
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
