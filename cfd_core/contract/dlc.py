"""The verified bundle: a draft together with every counterparty signature that makes it enforceable."""

import hashlib
from functools import cached_property

from attrs import define, evolve, field, frozen

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.contract.draft import Draft
from cfd_core.contract.jobs import ADAPTOR_BYTES, SignCetsJob, VerifyCetsJob
from cfd_core.contract.scripts import both_witness
from cfd_core.crypto import adaptor, secp
from cfd_core.crypto.keys import CfdKeys
from cfd_core.crypto.secp import Point
from cfd_core.errors import DecodeError, PeerViolation, RuleViolation
from cfd_core.oracle import Attestation
from cfd_core.payouts import ScheduleEntry
from cfd_core.values import Role, Secret


@frozen
class CommitAndRefund:
    """One side's signatures for the commit (encrypted to the other's publish point, 162 bytes) and refund (DER)."""

    commit: bytes = field(repr=False)
    refund: bytes = field(repr=False)


def sign_commit_and_refund(draft: Draft, role: Role, keys: CfdKeys, aux: bytes) -> CommitAndRefund:
    """What `role` gives the other side besides its CET signatures."""
    point = Point.parse(draft.party(role.other).points.publish)
    commit = adaptor.encrypt_sign(keys.identity, point, draft.commit_digest, aux)
    return CommitAndRefund(commit, secp.ecdsa_sign(keys.identity, draft.refund_digest))


def check_commit_and_refund(draft: Draft, role: Role, theirs: CommitAndRefund) -> None:
    """`PeerViolation` unless the counterparty of `role` signed both validly."""
    key = Point.parse(draft.party(role.other).funder.identity)
    own_point = Point.parse(draft.party(role).points.publish)
    if not _commit_valid(theirs.commit, key, own_point, draft.commit_digest):
        raise PeerViolation("the adaptor signature on the commit is not valid")
    if not secp.ecdsa_verify(key, draft.refund_digest, theirs.refund):
        raise PeerViolation("the signature on the refund is not valid")


def _commit_valid(signature: bytes, key: Point, point: Point, digest: bytes) -> bool:
    try:
        return adaptor.verify(signature, key, point, digest)
    except DecodeError:
        return False


def sign_cets_job(draft: Draft, keys: CfdKeys, aux: bytes) -> SignCetsJob:
    """The job that makes our CET signatures."""
    return SignCetsJob(keys.identity, draft.cet_digests, draft.packed_points, aux)


def verify_cets_job(draft: Draft, role: Role, packed: bytes) -> VerifyCetsJob:
    """The job that checks the counterparty's; `PeerViolation` when their number is wrong."""
    expected = len(draft.schedule.entries) * ADAPTOR_BYTES
    if len(packed) != expected:
        raise PeerViolation(f"{len(packed)} bytes of CET signatures where {expected} were due")
    identity = draft.party(role.other).funder.identity
    return VerifyCetsJob(identity, draft.cet_digests, draft.packed_points, packed)


@define(frozen=True, slots=False, kw_only=True)
class Dlc:
    """One revision that we can enforce alone, from `role`'s side.

    The counterparty's CET signatures are big and needed once, so only their SHA-256 stays here; the store keeps the
    packed bytes and hands them back for `sign_cet`.
    """

    revision: int
    role: Role
    draft: Draft
    ours: CommitAndRefund
    theirs: CommitAndRefund
    cets_sha256: bytes

    @cached_property
    def _own_first(self) -> bool:
        return self.role is Role.MAKER

    def _witness(self, own_der: bytes, their_der: bytes, script: bytes) -> tuple[bytes, ...]:
        maker, taker = (own_der, their_der) if self._own_first else (their_der, own_der)
        return both_witness(maker, taker, script)

    def sign_commit(self, keys: CfdKeys) -> Transaction:
        """The commit, ready to broadcast. Publishing it reveals our publish secret of this revision."""
        theirs = secp.compact_to_der(adaptor.decrypt(self.theirs.commit, keys.publish))
        own = secp.ecdsa_sign(keys.identity, self.draft.commit_digest)
        return self.draft.commit.with_witness(0, self._witness(own, theirs, self.draft.lock_script))

    def sign_refund(self, keys: CfdKeys) -> Transaction:
        """The refund, valid `refund_timelock` blocks after the commit."""
        own = secp.ecdsa_sign(keys.identity, self.draft.refund_digest)
        return self.draft.refund.with_witness(0, self._witness(own, self.theirs.refund, self.draft.commit_script))

    def sign_cet(self, keys: CfdKeys, attestation: Attestation, packed: bytes) -> tuple[Transaction, ScheduleEntry]:
        """The CET of the attested outcome, ready `cet_timelock` blocks after the commit.

        `packed` are the counterparty's CET signatures as stored; `RuleViolation` when they are not those.
        """
        if hashlib.sha256(packed).digest() != self.cets_sha256:
            raise RuleViolation("these are not the stored CET signatures of this revision")
        index, entry = self.draft.schedule.lookup(attestation.outcome)
        signature = packed[index * ADAPTOR_BYTES : (index + 1) * ADAPTOR_BYTES]
        digest = self.draft.cet_digest(entry)
        theirs = secp.compact_to_der(adaptor.decrypt(signature, attestation.prefix_secret(entry.prefix)))
        self._check_decrypted(digest, theirs)
        own = secp.ecdsa_sign(keys.identity, digest)
        cet = self.draft.cet(entry)
        return cet.with_witness(0, self._witness(own, theirs, self.draft.commit_script)), entry

    def _check_decrypted(self, digest: bytes, der: bytes) -> None:
        key = Point.parse(self.draft.party(self.role.other).funder.identity)
        if not secp.ecdsa_verify(key, digest, der):
            raise RuleViolation("the attestation does not decrypt the CET signature of its outcome")

    def recover_publish_secret(self, published: Transaction) -> Secret:
        """The counterparty's publish secret, from its published commit."""
        position = 0 if self._own_first else 1
        own_der = published.inputs[0].witness[1 - position][:-1]
        point = Point.parse(self.draft.party(self.role.other).points.publish)
        return adaptor.recover(self.ours.commit, secp.der_to_compact(own_der), point)

    def with_lock_witnesses(self, witnesses: tuple[tuple[bytes, ...], ...], role: Role) -> Transaction:
        """The lock with `role`'s witnesses filled in."""
        return fill_lock(self.draft, self.draft.lock, witnesses, role)


def input_positions(draft: Draft, role: Role) -> range:
    """Positions of this side's inputs in the lock."""
    maker = len(draft.maker.funder.inputs)
    return range(maker) if role is Role.MAKER else range(maker, maker + len(draft.taker.funder.inputs))


def fill_lock(draft: Draft, lock: Transaction, witnesses: tuple[tuple[bytes, ...], ...], role: Role) -> Transaction:
    """`lock` with one side's witnesses, in the order of its inputs; `PeerViolation` when their number is wrong."""
    positions = input_positions(draft, role)
    if len(witnesses) != len(positions):
        raise PeerViolation(f"{len(witnesses)} lock signatures for {len(positions)} inputs")
    inputs = list(lock.inputs)
    for position, witness in zip(positions, witnesses, strict=True):
        inputs[position] = evolve(inputs[position], witness=witness)
    return evolve(lock, inputs=tuple(inputs))
