"""Decisions: a CFD and what happened make events, or a refusal. Nothing here changes anything."""

from decimal import Decimal
from functools import lru_cache

from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd, Held
from cfd_core.cfd.lifecycle import legal
from cfd_core.cfd.observe import observe
from cfd_core.cfd.standing import Standing
from cfd_core.contract.close import build_close
from cfd_core.contract.dlc import check_commit
from cfd_core.contract.punish import check_revocation, revokes
from cfd_core.crypto.signer import Signer
from cfd_core.errors import PeerViolation, RuleViolation
from cfd_core.oracle import Announcement, read_attestation
from cfd_core.values import EventId, Secret, Timestamp, words_of

__all__ = [
    "attest",
    "check_can_close",
    "check_can_roll_over",
    "choose",
    "force_close",
    "is_due",
    "learn_standing",
    "observe",
    "restored",
    "sign_cet",
    "take_commit_signature",
    "take_revocation",
    "trust_backup",
]


def force_close(cfd: Cfd, keys: Signer, tip: int) -> tuple[e.CfdEvent, ...]:
    """Publish the live commit. Refused before there is one, after one is published, and while a backup is in doubt."""
    if isinstance(cfd.phase, p.COMMITTED) or (cfd.forced is not None and isinstance(cfd.phase, p.ClosePending)):
        raise RuleViolation("a commit is published already")
    if cfd.held is None or not isinstance(cfd.phase, p.LockPending | p.Open | p.ClosePending):
        raise RuleViolation(f"there is nothing to close while the CFD is {words_of(cfd.phase)}")
    _refuse_doubt(cfd)
    commit = cfd.held.live.sign_commit(keys).serialize()
    return (e.ForceCloseStarted(commit, e.CloseReason.COMMAND, tip),)


# --- after a restore from a backup ---------------------------------------------------------------------------------


def restored(cfd: Cfd, now: Timestamp) -> tuple[e.CfdEvent, ...]:
    """The books were put back: nothing of them is published until somebody says how far they can be relied on."""
    return (e.RestoredFromBackup(now),) if legal(cfd.phase, e.RestoredFromBackup(now)) else ()


def learn_standing(cfd: Cfd, keys: Signer, number: int, secret: bytes) -> tuple[e.CfdEvent, ...]:
    """What the counterparty says of its revision; `PeerViolation` for a proof that is none. `keys`: of our live one."""
    if cfd.held is None or cfd.standing in (None, Standing.REVOKED):
        return ()
    if secret and not revokes(keys.public.revocation, Secret(secret)):
        raise PeerViolation("that is not the revocation secret of our revision")
    # a word is no news to who was told that the counterparty is ahead, or trusts the backup; a proof always is
    heard = cfd.standing in (Standing.BEHIND, Standing.TRUSTED)
    same = cfd.standing is Standing.CURRENT and number <= cfd.held.live.number
    return () if not secret and (heard or same) else (e.StandingLearned(number, secret),)


def trust_backup(cfd: Cfd) -> tuple[e.CfdEvent, ...]:
    """The user takes the risk; refused where there is none, and where it is proven to be lost."""
    if cfd.standing is Standing.REVOKED:
        raise RuleViolation(cfd.doubt)
    if not cfd.doubt:
        raise RuleViolation("the books of this CFD are not in doubt")
    return (e.BackupTrusted(),)


def _refuse_doubt(cfd: Cfd) -> None:
    if cfd.doubt:
        raise RuleViolation(cfd.doubt)


# --- the oracle ----------------------------------------------------------------------------------------------------


def attest(cfd: Cfd, event: EventId, raw: bytes, kept: Announcement | None = None) -> tuple[e.CfdEvent, ...]:
    """Keep the oracle's word, once checked; `PeerViolation` or `DecodeError` when it does not hold.

    `kept`: the CFD's oracle's announcement of the event, for one that only a revoked revision was for. Of an outcome
    that no CET pays a short proof is kept. A second outcome of one event is proof that the oracle cannot be believed.
    """
    known = cfd.outcome_of(event)
    announcement = _announcement(cfd, event) or (kept if known is not None else None)
    if cfd.held is None or announcement is None:
        return ()
    attestation = _read(announcement, raw)
    if known is not None and attestation.outcome != known.outcome:
        doubted = any(doubt.first.event_id == event for doubt in cfd.equivocations)
        return () if doubted else (e.OracleEquivocated(known, attestation),)
    if any(dlc.covers(attestation) for dlc in cfd.held.unrevoked):
        heard = any(a.event_id == event for a in cfd.attestations)
        return () if heard else (e.OracleAttested(attestation),)
    return () if known is not None else (e.OutcomeNoted(attestation.brief),)


def hears_of(cfd: Cfd, event: EventId) -> bool:
    """Whether `attest` looks at the oracle's word on this event at all."""
    return cfd.held is not None and (_announcement(cfd, event) is not None or cfd.outcome_of(event) is not None)


_read = lru_cache(maxsize=4)(read_attestation)
"""One answer of the oracle is for many CFDs, and checking its digits costs half a millisecond."""


def _announcement(cfd: Cfd, event: EventId) -> Announcement | None:
    dlcs = cfd.held.unrevoked if cfd.held else ()
    found = (a for dlc in dlcs for a in dlc.draft.announcements if a.event_id == event)
    return next(found, None)


def choose(cfd: Cfd, outcome: int) -> tuple[e.CfdEvent, ...]:
    """Settle on one of two attested outcomes."""
    known = {a.outcome for doubt in cfd.equivocations for a in (doubt.first, doubt.second)}
    if outcome not in known:
        raise RuleViolation(f"the oracle did not attest {outcome} for this CFD")
    return (e.OutcomeChosen(outcome),)


def sign_cet(cfd: Cfd, keys: Signer, number: int, packed: bytes) -> tuple[e.CfdEvent, ...]:
    """Sign the CET of the attested outcome for the published revision, from the stored signatures."""
    attestation = cfd.attestation_for(number)
    dlc = cfd.held.settleable(number) if cfd.held else None
    if not isinstance(cfd.phase, p.COMMITTED) or attestation is None or dlc is None:
        return ()
    settles = attestation.event_id == dlc.draft.revision.settlement
    kind = e.ExitKind.CET if settles else e.ExitKind.LIQUIDATION
    signed = dlc.sign_cet(keys, attestation, packed)
    return (e.ExitSigned(kind=kind, number=number, transaction=signed.transaction.serialize()),)


# --- rollover and settlement ---------------------------------------------------------------------------------------


def check_can_roll_over(cfd: Cfd) -> Held:
    """`RuleViolation` says why not now."""
    if cfd.held is None or not isinstance(cfd.phase, p.Open):
        raise RuleViolation(f"a CFD that is {words_of(cfd.phase)} cannot be rolled over")
    if cfd.standing is not None:
        raise RuleViolation("a CFD that lived through a restore from a backup is not rolled over any more")
    if cfd.held.close is not None or cfd.close_reason is not None:
        raise RuleViolation("a close is signed or a commit was published: the CFD may end at any time")
    if cfd.held.old is not None:
        raise RuleViolation("the last rollover is not complete: the counterparty has not revoked the old revision")
    if is_due(cfd, cfd.held):
        raise RuleViolation("the oracle has attested: the CFD is due")
    return cfd.held


def is_due(cfd: Cfd, held: Held) -> bool:
    """Whether an attestation settles or liquidates the live revision; one of a replaced revision does not count."""
    return any(held.live.covers(attestation) for attestation in cfd.signed)


def check_can_close(cfd: Cfd, price: Decimal) -> Held:
    """`RuleViolation` says why a close at this price cannot be signed now."""
    if cfd.held is None or not isinstance(cfd.phase, p.LockPending | p.Open):
        raise RuleViolation(f"a CFD that is {words_of(cfd.phase)} cannot be settled together")
    if cfd.held.close is not None and Decimal(cfd.held.close.price) != price:
        raise RuleViolation(f"a close at {cfd.held.close.price} is signed: never a second price at the same time")
    if cfd.held.next is not None or cfd.held.old is not None:
        raise RuleViolation("a rollover is not complete")
    _refuse_doubt(cfd)
    build_close(cfd.held.live.draft, price)
    return cfd.held


def take_commit_signature(cfd: Cfd, number: int, signature: bytes) -> tuple[e.CfdEvent, ...]:
    """The counterparty's commit signature, sent again on a new connection; no news when we have it."""
    held = cfd.held
    if held is None or number <= held.live.number or not isinstance(cfd.phase, p.LockPending | p.Open):
        return ()
    if held.next is None and number == held.live.number + 1:
        return ()  # of a run that ended before we signed: they have to propose it again
    if cfd.standing is not None:
        # since the backup we may have published the commit that our secret would now give up, and forgotten that
        return ()
    if held.next is None or held.next.dlc.number != number:
        raise PeerViolation("a commit signature for a revision that we did not prepare")
    check_commit(held.next.dlc.draft, cfd.role, signature)
    return (e.RolloverSigned(signature),)


def take_revocation(cfd: Cfd, number: int, secret: Secret, tip: int) -> tuple[e.CfdEvent, ...]:
    """The counterparty's revocation, sent again on a new connection; no news when we have it."""
    held = cfd.held
    if held is None or cfd.ended or any(revoked.number == number for revoked in held.revoked):
        return ()
    if held.old is None or held.old.number != number:
        raise PeerViolation("a revocation of a revision that is not replaced")
    check_revocation(held.old.draft.party(cfd.role.other).points.revocation, secret)
    return (e.RevisionRevoked(number, secret.reveal(), tip),)
