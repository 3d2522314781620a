"""Forms that no default node relays, checked without a chain."""

from typing import Any

import pytest
from cfd_regtest import EmbeddedChain, Rejected
from cfd_regtest.standard import check_inputs_standard, check_sane, check_standard, witness_program
from cfd_regtest.transactions import Tx, TxInput, TxOutput, make_tx

from cfd_core.values import OutPoint, Sats, Txid

SPENT = OutPoint(Txid("11" * 32), 0)
P2WPKH = b"\x00\x14" + bytes(20)
P2WSH = b"\x00\x20" + bytes(32)
P2TR = b"\x51\x20" + bytes(32)
P2PKH = b"\x76\xa9\x14" + bytes(20) + b"\x88\xac"
P2PK = b"\x21" + b"\x02" * 33 + b"\xac"
P2PK_LONG = b"\x41" + b"\x04" * 65 + b"\xac"


def spending(script_sig: bytes = b"", witness: tuple[bytes, ...] = ()) -> Tx:
    return make_tx([TxInput(SPENT, script_sig, 0, witness)], [TxOutput(Sats(1_000), P2WPKH)])


def paying(*scripts: bytes) -> Tx:
    return make_tx([TxInput(SPENT)], [TxOutput(Sats(1_000), script) for script in scripts])


@pytest.mark.parametrize(
    ("script_sig", "reason"),
    [
        (b"\x01" * 1_651, "scriptsig-size"),
        (b"\x76", "scriptsig-not-pushonly"),
        (b"\x05abc", "scriptsig-not-pushonly"),
        (b"\x4c\x05abc", "scriptsig-not-pushonly"),
        (b"\x4d\xff\xff", "scriptsig-not-pushonly"),
    ],
)
def test_script_signatures(script_sig: bytes, reason: str) -> None:
    with pytest.raises(Rejected) as refusal:
        check_standard(spending(script_sig))
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    "script_sig", [b"", b"\x00\x51\x60\x4f", b"\x03abc", b"\x4c\x03abc", b"\x4d\x03\x00abc", b"\x4e\x03\x00\x00\x00abc"]
)
def test_pushes_are_fine(script_sig: bytes) -> None:
    check_standard(spending(script_sig))


def test_a_tiny_transaction() -> None:
    with pytest.raises(Rejected, match=r"^tx-size-small$"):
        check_standard(make_tx([TxInput(SPENT)], [TxOutput(Sats(1_000), b"\x51\x02\x4e\x73")]))


@pytest.mark.parametrize("script", [P2WPKH, P2WSH, P2TR, P2PKH, P2PK, P2PK_LONG, b"\xa9\x14" + bytes(20) + b"\x87"])
def test_forms_that_are_relayed(script: bytes) -> None:
    check_standard(paying(script))


@pytest.mark.parametrize(
    "script",
    [b"", b"\x51", b"\x00\x15" + bytes(21), P2PKH[:-1] + b"\x51", P2PK[:-1] + b"\x51", b"\x60\x29" + bytes(41)],
)
def test_forms_that_are_not(script: bytes) -> None:
    with pytest.raises(Rejected, match=r"^scriptpubkey$"):
        check_standard(paying(P2WPKH, script))


@pytest.mark.parametrize(
    ("script", "witness", "reason"),
    [
        (b"\x51", (), "bad-txns-nonstandard-inputs"),
        (b"\x52\x20" + bytes(32), (), "bad-txns-nonstandard-inputs"),
        (b"\x51\x10" + bytes(16), (), "bad-txns-nonstandard-inputs"),
        (b"\x51\x02\x4e\x73", (b"x",), "bad-witness-nonstandard"),
        (P2TR, (b"s" * 64, b"\x50annex"), "bad-witness-nonstandard"),
        (P2WSH, (b"x" * 81, b"\x51"), "bad-witness-nonstandard"),
        (P2WSH, (b"x",) * 101 + (b"\x51",), "bad-witness-nonstandard"),
        (P2WSH, (b"\x51" * 3_601,), "bad-witness-nonstandard"),
    ],
)
def test_spends_that_are_not_relayed(script: bytes, witness: tuple[bytes, ...], reason: str) -> None:
    with pytest.raises(Rejected) as refusal:
        check_inputs_standard(spending(witness=witness), [TxOutput(Sats(1_000), script)])
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("script", "witness"),
    [
        (P2WPKH, (b"s" * 72, b"k" * 33)),
        (P2WSH, (b"x" * 80,) * 100 + (b"\x51" * 3_600,)),
        (P2TR, (b"s" * 64,)),
        (P2PK, ()),
        (b"\x51\x02\x4e\x73", ()),
    ],
)
def test_spends_that_are(script: bytes, witness: tuple[bytes, ...]) -> None:
    check_inputs_standard(spending(witness=witness), [TxOutput(Sats(1_000), script)])


@pytest.mark.parametrize(
    ("tx", "reason"),
    [
        (make_tx([TxInput(SPENT)], []), "bad-txns-vout-empty"),
        (make_tx([TxInput(SPENT)] * 2, [TxOutput(Sats(1), P2WPKH)]), "bad-txns-inputs-duplicate"),
        (make_tx([TxInput(SPENT)], [TxOutput(Sats(2**63), P2WPKH)]), "bad-txns-txouttotal-toolarge"),
    ],
)
def test_what_consensus_forbids(tx: Tx, reason: str) -> None:
    with pytest.raises(Rejected) as refusal:
        check_sane(tx)
    assert refusal.value.reason == reason


@pytest.mark.parametrize(("script", "version"), [(P2WPKH, 0), (P2TR, 1), (b"\x60\x02ab", 16)])
def test_witness_programs(script: bytes, version: int) -> None:
    assert witness_program(script) == (version, script[2:])


@pytest.mark.parametrize("script", [b"", b"\x00\x14", P2PKH, b"\x50\x02ab", b"\x00\x29" + bytes(41)])
def test_no_witness_programs(script: bytes) -> None:
    assert witness_program(script) is None


def test_replacing_more_than_a_hundred(chain: EmbeddedChain, anyone: Any) -> None:
    coins = [anyone.coin(chain, 3_000_000, confirmed=False) for _ in range(5)]
    chain.mine()
    for coin in coins:
        fan = anyone.spend([coin], [(100_000, anyone.script)] * 22)
        chain.submit_transaction(fan.raw)
        for outpoint, _ in fan.created():
            chain.submit_transaction(anyone.spend([outpoint], [(99_000, anyone.script)]).raw)
    greedy = anyone.spend(coins, [(1_000_000, anyone.script)])
    with pytest.raises(Rejected, match=r"^too many potential replacements, 115 > 100"):
        chain.submit_transaction(greedy.raw)
    assert len(chain.mempool()) == 115


def test_too_many_descendants(chain: EmbeddedChain, anyone: Any) -> None:
    fan = anyone.spend([anyone.coin(chain, 3_000_000)], [(100_000, anyone.script)] * 25)
    chain.submit_transaction(fan.raw)
    *fine, last = [anyone.spend([outpoint], [(99_000, anyone.script)]) for outpoint, _ in fan.created()]
    for child in fine:
        chain.submit_transaction(child.raw)
    with pytest.raises(Rejected, match=r"^too-long-mempool-chain, too many descendants"):
        chain.submit_transaction(last.raw)


def test_a_big_version_three(chain: EmbeddedChain, anyone: Any) -> None:
    big = anyone.spend([anyone.coin(chain, 1_000_000)], [(1_000, anyone.script)] * 300, version=3)
    with pytest.raises(Rejected, match=r"^TRUC-violation, \d+ vB is too big"):
        chain.submit_transaction(big.raw)
