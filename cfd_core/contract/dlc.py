"""Verified bundles: a draft together with the counterparty's signatures that make it enforceable."""

import hashlib

from attrs import define, evolve, field, frozen

from cfd_core.bitcoin.transaction import Transaction
from cfd_core.contract.draft import Draft
from cfd_core.contract.jobs import ADAPTOR_BYTES, VerifyCetsJob
from cfd_core.contract.purpose import Action, Purpose
from cfd_core.contract.scripts import both_witness
from cfd_core.crypto import adaptor, secp
from cfd_core.crypto.secp import Point
from cfd_core.crypto.signer import CetSigning, Signer
from cfd_core.errors import DecodeError, PeerViolation, RuleViolation
from cfd_core.oracle import Attestation
from cfd_core.payouts import ScheduleEntry
from cfd_core.values import Role, Secret


def sign_commit(draft: Draft, role: Role, keys: Signer, aux: bytes) -> bytes:
    """Our adaptor signature on the commit (162 bytes), encrypted to the counterparty's publish point."""
    point = draft.party(role.other).points.publish
    return keys.encrypt_sign(draft.commit_digest, point, aux, Purpose(action=Action.COMMIT, draft=draft))


def sign_refund(draft: Draft, keys: Signer) -> bytes:
    """Our DER signature on the refund."""
    return keys.sign(draft.refund_digest, Purpose(action=Action.REFUND, draft=draft))


def check_commit(draft: Draft, role: Role, signature: bytes) -> None:
    """`PeerViolation` unless the counterparty of `role` signed the commit for us."""
    key = Point.parse(draft.party(role.other).funder.identity)
    own_point = Point.parse(draft.party(role).points.publish)
    try:
        valid = adaptor.verify(signature, key, own_point, draft.commit_digest)
    except DecodeError:
        valid = False
    if not valid:
        raise PeerViolation("the adaptor signature on the commit is not valid")


def check_refund(draft: Draft, role: Role, signature: bytes) -> None:
    """`PeerViolation` unless the counterparty of `role` signed the refund."""
    key = Point.parse(draft.party(role.other).funder.identity)
    if not secp.ecdsa_verify(key, draft.refund_digest, signature):
        raise PeerViolation("the signature on the refund is not valid")


def sign_cets_job(draft: Draft, keys: Signer, aux: bytes) -> CetSigning:
    """The job that makes our CET signatures."""
    return keys.cets_job(draft.cet_digests, draft.cet_points, aux, Purpose(action=Action.CETS, draft=draft))


def verify_cets_job(draft: Draft, role: Role, packed: bytes) -> VerifyCetsJob:
    """The job that checks the counterparty's; `PeerViolation` when their number is wrong."""
    expected = len(draft.entries) * ADAPTOR_BYTES
    if len(packed) != expected:
        raise PeerViolation(f"{len(packed)} bytes of CET signatures where {expected} were due")
    identity = draft.party(role.other).funder.identity
    return VerifyCetsJob(identity, draft.cet_digests, draft.cet_points, packed)


@frozen
class SignedCet:
    """A CET ready to broadcast, and what it pays."""

    transaction: Transaction
    entry: ScheduleEntry


@define(frozen=True, slots=False, kw_only=True)
class Settleable:
    """A revision whose exits we can sign alone once its commit is on the chain, whoever published it.

    The counterparty's CET signatures are big and needed once, so only their SHA-256 stays here; the store keeps the
    packed bytes and hands them back for `sign_cet`.
    """

    role: Role
    draft: Draft = field(repr=False)
    their_refund: bytes = field(repr=False)
    cets_sha256: bytes = field(repr=lambda digest: digest.hex())

    @property
    def number(self) -> int:
        return self.draft.revision.number

    def witness(self, own_der: bytes, their_der: bytes, script: bytes) -> tuple[bytes, ...]:
        """Both signatures, each in its place."""
        maker, taker = (own_der, their_der) if self.role is Role.MAKER else (their_der, own_der)
        return both_witness(maker, taker, script)

    def sign_refund(self, keys: Signer) -> Transaction:
        """The refund, valid `refund_timelock` blocks after the commit."""
        own = sign_refund(self.draft, keys)
        return self.draft.refund.with_witness(0, self.witness(own, self.their_refund, self.draft.commit_script))

    def covers(self, attestation: Attestation) -> bool:
        """Whether this revision has a CET for the attested outcome."""
        return self.draft.covers(attestation.event_id, attestation.outcome)

    def sign_cet(self, keys: Signer, attestation: Attestation, packed: bytes) -> SignedCet:
        """The CET of the attested outcome, valid `cet_timelock` blocks after the commit.

        `packed` are the counterparty's CET signatures as stored. `RuleViolation` when they are not those, or when no
        CET covers the outcome.
        """
        if hashlib.sha256(packed).digest() != self.cets_sha256:
            raise RuleViolation("these are not the stored CET signatures of this revision")
        cets = self.draft.event(attestation.event_id)
        found = cets.find(attestation.outcome) if cets is not None else None
        if found is None:
            raise RuleViolation(f"no CET for {attestation.outcome} at {attestation.event_id}")
        index, entry = found
        signature = packed[index * ADAPTOR_BYTES : (index + 1) * ADAPTOR_BYTES]
        digest = self.draft.cet_digest(entry)
        theirs = secp.compact_to_der(adaptor.decrypt(signature, attestation.prefix_secret(entry.prefix)))
        key = Point.parse(self.draft.party(self.role.other).funder.identity)
        if not secp.ecdsa_verify(key, digest, theirs):
            raise RuleViolation("the attestation does not decrypt the CET signature of its outcome")
        own = keys.sign(digest, Purpose(action=Action.CET, draft=self.draft))
        cet = self.draft.cet(entry).with_witness(0, self.witness(own, theirs, self.draft.commit_script))
        return SignedCet(cet, entry)


@define(frozen=True, slots=False, kw_only=True)
class Dlc(Settleable):
    """A revision that we can enforce alone, commit included."""

    own_commit: bytes = field(repr=False)
    """Our adaptor signature on the commit, as given to the counterparty."""
    their_commit: bytes = field(repr=False)

    def sign_commit(self, keys: Signer) -> Transaction:
        """The commit, ready to broadcast. Publishing it reveals our publish secret of this revision."""
        publish = Purpose(action=Action.PUBLISH, draft=self.draft)
        theirs = secp.compact_to_der(keys.decrypt(self.their_commit, publish))
        own = keys.sign(self.draft.commit_digest, publish)
        return self.draft.commit.with_witness(0, self.witness(own, theirs, self.draft.lock_script))


def publish_secret(draft: Draft, role: Role, own_commit: bytes, published: Transaction) -> Secret:
    """The counterparty's publish secret, from a commit that it published.

    `PeerViolation` when the witness is not made of our adaptor signature: then we published it ourselves, or whoever
    reports the transaction reports a false witness. Our signature counts with either of its two s: a miner may put the
    other one into a block, and a revoked commit must not get through that way.
    """
    witness = published.inputs[0].witness
    if len(witness) != 3 or len(witness[0]) < 9 or len(witness[1]) < 9:
        raise PeerViolation("a commit whose witness is not two signatures", culprit="chain")
    own_der = witness[1 if role is Role.MAKER else 0][:-1]
    key = Point.parse(draft.party(role).funder.identity)
    try:
        compact = secp.low_s(secp.der_to_compact(own_der))
        if not secp.ecdsa_verify(key, draft.commit_digest, secp.compact_to_der(compact)):
            raise PeerViolation("a commit without our signature", culprit="chain")
        point = Point.parse(draft.party(role.other).points.publish)
        return adaptor.recover(own_commit, compact, point)
    except DecodeError as error:
        raise PeerViolation("a commit whose witness does not decode", culprit="chain") from error


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
