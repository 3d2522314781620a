"""Revisions by number: live, replaced, prepared and revoked."""

from attrs import evolve as replace

from cfd_core.cfd.aggregate import Held
from cfd_core.contract.draft import Draft, Party
from cfd_core.contract.punish import Revoked


def numbers(held: Held) -> tuple[int, ...]:
    """Every revision whose commit may show up, the likeliest first."""
    return (*(dlc.number for dlc in held.unrevoked), *(revoked.number for revoked in reversed(held.revoked)))


def draft_of(held: Held, number: int) -> Draft | None:
    """The transactions of a revision; of a revoked one only lock, commit and refund can be told."""
    dlc = held.settleable(number)
    if dlc is not None:
        return dlc.draft
    revoked = revoked_of(held, number)
    return None if revoked is None else _revoked_draft(held, revoked)


def revoked_of(held: Held, number: int) -> Revoked | None:
    return next((revoked for revoked in held.revoked if revoked.number == number), None)


def _revoked_draft(held: Held, revoked: Revoked) -> Draft:
    live = held.live.draft
    # what it settled on is forgotten, and does not matter: nothing of it is worth more than the punishment
    terms = replace(live.revision, number=revoked.number, liquidations=())
    return Draft(
        terms=live.terms,
        revision=terms,
        announcements=(),
        maker=Party(live.maker.funder, revoked.maker_points),
        taker=Party(live.taker.funder, revoked.taker_points),
    )
