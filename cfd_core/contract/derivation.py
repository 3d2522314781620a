"""From a purpose back to the digests that it signs: what a signer elsewhere does before it signs anything."""

from collections.abc import Callable, Mapping
from typing import Final

from cfd_core.contract.close import build_close
from cfd_core.contract.draft import COMMIT_VOUT, Draft
from cfd_core.contract.jobs import DIGEST_BYTES, pieces
from cfd_core.contract.punish import MAX_FEE_SHARE, punish_digest, punishment
from cfd_core.contract.purpose import Action, Purpose
from cfd_core.errors import RuleViolation
from cfd_core.values import Role


def role_of(draft: Draft, identity: bytes) -> Role:
    """Which party has this identity key; `RuleViolation` if neither has."""
    for role in Role:
        if draft.party(role).funder.identity == identity:
            return role
    raise RuleViolation("neither party of this contract has our identity key")


def digests_of(purpose: Purpose, role: Role) -> frozenset[bytes]:
    """What this side may sign for it: one digest, or those of all CETs. `RuleViolation` if it makes no sense."""
    return _DIGESTS[purpose.action](purpose, role)


def _commit(purpose: Purpose, _role: Role) -> frozenset[bytes]:
    return frozenset({purpose.draft.commit_digest})


def _refund(purpose: Purpose, _role: Role) -> frozenset[bytes]:
    return frozenset({purpose.draft.refund_digest})


def _cets(purpose: Purpose, _role: Role) -> frozenset[bytes]:
    return frozenset(pieces(purpose.draft.cet_digests, DIGEST_BYTES))


def _close(purpose: Purpose, _role: Role) -> frozenset[bytes]:
    if purpose.price is None:
        raise RuleViolation("a close has a price")
    return frozenset({build_close(purpose.draft, purpose.price).digest})


def _punish(purpose: Purpose, role: Role) -> frozenset[bytes]:
    draft, spent = purpose.draft, purpose.draft.commit.outputs[COMMIT_VOUT].sats
    if purpose.sats is None or not spent - spent // MAX_FEE_SHARE <= purpose.sats <= spent:
        raise RuleViolation("a punishment takes what the commit has, less a fee of half of it at most")
    return frozenset({punish_digest(draft, punishment(draft, role, purpose.sats))})


_DIGESTS: Final[Mapping[Action, Callable[[Purpose, Role], frozenset[bytes]]]] = {
    Action.COMMIT: _commit,
    Action.PUBLISH: _commit,
    Action.REFUND: _refund,
    Action.CETS: _cets,
    Action.CET: _cets,
    Action.CLOSE: _close,
    Action.PUNISH: _punish,
}
