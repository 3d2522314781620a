"""Transactions and blocks decode wholly or not at all; proofs lead to their roots."""

from contextlib import suppress

import pytest
from cfd_regtest import EmbeddedChain
from cfd_regtest.blocks import merkle_branch, merkle_root, parse_block, subsidy
from cfd_regtest.transactions import Tx, TxInput, TxOutput, compact_size, make_tx, parse_tx, sha256d
from hypothesis import given
from hypothesis import strategies as st

from cfd_core.errors import DecodeError
from cfd_core.values import OutPoint, Sats, Txid

scripts = st.binary(max_size=300)
outpoints = st.builds(
    lambda raw, vout: OutPoint(Txid(raw.hex()), vout), st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1)
)
inputs = st.builds(TxInput, outpoints, scripts, st.integers(0, 2**32 - 1), st.lists(scripts, max_size=3).map(tuple))
outputs = st.builds(TxOutput, st.integers(0, 2**63).map(Sats), scripts)
transactions = st.builds(
    make_tx,
    st.lists(inputs, min_size=1, max_size=4),
    st.lists(outputs, max_size=4),
    version=st.integers(0, 2**32 - 1),
    locktime=st.integers(0, 2**32 - 1),
)


@given(transactions)
def test_a_transaction_survives_the_wire(tx: Tx) -> None:
    assert parse_tx(tx.raw) == tx


@given(transactions, st.binary(min_size=1, max_size=4))
def test_a_tail_is_refused(tx: Tx, tail: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_tx(tx.raw + tail)


@given(st.binary(max_size=200))
def test_noise_decodes_to_itself_or_not_at_all(noise: bytes) -> None:
    with suppress(DecodeError):
        assert parse_tx(noise).raw == noise


def test_a_cut_anywhere_is_refused() -> None:
    with EmbeddedChain() as chain:
        chain.mine(101)
        paid = chain.transaction(chain.fund(chain.own_script, 5_000))
        assert paid is not None
        block = chain._known[chain.mine()[0]].serialize()
    for length in range(len(paid.raw)):
        with pytest.raises(DecodeError):
            parse_tx(paid.raw[:length])
    for length in range(len(block)):
        with pytest.raises(DecodeError):
            parse_block(block[:length])
    with pytest.raises(DecodeError):
        parse_block(block + b"\x00")


def test_a_count_written_longer_than_needed_is_refused() -> None:
    tx = make_tx([TxInput(OutPoint(Txid("11" * 32), 0))], [TxOutput(Sats(1), b"\x51")])
    assert tx.raw[4:5] == b"\x01"
    with pytest.raises(DecodeError):
        parse_tx(tx.raw[:4] + b"\xfd\x01\x00" + tx.raw[5:])


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, "00"),
        (0xFC, "fc"),
        (0xFD, "fdfd00"),
        (0xFFFF, "fdffff"),
        (0x10000, "fe00000100"),
        (2**32, "ff0000000001000000"),
    ],
)
def test_compact_sizes(number: int, encoded: str) -> None:
    assert compact_size(number).hex() == encoded


def test_compact_sizes_end() -> None:
    with pytest.raises(ValueError, match="no compact size"):
        compact_size(2**64)


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40), st.data())
def test_a_branch_leads_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    node, at = leaves[index], index
    for sibling in merkle_branch(leaves, index):
        node = sha256d(sibling + node if at & 1 else node + sibling)
        at >>= 1
    assert node == merkle_root(leaves)


@pytest.mark.parametrize(("height", "sats"), [(1, 5 * 10**9), (149, 5 * 10**9), (150, 25 * 10**8), (150 * 64, 0)])
def test_subsidy_halves(height: int, sats: int) -> None:
    assert subsidy(height) == sats
