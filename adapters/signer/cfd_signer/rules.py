"""What a signer signs: only contracts that it derives itself, within limits that its owner set."""

from attrs import frozen

from cfd_core.contract.derivation import digests_of, role_of
from cfd_core.contract.draft import Draft
from cfd_core.contract.purpose import Action, Purpose
from cfd_core.crypto.keys import CfdKeys
from cfd_core.crypto.signer import SignerRefused
from cfd_core.errors import CfdError
from cfd_core.oracle import Announcement, OracleKeys, SignatureStatus, read_announcement
from cfd_core.values import Network, Role, Sats


@frozen
class Oracle:
    """An oracle whose events a contract may settle on."""

    attestation: bytes
    """32 bytes, x-only."""
    announcement: bytes | None = None
    """The key of its announcements where that is another one (olivia); None: the same."""


@frozen(kw_only=True)
class Rules:
    """The owner's limits. Nothing that the node says can widen them."""

    network: Network
    max_loss: Sats
    """The most that one CFD may lock of ours: all that it can lose."""
    oracles: tuple[Oracle, ...]
    payout_scripts: frozenset[bytes] | None = None
    """Where our payouts may go; None: wherever the node's wallet says."""


@frozen
class Judged:
    """A purpose that the rules allow."""

    purpose: Purpose
    role: Role

    @property
    def draft(self) -> Draft:
        return self.purpose.draft


def judge(rules: Rules, keys: CfdKeys, revision: int, purpose: Purpose, *, agreed: bool = False) -> Judged:
    """What may be signed; `SignerRefused` says which rule forbids it.

    `agreed`: this very contract was signed before. Then it is carried out, whatever the limits are now.
    """
    try:
        role = role_of(purpose.draft, keys.public.identity)
        _check_contract(rules, keys, revision, purpose.draft, role)
        if not agreed:
            _check_limits(rules, purpose.draft, role)
        if not agreed and purpose.action is not Action.PUNISH:  # that pays all to us whatever the events were
            _check_events(rules, purpose.draft)
    except SignerRefused:
        raise
    except CfdError as error:
        raise SignerRefused(str(error)) from error
    return Judged(purpose, role)


def check_digest(judged: Judged, digest: bytes) -> None:
    """`SignerRefused` unless this digest follows from the purpose."""
    try:
        allowed = digest in digests_of(judged.purpose, judged.role)
    except CfdError as error:
        raise SignerRefused(str(error)) from error
    if not allowed:
        raise SignerRefused(f"that is not the digest of this contract's {judged.purpose.action.value}")


def _check_contract(rules: Rules, keys: CfdKeys, revision: int, draft: Draft, role: Role) -> None:
    terms, own = draft.terms, draft.party(role)
    if terms.network is not rules.network:
        raise SignerRefused(f"a contract for {terms.network.value}, and the keys are for {rules.network.value}")
    if draft.revision.number != revision:
        raise SignerRefused("the contract is of another revision than the keys")
    if (own.points.publish, own.points.revocation) != (keys.public.publish, keys.public.revocation):
        raise SignerRefused("the contract does not have our points")


def _check_limits(rules: Rules, draft: Draft, role: Role) -> None:
    terms, own = draft.terms, draft.party(role)
    if terms.margin(role) > rules.max_loss:
        raise SignerRefused(f"the contract risks {terms.margin(role):,} sats, and {rules.max_loss:,} are allowed")
    if rules.payout_scripts is not None and own.funder.payout_script not in rules.payout_scripts:
        raise SignerRefused("the contract pays us to a script that is not allowed")


def _check_events(rules: Rules, draft: Draft) -> None:
    if tuple(announcement.event_id for announcement in draft.announcements) != draft.revision.events:
        raise SignerRefused("the announcements are not those of the contract's events")
    for announcement in draft.announcements:
        _check_announcement(rules, announcement)


def _check_announcement(rules: Rules, announcement: Announcement) -> None:
    """Read again, from the raw bytes: with other nonces, somebody else than the oracle could attest."""
    oracle = next((known for known in rules.oracles if known.attestation == announcement.oracle_key), None)
    if oracle is None:
        raise SignerRefused("the contract settles on an oracle that is not allowed")
    keys = OracleKeys(oracle.attestation, oracle.announcement)
    read = read_announcement(announcement.dialect, announcement.raw, keys)
    if read.signature_status is not SignatureStatus.VERIFIED or read.nonces != announcement.nonces:
        raise SignerRefused("an announcement is not signed by the oracle")
    if read.digits != announcement.digits:
        raise SignerRefused("an announcement is not what it was read from")
