"""The node's side: a keyring that holds no keys and asks the signer for everything."""

import socket
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from attrs import define, evolve, frozen

from cfd_core.contract.jobs import DIGEST_BYTES
from cfd_core.contract.purpose import Purpose
from cfd_core.crypto.secp import Point
from cfd_core.crypto.signer import PublicKeys, SignerRefused, SignerUnavailable
from cfd_core.errors import DecodeError
from cfd_core.values import CfdId, Network, Secret
from cfd_signer import requests as r
from cfd_signer.server import reader

Kind = TypeVar("Kind", bound=r.Answer)

TIMEOUT: Final = 60.0
"""Seconds for one answer; all CETs of a revision take about one."""


@frozen
class Road:
    """Where the signer listens. A connection for each question: there are a dozen in a contract's life."""

    path: Path

    def ask(self, request: r.Request, kind: type[Kind]) -> Kind:
        """The answer; `SignerRefused` or `SignerUnavailable`."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(TIMEOUT)
                connection.connect(str(self.path))
                connection.sendall(r.encode(request))
                answer = r.read_answer(reader(connection))
        except (OSError, EOFError, DecodeError) as error:
            raise SignerUnavailable(f"the signer at {self.path} does not answer: {error}") from error
        if isinstance(answer, r.Refused):
            raise SignerRefused(f"the signer refuses: {answer.reason}")
        if not isinstance(answer, kind):
            raise SignerUnavailable(f"the signer at {self.path} answers something else")
        return answer


@define(frozen=True, slots=False)
class RemoteSigner:
    """A `Signer` whose secrets are in another process."""

    road: Road
    cfd: CfdId
    revision: int

    @cached_property
    def public(self) -> PublicKeys:
        return self.road.ask(r.AskKeys(self.cfd, self.revision), r.ToldKeys).keys

    def sign(self, digest: bytes, purpose: object) -> bytes:
        return self._told(r.AskSignature(self.cfd, self.revision, digest, _purpose(purpose)))

    def encrypt_sign(self, digest: bytes, point: bytes, aux: bytes, purpose: object) -> bytes:  # noqa: ARG002
        return self._told(r.AskCommit(self.cfd, self.revision, aux, _purpose(purpose)))

    def cets_job(
        self,
        digests: bytes,
        points: tuple[Point, ...],  # noqa: ARG002
        aux: bytes,
        purpose: object,
    ) -> "RemoteCets":
        whole = r.AskCets(self.cfd, self.revision, 0, len(digests) // DIGEST_BYTES, aux, _purpose(purpose))
        job = RemoteCets(self.road, whole)
        job.slice(0, 0).run()  # a refusal is heard here, in the turn, and not where the work is done
        return job

    def decrypt(self, signature: bytes, purpose: object) -> bytes:
        return self._told(r.AskDecryption(self.cfd, self.revision, signature, _purpose(purpose)))

    def reveal_revocation(self) -> Secret:
        return Secret(self._told(r.AskRevocation(self.cfd, self.revision)))

    def _told(self, request: r.Request) -> bytes:
        return self.road.ask(request, r.Told).data


@frozen
class RemoteCets:
    """CET signatures that the signer makes."""

    road: Road
    request: r.AskCets

    def __len__(self) -> int:
        return self.request.stop - self.request.start

    def slice(self, start: int, stop: int) -> "RemoteCets":
        first = self.request.start
        return evolve(self, request=evolve(self.request, start=first + start, stop=first + min(stop, len(self))))

    def run(self) -> bytes:
        return self.road.ask(self.request, r.Told).data


@frozen
class RemoteKeyring:
    """A `Keyring` that knows where the signer is, and for which network it is."""

    network: Network
    road: Road

    @classmethod
    def at(cls, path: Path) -> "RemoteKeyring":
        """Ask the signer for its network; `SignerUnavailable` if it is not there."""
        road = Road(path)
        return cls(road.ask(r.AskNetwork(), r.ToldNetwork).network, road)

    def cfd_keys(self, cfd: CfdId, revision: int) -> RemoteSigner:
        return RemoteSigner(self.road, cfd, revision)


def _purpose(purpose: object) -> Purpose:
    if not isinstance(purpose, Purpose):
        raise TypeError(f"a signature has a purpose, not {type(purpose).__name__}")
    return purpose
