"""The slow crypto as data: cut anywhere, carried between processes, silent about keys."""

import pickle
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from cfd_core.contract import dlc as signing
from cfd_core.contract import jobs
from cfd_core.contract.jobs import ADAPTOR_BYTES
from cfd_core.errors import PeerViolation, RuleViolation
from cfd_core.values import Role

AUX = b"\x05" * 32


@pytest.fixture(scope="module")
def pair(workshop: Any) -> Any:
    """The maker's signing job and the taker's verifying job for what it makes."""
    contract = workshop.contract()
    job = signing.sign_cets_job(contract.draft, contract.maker.keys, AUX)
    return job, signing.verify_cets_job(contract.draft, Role.TAKER, jobs.sign_cets(job))


def test_signed_and_verified(pair: Any) -> None:
    job, check = pair
    assert len(job) == len(check) == len(check.signatures) // ADAPTOR_BYTES > 10
    assert jobs.verify_cets(check) is None
    assert jobs.sign_cets(job) == check.signatures, "a replay signs the same again"


@given(data=st.data())
def test_slices_joined_are_the_whole(pair: Any, data: st.DataObject) -> None:
    job, check = pair
    cuts = sorted(data.draw(st.lists(st.integers(0, len(job)), max_size=4)))
    borders = list(zip([0, *cuts], [*cuts, len(job)], strict=True))
    parts = [job.slice(start, stop) for start, stop in borders]
    assert sum(len(part) for part in parts) == len(job)
    assert b"".join(part.digests for part in parts) == job.digests
    assert tuple(point for part in parts for point in part.points) == job.points
    checks = [check.slice(start, stop) for start, stop in borders]
    assert b"".join(part.signatures for part in checks) == check.signatures


def test_slices_work_like_the_whole(pair: Any) -> None:
    job, check = pair
    middle = len(job) // 2
    assert jobs.sign_cets(job.slice(0, middle)) + jobs.sign_cets(job.slice(middle, len(job))) == check.signatures
    assert jobs.sign_cets(job.slice(3, 3)) == b""
    for part in (check.slice(0, middle), check.slice(middle, len(check)), check.slice(3, 3)):
        assert jobs.verify_cets(part) is None


def test_jobs_travel(pair: Any) -> None:
    for job in pair:
        assert pickle.loads(pickle.dumps(job)) == job  # noqa: S301 -- our own bytes


def test_reprs_hold_no_secret(pair: Any) -> None:
    job, check = pair
    key = job.key.reveal()
    for text in (repr(job), repr(check), str(job), f"{job!r:.1000}"):
        assert key.hex() not in text
        assert repr(key)[2:-1] not in text
        assert len(text) < 300, "nor thousands of signatures"


def broken(check: Any, index: int, at: int, change: int) -> Any:
    raw = bytearray(check.signatures)
    raw[index * ADAPTOR_BYTES + at] ^= change
    return evolve(check, signatures=bytes(raw))


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("at", [0, 1, 33, 34, 66, 97, 98, 130, 161])
def test_the_first_invalid_signature_is_found(pair: Any, place: str, at: int) -> None:
    check = pair[1]
    index = {"first": 0, "middle": len(check) // 2, "last": len(check) - 1}[place]
    bad = broken(check, index, at, 1)
    assert jobs.verify_cets(bad) == index
    assert jobs.verify_cets(broken(bad, len(check) - 1, 140, 1)) == index
    assert jobs.verify_cets(bad.slice(index, len(check))) == 0
    assert jobs.verify_cets(bad.slice(0, index)) is None


def test_signatures_of_another_order_or_key_are_invalid(pair: Any) -> None:
    job, check = pair
    rolled = check.signatures[ADAPTOR_BYTES:] + check.signatures[:ADAPTOR_BYTES]
    assert jobs.verify_cets(evolve(check, signatures=rolled)) == 0
    assert jobs.verify_cets(evolve(check, signatures=bytes(len(check.signatures)))) == 0
    assert jobs.verify_cets(evolve(check, signatures=b"\xff" * len(check.signatures))) == 0
    assert jobs.verify_cets(evolve(check, key=job.points[0].encode())) == 0


@pytest.mark.parametrize("extra", [-ADAPTOR_BYTES, -1, 1, ADAPTOR_BYTES])
def test_too_few_or_too_many_signatures(workshop: Any, pair: Any, extra: int) -> None:
    packed = pair[1].signatures
    packed = packed[:extra] if extra < 0 else packed + bytes(extra)
    with pytest.raises(PeerViolation, match="bytes of CET signatures where"):
        signing.verify_cets_job(workshop.draft(), Role.TAKER, packed)


def test_a_job_whose_parts_differ_in_number_is_no_job(pair: Any) -> None:
    job, check = pair
    for short in (evolve(job, points=job.points[:-1]), evolve(job, digests=job.digests[:-32])):
        with pytest.raises(RuleViolation, match="digests to sign for"):
            jobs.sign_cets(short)
    for short in (evolve(check, points=check.points[:-1]), evolve(check, digests=check.digests[:-32])):
        with pytest.raises(RuleViolation, match="one encryption point and one digest"):
            jobs.verify_cets(short)
