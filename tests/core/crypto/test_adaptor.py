"""Adaptor signatures: round trips, every flipped bit, forgeries that only exact equations catch, threads, bad input."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.crypto import adaptor
from cfd_core.crypto.secp import (
    GENERATOR,
    ORDER,
    Point,
    compact_to_der,
    ecdsa_verify,
    public_key,
    scalar_negate,
)
from cfd_core.errors import DecodeError, PeerViolation, RuleViolation
from cfd_core.values import Secret


def scalar(value: int) -> Secret:
    return Secret(value.to_bytes(32, "big"))


def digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


KEY, OTHER_KEY = Secret(digest_of("key")), Secret(digest_of("other key"))
LOCK, OTHER_LOCK = Secret(digest_of("lock")), Secret(digest_of("other lock"))
DIGEST, AUX = digest_of("message"), digest_of("aux")
SIGNATURE = adaptor.encrypt_sign(KEY, public_key(LOCK), DIGEST, AUX)

edges = st.sampled_from([1, 2, 3, ORDER // 2, ORDER // 2 + 1, ORDER - 2, ORDER - 1])
scalars = st.one_of(edges, st.integers(1, ORDER - 1)).map(scalar)
digests = st.one_of(
    st.sampled_from([bytes(32), b"\xff" * 32, ORDER.to_bytes(32, "big"), (ORDER + 1).to_bytes(32, "big")]),
    st.binary(min_size=32, max_size=32),
)


@settings(deadline=None)
@given(key=scalars, lock=scalars, digest=digests, aux=st.binary(min_size=32, max_size=32))
def test_round_trip(key: Secret, lock: Secret, digest: bytes, aux: bytes) -> None:
    point, locked = public_key(key), public_key(lock)
    signature = adaptor.encrypt_sign(key, locked, digest, aux)
    assert len(signature) == adaptor.SIZE
    assert adaptor.verify(signature, point, locked, digest)
    compact = adaptor.decrypt(signature, lock)
    assert ecdsa_verify(point, digest, compact_to_der(compact))
    assert adaptor.recover(signature, compact, locked) == lock


def test_key_digest_and_point_that_cancel_in_the_division() -> None:
    """x = 1, m = 0, Y = G make the dividend equal to the r of the divisor's point."""
    signature = adaptor.encrypt_sign(scalar(1), GENERATOR, bytes(32), AUX)
    assert adaptor.verify(signature, GENERATOR, GENERATOR, bytes(32))


def test_decrypting_a_scalar_chosen_to_cancel() -> None:
    """A counterparty may choose s' = x(Y), which is nothing special and must decrypt."""
    r = int.from_bytes(public_key(LOCK).x_only(), "big") % ORDER
    crafted = SIGNATURE[:66] + r.to_bytes(32, "big") + SIGNATURE[98:]
    quotient = r * pow(int.from_bytes(LOCK.reveal(), "big"), -1, ORDER) % ORDER
    assert adaptor.decrypt(crafted, LOCK)[32:] == min(quotient, ORDER - quotient).to_bytes(32, "big")


def test_recover_takes_the_high_s_too() -> None:
    compact = adaptor.decrypt(SIGNATURE, LOCK)
    high = (ORDER - int.from_bytes(compact[32:], "big")).to_bytes(32, "big")
    assert adaptor.recover(SIGNATURE, compact[:32] + high, public_key(LOCK)) == LOCK


def test_same_input_same_signature_other_aux_other_nonces() -> None:
    again = adaptor.encrypt_sign(KEY, public_key(LOCK), DIGEST, AUX)
    other = adaptor.encrypt_sign(KEY, public_key(LOCK), DIGEST, bytes(32))
    assert again == SIGNATURE
    assert other[:33] != SIGNATURE[:33]
    assert other[33:66] != SIGNATURE[33:66]


def test_nonces_differ_for_each_key_point_and_digest() -> None:
    signatures = [
        adaptor.encrypt_sign(key, public_key(lock), digest, AUX)
        for key in (KEY, OTHER_KEY)
        for lock in (LOCK, OTHER_LOCK)
        for digest in (DIGEST, digest_of("another"))
    ]
    assert len({signature[33:66] for signature in signatures}) == len(signatures)


def test_every_flipped_bit_fails() -> None:
    point, locked = public_key(KEY), public_key(LOCK)
    assert adaptor.verify(SIGNATURE, point, locked, DIGEST)
    undecodable = 0
    for bit in range(8 * adaptor.SIZE):
        flipped = bytearray(SIGNATURE)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert not adaptor.verify(bytes(flipped), point, locked, DIGEST), bit
        except DecodeError:
            undecodable += 1
    assert 0 < undecodable < 8 * 66  # some of the points, no scalar


def test_encrypt_sign_each_signs_as_one_by_one() -> None:
    points = [public_key(scalar(number)) for number in range(1, 5)]
    digests = [digest_of(str(number)) for number in range(4)]
    one_by_one = [adaptor.encrypt_sign(KEY, *pair, AUX) for pair in zip(points, digests, strict=True)]
    assert adaptor.encrypt_sign_each(KEY, points, digests, AUX) == one_by_one
    assert adaptor.encrypt_sign_each(KEY, [], [], AUX) == []
    for wrong, aux in (((points, digests[1:]), AUX), ((points[1:], digests), AUX), ((points, digests), AUX[1:])):
        with pytest.raises(RuleViolation):
            adaptor.encrypt_sign_each(KEY, *wrong, aux)
    with pytest.raises(RuleViolation, match="a digest has 32 bytes, not 31"):
        adaptor.encrypt_sign_each(KEY, points, [*digests[:3], digests[3][1:]], AUX)


def test_first_invalid_names_the_first() -> None:
    locks = [scalar(number) for number in range(1, 8)]
    points = [public_key(lock) for lock in locks]
    digests = [digest_of(str(number)) for number in range(len(locks))]
    signatures = [adaptor.encrypt_sign(KEY, *pair, AUX) for pair in zip(points, digests, strict=True)]
    assert adaptor.first_invalid(signatures, public_key(KEY), points, digests) is None
    assert adaptor.first_invalid([], public_key(KEY), [], []) is None
    for wrong in range(len(locks)):
        others = [*digests[:wrong], *[digest_of("another")] * (len(locks) - wrong)]
        assert adaptor.first_invalid(signatures, public_key(KEY), points, others) == wrong
    assert adaptor.first_invalid(signatures, public_key(KEY), [*points[:6], points[0]], digests) == 6
    signatures[2] = signatures[3]
    assert adaptor.first_invalid(signatures, public_key(KEY), points, digests) == 2


def test_first_invalid_looks_no_further() -> None:
    never = b"a digest of this length is refused"
    wrong, locked = [DIGEST, digest_of("another"), never], [public_key(LOCK)] * 3
    assert adaptor.first_invalid([SIGNATURE] * 3, public_key(KEY), locked, wrong) == 1
    with pytest.raises(RuleViolation, match="32 bytes"):
        adaptor.first_invalid([SIGNATURE] * 3, public_key(KEY), locked, [DIGEST, DIGEST, never])


def test_first_invalid_wants_as_many_of_each_and_whole_ones() -> None:
    point, locked = public_key(KEY), public_key(LOCK)
    for points, digests in (([], [DIGEST]), ([locked], []), ([locked] * 2, [DIGEST] * 2)):
        with pytest.raises(RuleViolation, match="one encryption point and one digest"):
            adaptor.first_invalid([SIGNATURE], point, points, digests)
    with pytest.raises(DecodeError, match="162 bytes"):
        adaptor.first_invalid([SIGNATURE, SIGNATURE[:-1]], point, [locked] * 2, [DIGEST] * 2)


def test_wrong_key_point_or_digest_is_false() -> None:
    point, locked = public_key(KEY), public_key(LOCK)
    assert not adaptor.verify(SIGNATURE, public_key(OTHER_KEY), locked, DIGEST)
    assert not adaptor.verify(SIGNATURE, -point, locked, DIGEST)
    assert not adaptor.verify(SIGNATURE, point, public_key(OTHER_LOCK), DIGEST)
    assert not adaptor.verify(SIGNATURE, point, -locked, DIGEST)
    assert not adaptor.verify(SIGNATURE, point, locked, digest_of("another"))


def proof_of(nonce_secret: Secret, base_nonce: Point, locked: Point, nonce: Point) -> bytes:
    return adaptor._prove(nonce_secret, AUX, base_nonce, locked, nonce)


def test_negated_nonces_with_a_true_proof_are_refused() -> None:
    """-R and -R' have the same r and a proof of their own; only the sign in the equation of s' tells."""
    nonce_secret = scalar_negate(Secret(digest_of("nonce")))
    point, locked = public_key(KEY), public_key(LOCK)
    x, k, m = (int.from_bytes(v, "big") for v in (KEY.reveal(), nonce_secret.reveal(), DIGEST))
    nonce, base_nonce = locked.mul_secret(nonce_secret), public_key(nonce_secret)
    s = (m + int.from_bytes(nonce.x_only(), "big") * x) * pow(k, -1, ORDER) % ORDER
    proof = proof_of(nonce_secret, base_nonce, locked, nonce)
    for sign, expected in ((s, True), (ORDER - s, False)):
        signature = nonce.encode() + base_nonce.encode() + sign.to_bytes(32, "big") + proof
        assert adaptor.verify(signature, point, locked, DIGEST) is expected


def test_nonces_to_different_scalars_are_refused() -> None:
    """R made from another k than R': the ECDSA part holds, the proof cannot."""
    k, other = Secret(digest_of("nonce")), Secret(digest_of("other nonce"))
    locked = public_key(LOCK)
    nonce, base_nonce = locked.mul_secret(other), public_key(k)
    r, x, m = (int.from_bytes(v, "big") for v in (nonce.x_only(), KEY.reveal(), DIGEST))
    s = (m + r * x) * pow(int.from_bytes(k.reveal(), "big"), -1, ORDER) % ORDER
    head = nonce.encode() + base_nonce.encode() + s.to_bytes(32, "big")
    for secret in (k, other):
        assert not adaptor.verify(head + proof_of(secret, base_nonce, locked, nonce), public_key(KEY), locked, DIGEST)


@pytest.mark.parametrize("at", [98, 130])
def test_a_zero_in_the_proof_is_false(at: int) -> None:
    zeroed = SIGNATURE[:at] + bytes(32) + SIGNATURE[at + 32 :]
    assert not adaptor.verify(zeroed, public_key(KEY), public_key(LOCK), DIGEST)


@pytest.mark.parametrize("at", [66, 98, 130])
def test_a_scalar_as_big_as_the_order_is_malformed(at: int) -> None:
    too_big = SIGNATURE[:at] + ORDER.to_bytes(32, "big") + SIGNATURE[at + 32 :]
    with pytest.raises(DecodeError, match="out of range"):
        adaptor.verify(too_big, public_key(KEY), public_key(LOCK), DIGEST)


@pytest.mark.parametrize("at", [0, 33])
@pytest.mark.parametrize("bad", [b"\x02" + b"\xff" * 32, b"\x02" + bytes(31) + b"\x05", b"\x04" + b"\x01" * 32])
def test_a_point_off_the_curve_is_malformed(at: int, bad: bytes) -> None:
    signature = SIGNATURE[:at] + bad + SIGNATURE[at + 33 :]
    compact = adaptor.decrypt(SIGNATURE, LOCK)
    with pytest.raises(DecodeError, match="not a compressed curve point"):
        adaptor.verify(signature, public_key(KEY), public_key(LOCK), DIGEST)
    with pytest.raises(DecodeError, match="not a compressed curve point"):
        adaptor.decrypt(signature, LOCK)
    with pytest.raises(DecodeError, match="not a compressed curve point"):
        adaptor.recover(signature, compact, public_key(LOCK))


def test_a_nonce_at_x_zero_modulo_the_order_is_malformed() -> None:
    """x = ORDER is below the field's prime; whether it is on the curve or not, it makes no signature."""
    for prefix in (b"\x02", b"\x03"):
        with pytest.raises(DecodeError):
            adaptor.decrypt(prefix + ORDER.to_bytes(32, "big") + SIGNATURE[33:], LOCK)


@pytest.mark.parametrize("size", [0, 1, 33, 66, 161, 163, 324])
def test_another_length_is_malformed(size: int) -> None:
    signature = (SIGNATURE * 2)[:size]
    with pytest.raises(DecodeError, match="162 bytes"):
        adaptor.verify(signature, public_key(KEY), public_key(LOCK), DIGEST)
    with pytest.raises(DecodeError, match="162 bytes"):
        adaptor.decrypt(signature, LOCK)
    with pytest.raises(DecodeError, match="162 bytes"):
        adaptor.recover(signature, bytes(64), public_key(LOCK))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_our_own_lengths_are_our_fault(size: int) -> None:
    locked = public_key(LOCK)
    with pytest.raises(RuleViolation, match="32 bytes"):
        adaptor.encrypt_sign(KEY, locked, bytes(size), AUX)
    with pytest.raises(RuleViolation, match="32 bytes"):
        adaptor.encrypt_sign(KEY, locked, DIGEST, bytes(size))
    with pytest.raises(RuleViolation, match="32 bytes"):
        adaptor.verify(SIGNATURE, public_key(KEY), locked, bytes(size))


@pytest.mark.parametrize("value", [0, ORDER, ORDER + 1])
def test_invalid_secrets_are_refused_without_naming_them(value: int) -> None:
    bad = scalar(value)
    with pytest.raises(RuleViolation, match="group order") as signing:
        adaptor.encrypt_sign(bad, public_key(LOCK), DIGEST, AUX)
    with pytest.raises(RuleViolation, match="group order") as decrypting:
        adaptor.decrypt(SIGNATURE, bad)
    for caught in (signing, decrypting):
        assert bad.reveal().hex() not in str(caught.value)


def test_recover_refuses_a_signature_of_something_else() -> None:
    compact = adaptor.decrypt(SIGNATURE, LOCK)
    other = adaptor.encrypt_sign(KEY, public_key(OTHER_LOCK), DIGEST, AUX)
    with pytest.raises(PeerViolation, match="nonces differ"):
        adaptor.recover(SIGNATURE, adaptor.decrypt(other, OTHER_LOCK), public_key(LOCK))
    with pytest.raises(PeerViolation, match="another secret"):
        adaptor.recover(SIGNATURE, compact, public_key(OTHER_LOCK))
    with pytest.raises(PeerViolation, match="another secret"):
        adaptor.recover(SIGNATURE, compact[:32] + DIGEST, public_key(LOCK))


@pytest.mark.parametrize(
    "compact",
    [
        b"",
        bytes(64),
        bytes(63),
        adaptor.decrypt(SIGNATURE, LOCK) + b"\x00",
        adaptor.decrypt(SIGNATURE, LOCK)[:32] + bytes(32),
        adaptor.decrypt(SIGNATURE, LOCK)[:32] + ORDER.to_bytes(32, "big"),
        ORDER.to_bytes(32, "big") + adaptor.decrypt(SIGNATURE, LOCK)[32:],
    ],
)
def test_recover_refuses_a_malformed_signature(compact: bytes) -> None:
    with pytest.raises(DecodeError, match="compact signature"):
        adaptor.recover(SIGNATURE, compact, public_key(LOCK))


def test_a_miscalculated_result_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-check: whatever the division returns, a wrong s' is noticed."""
    monkeypatch.setattr(adaptor, "secret_quotients", lambda *_args: [scalar(7)])
    with pytest.raises(RuntimeError, match="equation"):
        adaptor.encrypt_sign(KEY, public_key(LOCK), DIGEST, AUX)


@pytest.mark.parametrize("wrong", range(3))
def test_a_miscalculated_nonce_point_does_not_leave(monkeypatch: pytest.MonkeyPatch, wrong: int) -> None:
    """Whichever of a run's k*G it is; also where only the sign of y is wrong."""
    made: list[Secret] = []

    def miscalculating(key: Secret) -> Point:
        made.append(key)
        return -public_key(key) if len(made) - 1 == wrong else public_key(key)

    points, digests = [public_key(scalar(number)) for number in (2, 3, 4)], [DIGEST] * 3
    monkeypatch.setattr(adaptor, "public_key", miscalculating)
    with pytest.raises(RuntimeError, match="point does not belong"):
        adaptor.encrypt_sign_each(KEY, points, digests, AUX)
    assert len(made) == 4


def test_nothing_to_sign() -> None:
    assert adaptor.encrypt_sign_each(KEY, [], [], AUX) == []


def test_threads_agree_with_one_thread() -> None:
    point = public_key(KEY)
    locks = [scalar(number) for number in range(1, 41)]

    def job(lock: Secret) -> tuple[bytes, bool, Secret]:
        signature = adaptor.encrypt_sign(KEY, public_key(lock), DIGEST, AUX)
        compact = adaptor.decrypt(signature, lock)
        recovered = adaptor.recover(signature, compact, public_key(lock))
        return signature, adaptor.verify(signature, point, public_key(lock), DIGEST), recovered

    expected = [job(lock) for lock in locks]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(job, locks * 4)) == expected * 4
    assert all(valid for _, valid, _ in expected)
