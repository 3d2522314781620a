"""Scripts, addresses, dust, and the PSBT door."""

import hashlib

import pytest
from embit.psbt import PSBT
from embit.script import Witness
from hypothesis import given
from hypothesis import strategies as st

from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.psbt import final_witnesses, unsigned_psbt
from cfd_core.bitcoin.scripts import ScriptKind
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.errors import DecodeError
from cfd_core.values import Network, OutPoint, Sats, Txid

WPKH, WSH, TR = b"\x00\x14" + b"\x07" * 20, b"\x00\x20" + b"\x08" * 32, b"\x51\x20" + b"\x09" * 32
OTHERS = {
    "empty": b"",
    "p2pkh": b"\x76\xa9\x14" + bytes(20) + b"\x88\xac",
    "p2sh": b"\xa9\x14" + bytes(20) + b"\x87",
    "p2pk": b"\x21" + b"\x02" * 33 + b"\xac",
    "anchor": scripts.P2A_SCRIPT,
    "data": b"\x6a\x04abcd",
    "witness v0 of 16 bytes": b"\x00\x10" + bytes(16),
    "witness v1 of 20 bytes": b"\x51\x14" + bytes(20),
    "witness v2": b"\x52\x20" + bytes(32),
    "p2wpkh and more": WPKH + b"\x00",
    "p2wpkh cut": WPKH[:-1],
    "long": bytes(10_000),
}
PREFIX = {Network.REGTEST: "bcrt1", Network.SIGNET: "tb1", Network.TESTNET4: "tb1", Network.MAINNET: "bc1"}


@pytest.mark.parametrize("script", [WPKH, WSH, TR], ids=["p2wpkh", "p2wsh", "p2tr"])
@pytest.mark.parametrize("network", list(Network))
def test_addresses_there_and_back(script: bytes, network: Network) -> None:
    text = scripts.address(script, network)
    assert text.startswith(PREFIX[network])
    assert scripts.script_of_address(text, network) == script
    assert scripts.script_of_address(text.upper(), network) == script
    for other in Network:
        if PREFIX[other] != PREFIX[network]:
            with pytest.raises(DecodeError, match=f"not an address of {other.value}"):
                scripts.script_of_address(text, other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bcrt1",
        " " + scripts.address(WPKH, Network.REGTEST),
        scripts.address(WPKH, Network.REGTEST) + "q",
        scripts.address(WPKH, Network.REGTEST)[:-1],
        scripts.address(WPKH, Network.REGTEST)[:-1] + "é",
        "BCRT1" + scripts.address(WPKH, Network.REGTEST)[5:],
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "bitcoin:" + scripts.address(WPKH, Network.REGTEST),
        "x" * 100_000,
    ],
)
def test_not_an_address(text: str) -> None:
    with pytest.raises(DecodeError, match=r"not an address|not a standard"):
        scripts.script_of_address(text, Network.REGTEST)


@given(st.text(max_size=90))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        scripts.script_of_address(text, Network.MAINNET)


def test_kinds_dust_and_inputs() -> None:
    assert [scripts.script_kind(s) for s in (WPKH, WSH, TR)] == [ScriptKind.P2WPKH, ScriptKind.P2WSH, ScriptKind.P2TR]
    assert [scripts.dust_limit(s) for s in (WPKH, WSH, TR)] == [294, 330, 330]
    with pytest.raises(DecodeError, match="P2WPKH or P2TR"):
        scripts.input_weight(WSH)


@pytest.mark.parametrize("script", OTHERS.values(), ids=OTHERS.keys())
def test_other_scripts_are_refused(script: bytes) -> None:
    for check in (scripts.script_kind, scripts.dust_limit, scripts.input_weight):
        with pytest.raises(DecodeError, match="not a standard segwit script"):
            check(script)
    with pytest.raises(DecodeError):
        scripts.address(script, Network.REGTEST)


def test_p2wsh_and_hash160() -> None:
    assert scripts.p2wsh(b"\x51") == b"\x00\x20" + hashlib.sha256(b"\x51").digest()
    key = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
    assert scripts.hash160(key).hex() == "751e76e8199196d454941c45d1b3a323f1433bd6"


FUNDING = Transaction((TxIn(OutPoint(Txid("01" * 32), 0)),), (TxOut(Sats(9), TR), TxOut(Sats(1000), WPKH)))
TX = Transaction(
    (TxIn(FUNDING.outpoint(1)), TxIn(OutPoint(Txid("02" * 32), 5), witness=(b"old",))), (TxOut(Sats(1500), WSH),)
)
SPENT = (FUNDING.outputs[1], TxOut(Sats(700), TR))


def test_a_psbt_says_what_is_spent() -> None:
    psbt = PSBT.parse(unsigned_psbt(TX, SPENT, {FUNDING.outpoint(1): FUNDING.serialize()}))
    assert psbt.tx.serialize() == TX.without_witnesses().serialize()
    assert [scope.witness_utxo.value for scope in psbt.inputs] == [1000, 700]
    assert psbt.inputs[0].non_witness_utxo.serialize() == FUNDING.serialize()
    assert psbt.inputs[1].non_witness_utxo is None


def test_final_witnesses_come_back_by_outpoint() -> None:
    psbt = PSBT.parse(unsigned_psbt(TX, SPENT, {}))
    assert final_witnesses(psbt.serialize()) == {}
    psbt.inputs[1].final_scriptwitness = Witness([b"\x01" * 64])
    assert final_witnesses(psbt.serialize()) == {TX.inputs[1].outpoint: (b"\x01" * 64,)}


def test_a_broken_psbt_is_refused_at_each_byte() -> None:
    psbt = PSBT.parse(unsigned_psbt(TX, SPENT, {}))
    psbt.inputs[0].final_scriptwitness = Witness([b"\x01" * 64])
    raw = psbt.serialize()
    whole = final_witnesses(raw)
    for cut in range(len(raw)):
        try:
            assert final_witnesses(raw[:cut]).items() <= whole.items()
        except DecodeError:
            continue


@given(st.binary(max_size=100))
def test_not_a_psbt(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        final_witnesses(raw)
    try:
        assert final_witnesses(b"psbt\xff" + raw) == {}
    except DecodeError as error:
        assert str(error) == "the signer's answer is not a PSBT"  # noqa: PT017 -- either is right
