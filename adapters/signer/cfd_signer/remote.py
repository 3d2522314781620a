"""The node's side: a keyring that holds no keys and asks the signer for everything."""

import socket
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from attrs import define, evolve, field, frozen

from cfd_core.contract.jobs import DIGEST_BYTES
from cfd_core.contract.purpose import Purpose
from cfd_core.crypto.secp import Point
from cfd_core.crypto.signer import PublicKeys, SignerRefused, SignerUnavailable
from cfd_core.errors import DecodeError
from cfd_core.values import CfdId, Network, Secret
from cfd_signer import requests as r
from cfd_signer.server import reader

Kind = TypeVar("Kind", bound=r.Answer)

PATIENCE: Final = 6.0
"""Seconds for one answer: it takes some hundredths, and the node stands still meanwhile. Its peers notice eight."""
CETS_PATIENCE: Final = 60.0
"""Seconds for the CETs of a revision, or a part of them: all of them take about one, and nobody stands still."""
NOBODY: Final = CfdId("0" * 32)
"""A CFD that never is: the key that it would have tells one seed from another."""


@define(eq=False)
class Watch:
    """What is known of a signer by who looks after it. While there is trouble nothing is asked, so nobody waits."""

    trouble: str = ""
    """Why the signer is not asked; empty: it is. Set by whoever gets no answer, cleared only by who looks after it."""


@frozen
class Road:
    """Where the signer listens. A connection for each question: there are a dozen in a contract's life."""

    path: Path
    watch: Watch | None = field(default=None, eq=False, repr=False)
    """None: nobody looks after the signer, and each question finds out for itself whether it is there."""

    def ask(self, request: r.Request, kind: type[Kind], patience: float = PATIENCE) -> Kind:
        """The answer; `SignerRefused` or `SignerUnavailable`, after so many seconds at most."""
        if self.watch is None:
            return self.ask_anyway(request, kind, patience)
        if self.watch.trouble:
            raise SignerUnavailable(self.watch.trouble)
        try:
            return self.ask_anyway(request, kind, patience)
        except SignerUnavailable as error:
            self.watch.trouble = str(error)
            raise

    def ask_anyway(self, request: r.Request, kind: type[Kind], patience: float = PATIENCE) -> Kind:
        """As `ask`, whatever is known."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(patience)
                connection.connect(str(self.path))
                connection.sendall(r.encode(request))
                answer = r.read_answer(reader(connection))
        except (OSError, EOFError, DecodeError) as error:
            why = getattr(error, "strerror", None) or str(error) or "it hung up"
            raise SignerUnavailable(f"the signer at {self.path} does not answer: {why}") from error
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
        patience = CETS_PATIENCE if len(self) else PATIENCE
        return self.road.ask(self.request, r.Told, patience).data


@frozen
class Holder:
    """Whose keys a signer holds."""

    network: Network
    fingerprint: str
    """The same for one seed on one network, and for no other; in hex."""


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

    @classmethod
    def watched(cls, path: Path, network: Network) -> "RemoteKeyring":
        """Ask nothing yet: `road.watch` says that the signer was not met, until somebody who met it clears that."""
        return cls(network, Road(path, Watch(f"the signer at {path} has not been asked yet")))

    def cfd_keys(self, cfd: CfdId, revision: int) -> RemoteSigner:
        return RemoteSigner(self.road, cfd, revision)

    def meet(self) -> Holder:
        """Whose keys the signer holds, whatever is known of it; `SignerUnavailable`."""
        network = self.road.ask_anyway(r.AskNetwork(), r.ToldNetwork).network
        keys = self.road.ask_anyway(r.AskKeys(NOBODY, 0), r.ToldKeys).keys
        return Holder(network, keys.identity.hex())

    def has(self, cfd: CfdId, identity: bytes) -> bool:
        """Whether this is the CFD's identity key, whatever is known; `SignerUnavailable`."""
        return self.road.ask_anyway(r.AskKeys(cfd, 0), r.ToldKeys).keys.identity == identity


def _purpose(purpose: object) -> Purpose:
    if not isinstance(purpose, Purpose):
        raise TypeError(f"a signature has a purpose, not {type(purpose).__name__}")
    return purpose
