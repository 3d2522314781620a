"""Making adaptor signatures for many CETs as work to hand out: packed, picklable, cut anywhere between two CETs."""

from collections.abc import Iterator
from typing import Any, Final, Self

from attrs import evolve, field, frozen

from cfd_core.crypto import adaptor
from cfd_core.crypto.secp import Point, pack_points, unpack_points
from cfd_core.values import Secret

DIGEST_BYTES: Final = 32
ADAPTOR_BYTES: Final = adaptor.SIZE


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
        digests = self.digests[start * DIGEST_BYTES : stop * DIGEST_BYTES]
        return evolve(self, digests=digests, points=self.points[start:stop])

    def __reduce__(self) -> tuple[Any, ...]:
        return _sign_job, (self.key, self.digests, pack_points(self.points), self.aux)

    def run(self) -> bytes:
        """All signatures, packed, 162 bytes each."""
        digests = list(pieces(self.digests, DIGEST_BYTES))
        return b"".join(adaptor.encrypt_sign_each(self.key, self.points, digests, self.aux))


def _sign_job(key: Secret, digests: bytes, points: bytes, aux: bytes) -> SignCetsJob:
    """As it arrives in another process: all points in one object, which halves what handing a job over costs."""
    return SignCetsJob(key, digests, unpack_points(points), aux)
