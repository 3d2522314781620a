"""The crypto jobs on any executor: the same signatures, and the same first culprit, however the work is cut."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from attrs import evolve
from cfd_node.jobs import JobRunner

from cfd_core.contract.jobs import ADAPTOR_BYTES, SignCetsJob, VerifyCetsJob, sign_cets, verify_cets
from cfd_core.crypto.secp import public_key
from cfd_core.errors import RuleViolation
from cfd_core.values import Secret

COUNT = 11


def secret(label: str) -> Secret:
    return Secret(hashlib.sha256(label.encode()).digest())


KEY = secret("key")
SIGN = SignCetsJob(
    KEY,
    b"".join(hashlib.sha256(b"digest %d" % number).digest() for number in range(COUNT)),
    tuple(public_key(secret(f"point {number}")) for number in range(COUNT)),
    bytes(32),
)
SIGNED = sign_cets(SIGN)
VERIFY = VerifyCetsJob(public_key(KEY).encode(), SIGN.digests, SIGN.points, SIGNED)


@pytest.fixture(params=["1 thread", "2 threads", "2 processes", "7 threads", "20 threads"])
def runner(request: pytest.FixtureRequest) -> Iterator[JobRunner]:
    workers = int(request.param.split()[0])
    executor: Executor
    if "processes" in request.param:
        executor = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    else:
        executor = ThreadPoolExecutor(workers)
    with executor:
        yield JobRunner(executor, workers)


def spoilt(at: int, *, malformed: bool = False) -> VerifyCetsJob:
    """The job with the signature at this index altered: another scalar, or no point at all."""
    place = at * ADAPTOR_BYTES + (0 if malformed else ADAPTOR_BYTES - 1)
    changed = bytearray(SIGNED)
    changed[place] ^= 0x40 if malformed else 1
    return evolve(VERIFY, signatures=bytes(changed))


async def test_it_signs_and_verifies_as_one_call_does(runner: JobRunner) -> None:
    assert await runner.sign(SIGN) == SIGNED
    assert await runner.verify(VERIFY) is None
    assert await runner.verify(spoilt(4)) == 4
    assert await runner.verify(spoilt(9, malformed=True)) == 9


@pytest.mark.parametrize("at", range(COUNT))
@pytest.mark.parametrize("malformed", [False, True])
def test_the_first_invalid_one_is_named(at: int, malformed: bool) -> None:
    assert verify_cets(spoilt(at, malformed=malformed)) == at


def test_of_several_the_first_is_named() -> None:
    both = bytearray(spoilt(7).signatures)
    both[3 * ADAPTOR_BYTES] ^= 0x40
    assert verify_cets(evolve(VERIFY, signatures=bytes(both))) == 3
    both = bytearray(spoilt(2).signatures)
    both[5 * ADAPTOR_BYTES] ^= 0x40
    assert verify_cets(evolve(VERIFY, signatures=bytes(both))) == 2


def test_a_signature_of_the_wrong_cet_is_not_valid() -> None:
    swapped = SIGNED[ADAPTOR_BYTES : 2 * ADAPTOR_BYTES] + SIGNED[:ADAPTOR_BYTES] + SIGNED[2 * ADAPTOR_BYTES :]
    assert verify_cets(evolve(VERIFY, signatures=swapped)) == 0


def test_too_few_signatures_are_our_own_mistake() -> None:
    with pytest.raises(RuleViolation, match="each adaptor signature"):
        verify_cets(evolve(VERIFY, signatures=SIGNED[:-ADAPTOR_BYTES]))


async def test_nothing_to_do_is_done_at_once() -> None:
    with ThreadPoolExecutor(2) as executor:
        runner = JobRunner(executor, 2)
        assert await runner.sign(SIGN.slice(0, 0)) == b""
        assert await runner.verify(VERIFY.slice(0, 0)) is None


@pytest.mark.slow
def test_on_a_dask_cluster() -> None:
    program = [sys.executable, "-W", "error", str(Path(__file__).with_name("on_dask.py"))]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=600, check=False)
    assert (ran.returncode, ran.stdout.split()) == (0, ["done"]), ran.stderr


async def test_an_executor_that_was_lent_is_not_shut_down() -> None:
    with ThreadPoolExecutor(1) as executor:
        runner = JobRunner(executor, 1)
        runner.close()
        assert await runner.sign(SIGN) == SIGNED


async def test_its_own_executor_is_shut_down() -> None:
    runner = JobRunner(workers=1)
    assert await runner.sign(SIGN) == SIGNED
    runner.close()
    with pytest.raises(RuntimeError, match="shutdown"):
        await runner.sign(SIGN)
