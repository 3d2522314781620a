"""A CFD as it is after so many of its events: kept beside its stream so that a start need not fold them all again.

A snapshot is never the source of truth. It is kept with the version it is of and the fingerprint of its form (`FORM`);
where either does not fit, it is thrown away and the events are folded. Announcements are referred to, like in events.
"""

import json
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from attrs import fields as attrs_fields
from cattrs import Converter
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.strategies import configure_tagged_union

from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.phases import Phase
from cfd_core.contract.draft import Draft, Party
from cfd_core.contract.punish import Revoked
from cfd_core.contract.scripts import RevisionPoints
from cfd_core.contract.terms import ContractTerms, RevisionTerms
from cfd_core.errors import CfdError, DecodeError
from cfd_core.oracle import Announcement
from cfd_core.serial import snapshot_form
from cfd_core.serial.conversion import encode_object
from cfd_core.values import EventId, OutPoint, Secret

Announced = Mapping[tuple[bytes, EventId], Announcement]
"""Announcements by the oracle's key and the event."""

_NO_SNAPSHOT: Final = (
    CfdError,
    ForbiddenExtraKeysError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
)
_FIELDS: Final = {part.name for part in attrs_fields(Cfd)}
_POINT: Final = 33
_FIXED: Final = 4 * _POINT + 32
"""Bytes of a revoked revision's points and secret; the commit signature is the rest."""


def announced_in(cfd: Cfd) -> Announced:
    """The announcements that a snapshot of this CFD refers to."""
    drafts = [dlc.draft for dlc in cfd.held.unrevoked] if cfd.held is not None else []
    found = (*cfd.announcements, *(a for draft in drafts for a in draft.announcements))
    return {(a.oracle_key, a.event_id): a for a in found}


class SnapshotCoder:
    """Makes bytes of CFDs and back. Dear to make, and not for several threads at once."""

    def __init__(self) -> None:
        self._announced: Announced = {}
        self._terms: ContractTerms | None = None
        """Of the CFD that is being read: all its revisions share them."""
        self._converter = self._make()

    def encode(self, cfd: Cfd) -> bytes:
        """Canonical JSON. It holds revocation secrets, like the events that it is made of."""
        fields = self._converter.unstructure(cfd)
        return encode_object({**fields, "announcements": _oracles(cfd.announcements)})

    def decode(self, raw: bytes, announced: Announced) -> Cfd:
        """The CFD; `DecodeError` for what is no snapshot, or refers to an announcement that is not among these."""
        self._announced = announced
        try:
            fields = json.loads(raw)
            if fields.keys() != _FIELDS:
                raise DecodeError("fields are missing, or there are unknown ones")
            self._terms = terms = self._converter.structure(fields["terms"], ContractTerms)
            held = fields["held"]
            first = terms.first_revision if held is None else self._revision(held["live"]["draft"]["revision"])
            announcements = self._found(fields["announcements"], first)
            return self._converter.structure({**fields, "terms": terms, "announcements": announcements}, Cfd)
        except _NO_SNAPSHOT as error:
            raise DecodeError(f"not a snapshot: {type(error).__name__}: {error!s:.100}") from error
        finally:
            self._announced, self._terms = {}, None

    # --- pieces ------------------------------------------------------------------------------------------------------

    def _make(self) -> Converter:
        made = Converter(forbid_extra_keys=True, detailed_validation=False)
        made.register_unstructure_hook(bytes, _text)
        made.register_structure_hook(bytes, lambda value, _: a2b_base64(value, strict_mode=True))
        made.register_unstructure_hook(Decimal, str)
        made.register_structure_hook(Decimal, lambda value, _: Decimal(value))
        made.register_unstructure_hook(OutPoint, str)
        made.register_structure_hook(OutPoint, lambda value, _: OutPoint.parse(value))
        made.register_unstructure_hook(Revoked, _revoked_out)
        made.register_structure_hook(Revoked, _revoked_in)
        made.register_unstructure_hook(Draft, self._draft_out)
        made.register_structure_hook(Draft, self._draft_in)
        made.register_unstructure_hook(Announcement, lambda _: None)
        made.register_structure_hook_func(lambda kind: kind == tuple[Announcement, ...], lambda value, _: value)
        read_terms = made.get_structure_hook(ContractTerms)
        made.register_structure_hook(
            ContractTerms, lambda value, kind: value if isinstance(value, ContractTerms) else read_terms(value, kind)
        )
        configure_tagged_union(Phase, made)
        return made

    def _draft_out(self, draft: Draft) -> dict[str, Any]:
        return {
            "revision": self._converter.unstructure(draft.revision),
            "announcements": _oracles(draft.announcements),
            "maker": self._converter.unstructure(draft.maker),
            "taker": self._converter.unstructure(draft.taker),
        }

    def _draft_in(self, fields: dict[str, Any], _kind: Any) -> Draft:
        if self._terms is None:
            raise DecodeError("a draft outside of a CFD")
        revision = self._revision(fields["revision"])
        return Draft(
            terms=self._terms,
            revision=revision,
            announcements=self._found(fields["announcements"], revision),
            maker=self._converter.structure(fields["maker"], Party),
            taker=self._converter.structure(fields["taker"], Party),
        )

    def _revision(self, fields: dict[str, Any]) -> RevisionTerms:
        return self._converter.structure(fields, RevisionTerms)

    def _found(self, oracles: list[str], revision: RevisionTerms) -> tuple[Announcement, ...]:
        """Of the revision's events, by one oracle, or by one for each."""
        keys = [bytes.fromhex(key) for key in oracles]
        each = keys * len(revision.events) if len(keys) == 1 else keys
        return tuple(self._announced[key, event] for key, event in zip(each, revision.events, strict=True))


def _oracles(announcements: tuple[Announcement, ...]) -> list[str]:
    keys = [announcement.oracle_key.hex() for announcement in announcements]
    return keys[:1] if len(set(keys)) == 1 else keys


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _revoked_out(revoked: Revoked) -> list[Any]:
    maker, taker = revoked.maker_points, revoked.taker_points
    points = (maker.publish, maker.revocation, taker.publish, taker.revocation)
    return [revoked.number, revoked.tip, _text(b"".join((*points, revoked.secret.reveal(), revoked.own_commit)))]


def _revoked_in(fields: list[Any], _kind: Any) -> Revoked:
    number, tip, text = fields
    data = a2b_base64(text, strict_mode=True)
    maker_publish, maker_revocation, taker_publish, taker_revocation = (
        data[start : start + _POINT] for start in range(0, 4 * _POINT, _POINT)
    )
    return Revoked(
        number=number,
        maker_points=RevisionPoints(maker_publish, maker_revocation),
        taker_points=RevisionPoints(taker_publish, taker_revocation),
        own_commit=data[_FIXED:],
        secret=Secret(data[4 * _POINT : _FIXED]),
        tip=tip,
    )


FORM: Final = snapshot_form.fingerprint(Cfd, (SnapshotCoder, _oracles, _text, _revoked_out, _revoked_in))
"""Changes with the fields of a CFD, with the fold, and with the coder above: 32 hex digits."""
