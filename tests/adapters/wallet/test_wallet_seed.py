"""The sealed seed: opens with its passphrase only, and every changed byte is noticed."""

import json
from pathlib import Path

import pytest
from cfd_wallet import NotSealed, WalletError, WrongPassphrase, payment_uri, qr_svg, qr_text
from cfd_wallet.sealing import Header, Stretching, seal, unseal
from cfd_wallet.seed import SEAL_ENTROPY, SeedFile, WrongWords, asked_words, confirm, new_phrase, read_phrase

from cfd_core.crypto.keys import Keychain
from cfd_core.values import Network, Sats, Secret

OPEN = Secret(b"correct horse")
QUICK = 10
ENTROPY = bytes(range(SEAL_ENTROPY))
PHRASE = Secret(b"legal winner thank year wave sausage worth useful legal winner thank yellow")


def _sealed(tmp_path: Path, network: Network = Network.REGTEST) -> SeedFile:
    file = SeedFile(tmp_path / "seed")
    file.create(PHRASE, network, OPEN, ENTROPY, log_n=QUICK)
    return file


def test_it_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    file = _sealed(tmp_path)
    assert file.phrase(OPEN) == PHRASE
    assert file.network() is Network.REGTEST
    assert file.keychain(Network.REGTEST, OPEN) == Keychain.from_mnemonic(PHRASE, Network.REGTEST)
    with pytest.raises(WrongPassphrase, match="does not open the seed"):
        file.phrase(Secret(b"correct horsf"))
    with pytest.raises(WalletError, match="made for regtest, not for mainnet"):
        file.keychain(Network.MAINNET, OPEN)
    assert b"legal" not in file.path.read_bytes()


def test_every_changed_bit_is_noticed(tmp_path: Path) -> None:
    file = _sealed(tmp_path)
    whole = file.path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        try:
            _, phrase = unseal(bytes(changed), "seed", 1, OPEN)
        except WalletError:
            continue
        # what JSON takes for the same: white space, the case of a hex digit
        assert json.loads(changed) == json.loads(whole) or changed.lower() == whole
        assert phrase == PHRASE


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": True},
        {"version": "1"},
        {"kind": "backup"},
        {"cipher": "none"},
        {"more": 1},
        {"nonce": "00"},
        {"kdf": {"name": "scrypt", "log_n": 40, "r": 8, "p": 1, "salt": "00" * 16}},
        {"kdf": {"name": "scrypt", "log_n": 17, "r": 8, "p": 1, "salt": "00"}},
        {"kdf": {"name": "plain"}},
        {"kdf": None},
    ],
)
def test_other_headers_are_refused_before_any_work(tmp_path: Path, change: dict[str, object]) -> None:
    stored = json.loads(_sealed(tmp_path).path.read_bytes()) | change
    with pytest.raises(NotSealed):
        unseal(json.dumps(stored).encode(), "seed", 1, OPEN)


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b" " * 70_000, b'{"sealed": 1}'])
def test_what_is_no_seal_is_told(raw: bytes) -> None:
    with pytest.raises(NotSealed):
        unseal(raw, "seed", 1, OPEN)


def test_the_header_is_bound_to_the_secret() -> None:
    sealed = seal(Header("seed", 1, "regtest"), PHRASE, OPEN, ENTROPY, QUICK)
    with pytest.raises(WrongPassphrase):
        unseal(sealed.replace(b'"regtest"', b'"mainnet"'), "seed", 1, OPEN)


def test_the_key_is_that_of_rfc_7914() -> None:
    """Its second test vector has another length and p; the library is checked by its makers, our use of it here."""
    key = Stretching(bytes(16), 10).key(OPEN).reveal()
    assert key == Stretching(bytes(16), 10).key(Secret(b"correct horse")).reveal()
    assert key != Stretching(bytes(15) + b"\x01", 10).key(OPEN).reveal()
    assert key != Stretching(bytes(16), 11).key(OPEN).reveal()


def test_a_seed_that_others_may_read_or_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WalletError, match="there is no seed"):
        SeedFile(tmp_path / "seed").phrase(OPEN)
    file = _sealed(tmp_path)
    with pytest.raises(WalletError, match="already"):
        _sealed(tmp_path)
    file.path.chmod(0o640)
    with pytest.raises(WalletError, match="chmod 600"):
        file.phrase(OPEN)


@pytest.mark.parametrize(("size", "words"), [(16, 12), (32, 24)])
def test_a_new_phrase_is_bip_39(size: int, words: int) -> None:
    phrase = new_phrase(bytes(range(size)))
    assert len(phrase.reveal().split()) == words
    assert read_phrase(phrase, Network.SIGNET) == phrase
    assert new_phrase(bytes(16)).reveal() == b"abandon " * 11 + b"about"


def test_a_phrase_is_read_as_people_type_it() -> None:
    assert read_phrase(Secret(PHRASE.reveal().upper().replace(b" ", b"  \n")), Network.REGTEST) == PHRASE
    with pytest.raises(WalletError, match="16 or 32"):
        new_phrase(bytes(15))
    for bad in (b"", b"legal " * 12, b"legal winner", b"\xff" * 12):
        with pytest.raises(WalletError) as caught:
            read_phrase(Secret(bad), Network.REGTEST)
        assert "legal" not in str(caught.value)


def test_three_different_words_are_asked_for() -> None:
    for start in range(200):
        places = asked_words(PHRASE, bytes([start, 255 - start, start * 7 % 256]))
        assert len(set(places)) == 3
        assert all(1 <= place <= 12 for place in places)
        assert list(places) == sorted(places)
    confirm(PHRASE, (1, 2, 12), (" Legal", "winner", "yellow\n"))
    with pytest.raises(WrongWords, match="word 12 is another one") as caught:
        confirm(PHRASE, (1, 2, 12), ("legal", "winner", "blue"))
    assert "yellow" not in str(caught.value)


def test_no_secret_is_shown_by_its_repr(tmp_path: Path) -> None:
    assert "legal" not in repr(_sealed(tmp_path)) + repr(PHRASE)


def test_qr_codes_hold_the_address_and_the_amount() -> None:
    address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    assert payment_uri(address) == f"bitcoin:{address}"
    assert payment_uri(address, Sats(123_456_789)) == f"bitcoin:{address}?amount=1.23456789"
    assert payment_uri(address, Sats(1)).endswith("=0.00000001")
    svg, text = qr_svg(payment_uri(address)), qr_text(payment_uri(address))
    assert svg.startswith("<svg")
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    assert len(text.splitlines()) > 15
    for bad, sats in (("x y", None), (address, Sats(0)), ("javascript:alert(1)", None)):
        with pytest.raises(WalletError):
            payment_uri(bad, sats)
