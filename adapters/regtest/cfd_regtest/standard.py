"""Relay policy that looks at one transaction alone: forms, sizes, dust."""

from collections.abc import Sequence
from typing import Final

from cfd_core.values import Sats
from cfd_regtest.errors import Rejected
from cfd_regtest.transactions import Tx, TxOutput, encode_output

MIN_RELAY_FEE_RATE: Final = 1
"""sat/vB"""
DUST_RELAY_FEE_RATE: Final = 3
"""sat/vB"""
MAX_STANDARD_WEIGHT: Final = 400_000
MIN_STRIPPED_SIZE: Final = 65
MAX_MONEY: Final = 21_000_000 * 100_000_000
MAX_DATA_SCRIPT: Final = 83
"""Bytes of an OP_RETURN output's script."""
MAX_SCRIPT_SIG: Final = 1_650
MAX_WITNESS_SCRIPT: Final = 3_600
MAX_WITNESS_ITEMS: Final = 100
MAX_WITNESS_ITEM: Final = 80
PAY_TO_ANCHOR: Final = b"\x51\x02\x4e\x73"


def check_sane(tx: Tx) -> None:
    """Raise `Rejected` for what consensus forbids in any transaction, whatever it spends."""
    if not tx.outputs:
        raise Rejected("bad-txns-vout-empty")
    if sum(out.sats for out in tx.outputs) > MAX_MONEY:
        raise Rejected("bad-txns-txouttotal-toolarge")
    if len(set(tx.spent)) != len(tx.spent):
        raise Rejected("bad-txns-inputs-duplicate")


def check_standard(tx: Tx) -> None:
    """Raise `Rejected` for what no default node relays, whatever it spends."""
    if not 1 <= tx.version <= 3:
        raise Rejected("version")
    if tx.weight > MAX_STANDARD_WEIGHT:
        raise Rejected("tx-size")
    if tx.stripped_size < MIN_STRIPPED_SIZE:
        raise Rejected("tx-size-small")
    if any(len(item.script_sig) > MAX_SCRIPT_SIG for item in tx.inputs):
        raise Rejected("scriptsig-size")
    if not all(_only_pushes(item.script_sig) for item in tx.inputs):
        raise Rejected("scriptsig-not-pushonly")
    _check_outputs(tx.outputs)


def dust_limit(script: bytes) -> int:
    """The least sats an output may hold: what it costs to create and spend it at the dust rate."""
    if script.startswith(b"\x6a"):
        return 0
    spending = 32 + 4 + 1 + 107 // 4 + 4 if witness_program(script) is not None else 32 + 4 + 1 + 107 + 4
    return DUST_RELAY_FEE_RATE * (len(encode_output(TxOutput(Sats(0), script))) + spending)


def witness_program(script: bytes) -> tuple[int, bytes] | None:
    """Version and program of a segwit output script, or None."""
    if not 4 <= len(script) <= 42 or script[1] != len(script) - 2:
        return None
    if script[0] == 0 or 0x51 <= script[0] <= 0x60:
        return max(0, script[0] - 0x50), script[2:]
    return None


def check_inputs_standard(tx: Tx, spent: Sequence[TxOutput]) -> None:
    """Raise `Rejected` for spends of unknown witness programs and for oversized P2WSH witnesses."""
    for item, out in zip(tx.inputs, spent, strict=True):
        program = witness_program(out.script)
        if out.script == PAY_TO_ANCHOR:
            if item.witness:
                raise Rejected("bad-witness-nonstandard")
        elif program is not None:
            _check_witness(item.witness, *program)
        elif not _known_legacy(out.script):
            raise Rejected("bad-txns-nonstandard-inputs")


def _check_outputs(outputs: Sequence[TxOutput]) -> None:
    if not all(_standard_script(out.script) for out in outputs):
        raise Rejected("scriptpubkey")
    if sum(out.script.startswith(b"\x6a") for out in outputs) > 1:
        raise Rejected("multi-op-return")
    if any(out.sats < dust_limit(out.script) for out in outputs):
        raise Rejected("dust")


def _standard_script(script: bytes) -> bool:
    if script.startswith(b"\x6a"):
        return len(script) <= MAX_DATA_SCRIPT and _only_pushes(script[1:])
    program = witness_program(script)
    if program is not None:
        return program[0] != 0 or len(program[1]) in (20, 32)
    return _known_legacy(script)


def _known_legacy(script: bytes) -> bool:
    """P2PKH, P2SH, P2PK. Bare multisig is left out: nothing here makes it."""
    if len(script) == 25:
        return script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac"
    if len(script) == 23:
        return script[:2] == b"\xa9\x14" and script[22:] == b"\x87"
    return len(script) in (35, 67) and script[0] == len(script) - 2 and script[-1] == 0xAC


def _check_witness(witness: tuple[bytes, ...], version: int, program: bytes) -> None:
    if version > 1 or (version == 1 and len(program) != 32):
        raise Rejected("bad-txns-nonstandard-inputs")
    if version == 1 and len(witness) > 1 and witness[-1].startswith(b"\x50"):
        raise Rejected("bad-witness-nonstandard")
    if version == 0 and len(program) == 32 and witness and not _modest(witness):
        raise Rejected("bad-witness-nonstandard")


def _modest(witness: tuple[bytes, ...]) -> bool:
    *items, script = witness
    small = all(len(item) <= MAX_WITNESS_ITEM for item in items)
    return small and len(items) <= MAX_WITNESS_ITEMS and len(script) <= MAX_WITNESS_SCRIPT


def _only_pushes(script: bytes) -> bool:
    at = 0
    while at < len(script):
        code = script[at]
        at += 1
        if code > 0x60:
            return False
        if 0x4C <= code <= 0x4E:
            width = 1 << (code - 0x4C)
            code, at = int.from_bytes(script[at : at + width], "little"), at + width
        elif code > 0x4E:
            code = 0
        at += code
    return at == len(script)
