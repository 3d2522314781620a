"""The slow crypto of a contract as data: picklable jobs for pure functions, to run on any executor.

Digests and signatures lie packed one after the other in schedule order, the points stand in a tuple (to read one from
33 bytes costs a square root); so a job can be cut anywhere between two CETs, and the results of the pieces joined.
"""

from typing import Any, Self

from attrs import evolve, field, frozen

from cfd_core.crypto import adaptor
from cfd_core.crypto.cets import ADAPTOR_BYTES, DIGEST_BYTES, SignCetsJob, pieces
from cfd_core.crypto.secp import Point, pack_points, unpack_points
from cfd_core.crypto.signer import CetSigning
from cfd_core.errors import DecodeError

__all__ = [
    "ADAPTOR_BYTES",
    "DIGEST_BYTES",
    "SignCetsJob",
    "VerifyCetsJob",
    "pieces",
    "sign_cets",
    "verify_cets",
]


@frozen
class VerifyCetsJob:
    """The counterparty's adaptor signatures, to be checked one by one."""

    key: bytes
    digests: bytes = field(repr=False)
    points: tuple[Point, ...] = field(repr=False)
    signatures: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.digests) // DIGEST_BYTES

    def slice(self, start: int, stop: int) -> Self:
        signatures = self.signatures[start * ADAPTOR_BYTES : stop * ADAPTOR_BYTES]
        digests = self.digests[start * DIGEST_BYTES : stop * DIGEST_BYTES]
        return evolve(self, digests=digests, points=self.points[start:stop], signatures=signatures)

    def __reduce__(self) -> tuple[Any, ...]:
        return _verify_job, (self.key, self.digests, pack_points(self.points), self.signatures)


def _verify_job(key: bytes, digests: bytes, points: bytes, signatures: bytes) -> VerifyCetsJob:
    """As it arrives in another process."""
    return VerifyCetsJob(key, digests, unpack_points(points), signatures)


def sign_cets(job: CetSigning) -> bytes:
    """All signatures, packed, 162 bytes each."""
    return job.run()


def verify_cets(job: VerifyCetsJob) -> int | None:
    """Index of the first signature that is not valid (a malformed one is not), or None when all are valid.

    Nothing after the first is looked at, so a cheating peer costs no more than an honest one.
    """
    key = Point.parse(job.key)
    signatures, digests = list(pieces(job.signatures, ADAPTOR_BYTES)), list(pieces(job.digests, DIGEST_BYTES))
    try:
        return adaptor.first_invalid(signatures, key, job.points, digests)
    except DecodeError:  # one by one is slower, and only for a peer who cheats
        records = zip(signatures, job.points, digests, strict=True)
        return next((index for index, record in enumerate(records) if not _valid(key, *record)), None)


def _valid(key: Point, signature: bytes, point: Point, digest: bytes) -> bool:
    try:
        return adaptor.verify(signature, key, point, digest)
    except DecodeError:
        return False
