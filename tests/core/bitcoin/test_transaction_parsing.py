"""Reading transactions of others: wholly, exactly, within bounds."""

import hashlib
from io import BytesIO

import pytest
from embit.transaction import Transaction as EmbitTransaction
from hypothesis import given
from hypothesis import strategies as st

from cfd_core.bitcoin.transaction import MAX_MONEY, MAX_TRANSACTION_BYTES, Transaction, TxIn, TxOut
from cfd_core.errors import DecodeError
from cfd_core.values import OutPoint, Sats, Txid

GENESIS = (
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054"
    "696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f75742066"
    "6f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61de"
    "b649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
)
FIRST_PAYMENT = (
    "0100000001c997a5e56e104102fa209c6a852dd90660a20b2d9c352423edce25857fcd3704000000004847304402204e45e16932b8af51"
    "4961a1d3a1a25fdf3f4f7732e9d624c6c61548ab5fb8cd410220181522ec8eca07de4860a4acdd12909d831cc56cbbac4622082221a876"
    "8d1d0901ffffffff0200ca9a3b00000000434104ae1a62fe09c5f51b13905f07f06b99a2f7159b2225f374cd378d71302fa28414e7aab3"
    "7397f554a7df5f142c21c1b7303b8a0626f1baded5c72a704f7e6cd84cac00286bee0000000043410411db93e1dcdb8a016b49840f8c53"
    "bc1eb68a382e97b1482ecad7b148a6909a5cb2e0eaddfb84ccf9744464f82e160bfa9b8b64f9d4c03f999b8643f656b412a3ac00000000"
)
FROM = OutPoint(Txid("ab" * 32), 7)
SEGWIT = Transaction(
    (TxIn(FROM, witness=(b"\x30" * 71, b"\x02" * 33)), TxIn(OutPoint(Txid("cd" * 32), 2**32 - 1), sequence=12)),
    (TxOut(Sats(MAX_MONEY), b"\x00\x14" + bytes(20)), TxOut(Sats(0), b"")),
)


@pytest.mark.parametrize(
    ("raw", "txid", "weight"),
    [
        (GENESIS, "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b", 816),
        (FIRST_PAYMENT, "f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16", 1100),
    ],
)
def test_known_transactions(raw: str, txid: str, weight: int) -> None:
    tx = Transaction.parse(bytes.fromhex(raw))
    assert (tx.txid, tx.weight, tx.vsize) == (txid, weight, weight // 4)
    assert tx.serialize().hex() == raw


@pytest.mark.parametrize("raw", [bytes.fromhex(GENESIS), bytes.fromhex(FIRST_PAYMENT), SEGWIT.serialize()])
def test_whole_and_nothing_else(raw: bytes) -> None:
    assert Transaction.parse(raw).serialize() == raw
    for cut in range(len(raw)):
        with pytest.raises(DecodeError):
            Transaction.parse(raw[:cut])
    for tail in (b"\x00", b"\xff" * 4, raw):
        with pytest.raises(DecodeError):
            Transaction.parse(raw + tail)


def test_what_is_parsed_is_what_was_made() -> None:
    assert Transaction.parse(SEGWIT.serialize()) == SEGWIT
    assert Transaction.parse(SEGWIT.without_witnesses().serialize()) == SEGWIT.without_witnesses()
    assert SEGWIT.without_witnesses().txid == SEGWIT.txid
    assert hash(Transaction.parse(SEGWIT.serialize())) == hash(SEGWIT)


HEAD = "02000000"
INPUT = "11" * 32 + "00000000" + "00" + "ffffffff"
OUTPUT = "0100000000000000" + "00"


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + "ffffffffffffffffff" + INPUT,
        HEAD + "fe00000080" + INPUT + "01" + OUTPUT + "00000000",
        HEAD + "01" + INPUT + "ffffffffffffffff7f" + OUTPUT + "00000000",
        HEAD + "01" + "11" * 32 + "00000000" + "ffffffffffffffffff" + "ffffffff",
        HEAD + "0001" + "01" + INPUT + "01" + OUTPUT + "ffffffffffffffffff" + "00000000",
        HEAD + "0001" + "01" + INPUT + "01" + OUTPUT + "01" + "feffffffff" + "00000000",
    ],
    ids=["inputs 2^64", "inputs 2^31", "outputs 2^63", "script length", "witness items", "witness length"],
)
def test_absurd_counts_end_at_once(raw: str) -> None:
    with pytest.raises(DecodeError, match="ends too early"):
        Transaction.parse(bytes.fromhex(raw))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (HEAD + "00" + "01" + OUTPUT + "00000000", "a transaction"),
        (HEAD + "0001" + "00" + "01" + OUTPUT + "00000000", "without inputs"),
        (HEAD + "0001" + "01" + INPUT + "01" + OUTPUT + "00" + "00000000", "encode back"),
        (HEAD + "fd0100" + INPUT + "01" + OUTPUT + "00000000", "encode back"),
        (HEAD + "01" + INPUT + "01" + f"{MAX_MONEY + 1:016x}" + "00" + "00000000", "21 million"),
        (HEAD + "01" + INPUT + "01" + "ff" * 8 + "00" + "00000000", "21 million"),
    ],
    ids=["no inputs", "no inputs, segwit", "segwit without witness", "long count", "too much", "negative"],
)
def test_malformed(raw: str, reason: str) -> None:
    fixed = raw.replace(f"{MAX_MONEY + 1:016x}", (MAX_MONEY + 1).to_bytes(8, "little").hex())
    with pytest.raises(DecodeError, match=reason):
        Transaction.parse(bytes.fromhex(fixed))


def test_size_limit() -> None:
    def of_size(size: int) -> bytes:
        empty = len(Transaction((TxIn(FROM),), (TxOut(Sats(1), bytes(100_000)),)).serialize()) - 100_000
        return Transaction((TxIn(FROM),), (TxOut(Sats(1), bytes(size - empty)),)).serialize()

    assert len(of_size(MAX_TRANSACTION_BYTES)) == MAX_TRANSACTION_BYTES
    assert Transaction.parse(of_size(MAX_TRANSACTION_BYTES)).vsize == MAX_TRANSACTION_BYTES
    with pytest.raises(DecodeError, match="over the limit"):
        Transaction.parse(of_size(MAX_TRANSACTION_BYTES + 1))


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(raw: bytes) -> None:
    try:
        tx = Transaction.parse(raw)
    except DecodeError:
        return
    assert tx.serialize() == raw


@given(st.integers(0, len(SEGWIT.serialize()) - 1), st.integers(1, 255))
def test_a_changed_byte_is_another_transaction_or_none(at: int, change: int) -> None:
    raw = bytearray(SEGWIT.serialize())
    raw[at] ^= change
    try:
        tx = Transaction.parse(bytes(raw))
    except DecodeError:
        return
    assert tx.serialize() == raw
    assert tx != SEGWIT


outpoints = st.builds(
    OutPoint, st.binary(min_size=32, max_size=32).map(lambda b: Txid(b.hex())), st.integers(0, 2**32 - 1)
)
inputs = st.builds(TxIn, outpoints, st.integers(0, 2**32 - 1), st.lists(st.binary(max_size=300), max_size=4).map(tuple))
outputs = st.builds(TxOut, st.integers(0, MAX_MONEY).map(Sats), st.binary(max_size=300))


@given(
    st.lists(inputs, min_size=1, max_size=5).map(tuple),
    st.lists(outputs, min_size=1, max_size=5).map(tuple),
    st.integers(0, 2**32 - 1),
)
def test_embit_agrees(ins: tuple[TxIn, ...], outs: tuple[TxOut, ...], locktime: int) -> None:
    tx = Transaction(ins, outs, locktime=locktime)
    raw = tx.serialize()
    theirs = EmbitTransaction.read_from(BytesIO(raw))
    assert theirs.txid().hex() == tx.txid
    stripped = tx.without_witnesses().serialize()
    assert hashlib.sha256(hashlib.sha256(stripped).digest()).digest()[::-1].hex() == tx.txid
    assert tx.weight == 3 * len(stripped) + len(raw)
    assert tx.vsize == -(-tx.weight // 4)
    assert Transaction.parse(raw) == tx
