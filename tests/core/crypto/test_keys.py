"""Key derivation against BIP 32's and BIP 39's vectors and against embit; pinned keys, for they are for ever."""

import traceback

import pytest
from embit import bip32
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.crypto.keys import CfdKeys, Keychain, _Node
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.values import CfdId, Network, Secret

H = 1 << 31
SEED_1 = "000102030405060708090a0b0c0d0e0f"
SEED_2 = (
    "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a2"
    "9f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542"
)
SEED_3 = (
    "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4ac"
    "ba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be"
)
ROOTS = {
    SEED_1: (
        "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPP"
        "qjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"
    ),
    SEED_2: (
        "xprv9s21ZrQH143K31xYSDQpPDxsXRTUcvj2iNHm5NUtrGiGG5e2DtAL"
        "Gdso3pGz6ssrdK4PFmM8NSpSBHNqPqm55Qn3LqFtT2emdEXVYsCzC2U"
    ),
    SEED_3: (
        "xprv9s21ZrQH143K25QhxbucbDDuQ4naNntJRi4KUfWT7xo4EKsHt2QJ"
        "Du7KXp1A3u7Bi1j8ph3EGsZ9Xvz9dGuVrtHHs7pXeTzjuxBrCmmhgC6"
    ),
}
CHILDREN_0H = {
    SEED_1: (
        "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvU"
        "xt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7"
    ),
    SEED_3: (
        "xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBA"
        "JMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceUvJFjaPdGZ2y9WACViL4L"
    ),
}
CFD = CfdId("00112233445566778899aabbccddeeff")
PHRASE = Secret(b"abandon " * 11 + b"about")
networks = st.sampled_from(list(Network))
ids = st.integers(0, 2**128 - 1).map(lambda number: CfdId(f"{number:032x}"))


def chain(seed: str = SEED_1, network: Network = Network.REGTEST) -> Keychain:
    return Keychain.from_seed(Secret(bytes.fromhex(seed)), network)


@pytest.mark.parametrize("seed", ROOTS)
def test_bip32_roots(seed: str) -> None:
    assert chain(seed, Network.MAINNET).wallet_xprv() == Secret(ROOTS[seed].encode())


@pytest.mark.parametrize("seed", CHILDREN_0H)
def test_bip32_hardened_children(seed: str) -> None:
    """Seed 3 is BIP 32's for keys that start with zeros."""
    child = chain(seed)._master.child(0)
    expected = bip32.HDKey.from_string(CHILDREN_0H[seed])
    assert child.key == Secret(expected.secret)
    assert child.chain_code == Secret(expected.chain_code)


@pytest.mark.parametrize("network", [Network.REGTEST, Network.SIGNET, Network.TESTNET4])
def test_test_networks_have_tprv(network: Network) -> None:
    text = chain(network=network).wallet_xprv().reveal().decode()
    assert text.startswith("tprv")
    assert bip32.HDKey.from_string(text) == bip32.HDKey.from_string(ROOTS[SEED_1])


@settings(deadline=None, max_examples=25)
@given(seed=st.binary(min_size=16, max_size=64), cfd=ids, revision=st.integers(0, H - 1), network=networks)
def test_paths_are_the_documented_ones(seed: bytes, cfd: CfdId, revision: int, network: Network) -> None:
    """The same keys from embit's BIP 32, walking the paths of the module's text."""
    keychain = Keychain.from_seed(Secret(seed), network)
    branch = [Network.MAINNET, Network.TESTNET4, Network.SIGNET, Network.REGTEST].index(network)
    bits = f"{int(cfd, 16):0155b}"
    words = "/".join(f"{int(bits[at : at + 31], 2)}h" for at in range(0, 155, 31))
    root = bip32.HDKey.from_seed(seed)
    keys = keychain.cfd_keys(cfd, revision)
    for secret, path in (
        (keys.identity, f"0h/{words}/0h"),
        (keys.revocation, f"0h/{words}/1h/{revision}h"),
        (keys.publish, f"0h/{words}/2h/{revision}h"),
        (keychain.transport_key(), "1h"),
    ):
        assert secret == Secret(root.derive(f"m/4408900h/{branch}h/{path}").secret)


def test_pinned_keys() -> None:
    """A change here loses money: these came from this layout and must never come out differently."""
    keys = chain().cfd_keys(CFD, 1)
    assert (keys.identity.reveal().hex(), keys.revocation.reveal().hex(), keys.publish.reveal().hex()) == (
        "4f35b8598dc0b5506970237c67d609585ec01f382ca9039a9ab1e5ba7b71d998",
        "f507198dadf35bdf4848b6348461c9ca82cd3aa2fa539039ae6aabf567e47cd1",
        "a438f52d34af54e70b982463014dbcf0f63eb56dbb12cdd4d70ca8e6d4b67a8f",
    )
    assert chain().transport_key().reveal().hex() == "787ba6421d9ba302ee9c71a649cbf11f13db216855ad52b23a354c67889d291b"


def test_identity_stays_and_the_rest_changes_with_the_revision() -> None:
    first, second = chain().cfd_keys(CFD, 0), chain().cfd_keys(CFD, 1)
    assert first.identity == second.identity
    assert first.revocation != second.revocation
    assert first.publish != second.publish


def test_no_two_keys_are_the_same() -> None:
    near = [CFD, CfdId("0" * 32), CfdId("0" * 31 + "1"), CfdId("8" + "0" * 31), CfdId("f" * 32)]
    seen: set[Secret] = set()
    count = 0
    for network in Network:
        keychain = chain(network=network)
        for cfd in near:
            for revision in (0, 1, 2, H - 1):
                keys = keychain.cfd_keys(cfd, revision)
                seen |= {keys.identity, keys.revocation, keys.publish}
        seen.add(keychain.transport_key())
        count += len(near) * (1 + 4 * 2) + 1
    assert len(seen) == count


@pytest.mark.parametrize("revision", [-1, H, H + 1])
def test_revision_out_of_range(revision: int) -> None:
    with pytest.raises(RuleViolation, match="revision"):
        chain().cfd_keys(CFD, revision)


@pytest.mark.parametrize("cfd", ["", "0" * 31, "0" * 33, "0" * 31 + "G", "0" * 31 + "A", "-" + "0" * 31])
def test_malformed_cfd_id(cfd: str) -> None:
    with pytest.raises(DecodeError, match="CFD id"):
        chain().cfd_keys(CfdId(cfd), 0)


@pytest.mark.parametrize("size", [0, 15, 65])
def test_seed_length(size: int) -> None:
    with pytest.raises(RuleViolation, match="16 to 64 bytes"):
        Keychain.from_seed(Secret(bytes(size)), Network.REGTEST)


def test_mnemonic() -> None:
    """BIP 39's well-known phrase."""
    expected = (
        "xprv9s21ZrQH143K3GJpoapnV8SFfukcVBSfeCficPSGfubmSFDxo1ku"
        "HnLisriDvSnRRuL2Qrg5ggqHKNVpxR86QEC8w35uxmGoggxtQTPvfUu"
    )
    assert Keychain.from_mnemonic(PHRASE, Network.MAINNET).wallet_xprv() == Secret(expected.encode())
    spaced = Secret(b"  " + PHRASE.reveal().replace(b" ", b"\n  ") + b"\n")
    assert Keychain.from_mnemonic(spaced, Network.MAINNET).wallet_xprv() == Secret(expected.encode())


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [
        (b"", "12, 15, 18, 21 or 24 words, not 0"),
        (b"abandon " * 11, "not 11"),
        (b"abandon " * 27, "not 27"),
        (b"abandon " * 12, "checksum"),
        (b"abandon " * 6 + b"zzsecretzz " + b"abandon " * 4 + b"about", "word 7"),
        (b"\xff\xfe " * 12, "word 1"),
    ],
)
def test_bad_mnemonics_are_told_without_a_word_of_them(phrase: bytes, reason: str) -> None:
    with pytest.raises(RuleViolation, match=reason) as caught:
        Keychain.from_mnemonic(Secret(phrase), Network.REGTEST)
    told = "".join(traceback.format_exception(caught.value))
    assert "zzsecretzz" not in told
    assert caught.value.__context__ is None


def test_reprs_show_no_secret() -> None:
    keychain = chain()
    keys = keychain.cfd_keys(CFD, 0)
    assert repr(keychain) == f"Keychain(network={Network.REGTEST!r})"
    assert repr(keys) == "CfdKeys(identity=Secret(...), revocation=Secret(...), publish=Secret(...))"
    assert repr(keychain._master) == "_Node(key=Secret(...), chain_code=Secret(...))"
    assert isinstance(keys, CfdKeys)
    assert isinstance(keychain._master, _Node)
