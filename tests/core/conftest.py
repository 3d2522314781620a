"""What several rooms of the core's tests share: Bitcoin Core's script engine, and the recorded oracle event."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pbk
import pytest

from cfd_core.bitcoin.transaction import Transaction, TxOut
from cfd_core.oracle import Announcement, Dialect, OracleKeys, read_announcement, read_recorded_event
from cfd_core.testing import World

VECTOR = Path(__file__).parents[1] / "vectors" / "olivia_bxbt_2021-10-04T22.json"
OLIVIA = OracleKeys(bytes.fromhex("ddd4636845a90185991826be5a494cde9f4a6947b1727217afedc6292fa4caf7"), None)


def engine_accepts(tx: Transaction, spent: Sequence[TxOut]) -> bool:
    """Whether Core's script engine accepts every input of `tx`; `spent` are the outputs they spend, in order."""
    native = pbk.Transaction(tx.serialize())
    scripts = [pbk.ScriptPubkey(out.script) for out in spent]
    outputs = [pbk.TransactionOutput(script, out.sats) for script, out in zip(scripts, spent, strict=True)]
    known = pbk.script.PrecomputedTransactionData(native, outputs)
    flags = pbk.ScriptVerificationFlags.ALL
    return all(
        script.verify(out.sats, native, known, index, flags)
        for index, (script, out) in enumerate(zip(scripts, spent, strict=True))
    )


@pytest.fixture(scope="session")
def accepts() -> Callable[[Transaction, Sequence[TxOut]], bool]:
    return engine_accepts


@pytest.fixture(autouse=True, scope="module")
def core_rules() -> Iterator[None]:
    """Whatever a simulated world broadcasts is held against Core's script engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "accepts", staticmethod(engine_accepts))
        yield


@pytest.fixture(scope="session")
def recorded() -> tuple[Announcement, bytes]:
    """The announcement and the raw attestation of the recorded event: price 48,935 at 2021-10-04T22:00:00Z."""
    announcement, attestation = read_recorded_event(VECTOR.read_bytes())
    assert attestation is not None
    return read_announcement(Dialect.OLIVIA_V1, announcement, OLIVIA), attestation
