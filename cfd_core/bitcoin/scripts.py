"""Script forms we accept, their addresses, dust limits and input weights."""

import hashlib
from enum import Enum
from typing import Final

from embit import networks
from embit.descriptor import Descriptor
from embit.hashes import hash160 as embit_hash160
from embit.script import Script, address_to_scriptpubkey

from cfd_core.errors import DecodeError
from cfd_core.values import Network, Sats

P2A_SCRIPT: Final = bytes.fromhex("51024e73")
"""Pay to anchor: anyone may spend it with an empty witness."""
ANCHOR_SATS: Final = Sats(240)
"""The relay dust limit of a P2A output."""


class ScriptKind(Enum):
    """The output scripts that a party may be paid to."""

    P2WPKH = "p2wpkh"
    P2WSH = "p2wsh"
    P2TR = "p2tr"


_EMBIT_NETWORKS: Final = {
    Network.REGTEST: networks.NETWORKS["regtest"],
    Network.SIGNET: networks.NETWORKS["signet"],
    Network.TESTNET4: networks.NETWORKS["test"],
    Network.MAINNET: networks.NETWORKS["main"],
}
_DUST: Final = {ScriptKind.P2WPKH: 294, ScriptKind.P2WSH: 330, ScriptKind.P2TR: 330}
# outpoint, empty script signature and sequence are 41 bytes; DER signatures count 72 bytes with the sighash byte
_INPUT_WEIGHT: Final = {ScriptKind.P2WPKH: 41 * 4 + 1 + 1 + 72 + 1 + 33, ScriptKind.P2TR: 41 * 4 + 1 + 1 + 65}


def script_kind(script: bytes) -> ScriptKind:
    """Which standard segwit form this is; `DecodeError` for any other script."""
    name = Script(script).script_type()
    if name not in ("p2wpkh", "p2wsh", "p2tr"):
        raise DecodeError(f"not a standard segwit script: {script.hex():.80}")
    return ScriptKind(name)


def dust_limit(script: bytes) -> Sats:
    """The smallest amount that nodes relay to this script (at the default 3 sat/vB dust rate)."""
    return Sats(_DUST[script_kind(script)])


def input_weight(script: bytes) -> int:
    """Weight units that spending an output with this script by key adds to a transaction."""
    kind = script_kind(script)
    if kind not in _INPUT_WEIGHT:
        raise DecodeError("inputs must be P2WPKH or P2TR: others cannot be checked before they are signed")
    return _INPUT_WEIGHT[kind]


def output_weight(script: bytes) -> int:
    """Weight units of an output with this script (shorter than 253 bytes)."""
    return 4 * (8 + 1 + len(script))


def address(script: bytes, network: Network) -> str:
    """The address of a standard segwit script."""
    script_kind(script)
    return str(Script(script).address(_EMBIT_NETWORKS[network]))


def script_of_address(text: str, network: Network) -> bytes:
    """The script of a segwit address of this network; `DecodeError` for anything else."""
    if text.isupper():
        text = text.lower()  # as QR codes carry it; embit knows the lower form only
    try:
        script = bytes(address_to_scriptpubkey(text).data)
    except Exception as error:  # embit raises whatever its parser trips over
        raise DecodeError(f"not an address: {text!r:.100}") from error
    if address(script, network) != text:
        raise DecodeError(f"not an address of {network.value}: {text!r:.100}")
    return script


def p2wsh(witness_script: bytes) -> bytes:
    """The output script that pays to a witness script."""
    return b"\x00\x20" + hashlib.sha256(witness_script).digest()


def hash160(data: bytes) -> bytes:
    """RIPEMD-160 of SHA-256, as P2WPKH and pk_h use it."""
    return bytes(embit_hash160(data))


def miniscript(expression: str) -> bytes:
    """Compile a miniscript expression over hex public keys to its witness script."""
    return bytes(Descriptor.from_string(f"wsh({expression})").witness_script().data)
