"""The signer's side of the conversation: a request, judged, and its answer."""

from threading import Lock
from typing import assert_never

from cfd_core.contract.purpose import Action, Purpose
from cfd_core.crypto.keys import CfdKeys, Keychain
from cfd_core.crypto.signer import SignerRefused
from cfd_core.errors import CfdError, DecodeError, RuleViolation
from cfd_core.values import CfdId
from cfd_signer import requests as r
from cfd_signer.memory import Memory
from cfd_signer.rules import Judged, Rules, check_digest, judge

_ELSEWHERE = (Action.COMMIT, Action.CETS)
"""For the counterparty: signed by requests of their own, as adaptor signatures, never as plain ones."""


class Desk:
    """The keys, the rules, and what was done before. May be asked from several threads."""

    def __init__(self, keychain: Keychain, rules: Rules, memory: Memory) -> None:
        """`RuleViolation` for keys of another network than the rules are for."""
        if keychain.network is not rules.network:
            raise RuleViolation(f"keys for {keychain.network.value}, and rules for {rules.network.value}")
        self._keychain, self._rules, self._memory = keychain, rules, memory
        self._lock = Lock()

    def answer(self, request: r.Request) -> r.Answer:
        """What is told. Raises nothing for a request that decoded, but for a memory that cannot be written."""
        try:
            return self._answer(request)
        except SignerRefused as refusal:
            return r.Refused(str(refusal))
        except CfdError as error:
            return r.Refused(f"that makes no sense: {error}")

    def _answer(self, request: r.Request) -> r.Answer:
        match request:
            case r.AskNetwork():
                return r.ToldNetwork(self._rules.network)
            case r.AskKeys(cfd, revision):
                return r.ToldKeys(self._keychain.cfd_keys(cfd, revision).public)
            case r.AskSignature(cfd, revision, digest, purpose):
                return r.Told(self._sign(cfd, revision, digest, purpose))
            case r.AskCommit(cfd, revision, aux, purpose):
                return r.Told(self._sign_commit(cfd, revision, aux, purpose))
            case r.AskCets(cfd, revision, start, stop, aux, purpose):
                return r.Told(self._sign_cets(cfd, revision, range(start, stop), aux, purpose))
            case r.AskDecryption(cfd, revision, signature, purpose):
                return r.Told(self._decrypt(cfd, revision, signature, purpose))
            case r.AskRevocation(cfd, revision):
                keys = self._keychain.cfd_keys(cfd, revision)
                with self._lock:
                    self._memory.revoke(cfd, revision)
                return r.Told(keys.revocation.reveal())
            case _:
                assert_never(request)

    def _sign(self, cfd: CfdId, revision: int, digest: bytes, purpose: Purpose) -> bytes:
        if purpose.action in _ELSEWHERE:
            raise SignerRefused(f"the {purpose.action.value} is not signed in the clear")
        keys = self._keychain.cfd_keys(cfd, revision)
        check_digest(self._judge(cfd, keys, revision, purpose), digest)
        with self._lock:
            if purpose.action is Action.PUBLISH:
                self._memory.publish(cfd, revision)
            if purpose.action is Action.CLOSE:
                self._memory.agree(cfd, str(purpose.price))
        return keys.sign(digest, purpose)

    def _sign_commit(self, cfd: CfdId, revision: int, aux: bytes, purpose: Purpose) -> bytes:
        _must_be(purpose, Action.COMMIT)
        keys = self._keychain.cfd_keys(cfd, revision)
        judged = judge(self._rules, keys, revision, purpose)
        draft, theirs = judged.draft, judged.draft.party(judged.role.other)
        with self._lock:
            self._memory.commit(cfd, revision, draft.fingerprint)
        return keys.encrypt_sign(draft.commit_digest, theirs.points.publish, aux, purpose)

    def _sign_cets(self, cfd: CfdId, revision: int, part: range, aux: bytes, purpose: Purpose) -> bytes:
        _must_be(purpose, Action.CETS)
        keys = self._keychain.cfd_keys(cfd, revision)
        draft = judge(self._rules, keys, revision, purpose).draft
        if (part.start, part.stop) == (0, 0):  # whether it would: the node stands still until it knows
            return b""
        job = keys.cets_job(draft.cet_digests, draft.cet_points, aux, purpose)
        if not 0 <= part.start <= part.stop <= len(job):
            raise DecodeError(f"this contract has {len(job)} CETs")
        return job.slice(part.start, part.stop).run()

    def _decrypt(self, cfd: CfdId, revision: int, signature: bytes, purpose: Purpose) -> bytes:
        _must_be(purpose, Action.PUBLISH)
        keys = self._keychain.cfd_keys(cfd, revision)
        self._judge(cfd, keys, revision, purpose)
        with self._lock:
            self._memory.publish(cfd, revision)
        return keys.decrypt(signature, purpose)

    def _judge(self, cfd: CfdId, keys: CfdKeys, revision: int, purpose: Purpose) -> Judged:
        """What is ours alone to sign: a contract that the counterparty can carry out, we must be able to, too."""
        with self._lock:
            agreed = self._memory.signed(cfd, revision, purpose.draft.fingerprint)
        return judge(self._rules, keys, revision, purpose, agreed=agreed)


def _must_be(purpose: Purpose, action: Action) -> None:
    if purpose.action is not action:
        raise SignerRefused(f"that is no request for the {purpose.action.value}")
