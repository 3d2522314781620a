"""The slow crypto of a contract as data: picklable jobs for pure functions, to run on any executor.

Digests and signatures lie packed one after the other in schedule order, the points stand in a tuple (to read one from
33 bytes costs a square root); so a job can be cut anywhere between two CETs, and the results of the pieces joined.
"""

from collections.abc import Iterator
from typing import Final, Self

from attrs import evolve, field, frozen

from cfd_core.crypto import adaptor
from cfd_core.crypto.secp import Point
from cfd_core.errors import DecodeError
from cfd_core.values import Secret

DIGEST_BYTES: Final = 32
ADAPTOR_BYTES: Final = 162


def pieces(packed: bytes, size: int) -> Iterator[bytes]:
    """The records of a packed sequence."""
    return (packed[at : at + size] for at in range(0, len(packed), size))


@frozen
class SignCetsJob:
    """Adaptor signatures for all CETs of one revision, each encrypted to its oracle point."""

    key: Secret
    digests: bytes = field(repr=False)
    points: tuple[Point, ...] = field(repr=False)
    aux: bytes = field(repr=False)
    """32 bytes of auxiliary randomness, mixed into every nonce."""

    def __len__(self) -> int:
        return len(self.digests) // DIGEST_BYTES

    def slice(self, start: int, stop: int) -> Self:
        digests, points = _cut(self, start, stop)
        return evolve(self, digests=digests, points=points)


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
        digests, points = _cut(self, start, stop)
        return evolve(self, digests=digests, points=points, signatures=signatures)


def _cut(job: SignCetsJob | VerifyCetsJob, start: int, stop: int) -> tuple[bytes, tuple[Point, ...]]:
    return job.digests[start * DIGEST_BYTES : stop * DIGEST_BYTES], job.points[start:stop]


def sign_cets(job: SignCetsJob) -> bytes:
    """All signatures, packed, 162 bytes each."""
    digests = list(pieces(job.digests, DIGEST_BYTES))
    return b"".join(adaptor.encrypt_sign_each(job.key, job.points, digests, job.aux))


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
