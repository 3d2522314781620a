"""An oracle that signed two outcomes for one event: what each would pay, for the person who must choose."""

from cfd_web import models as m

from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd, Equivocation
from cfd_core.contract.dlc import Settleable
from cfd_core.values import Role


def outcomes_of(cfd: Cfd) -> tuple[m.SignedOutcome, ...]:
    """Both outcomes of each contradicted event; empty while the oracle has not contradicted itself.

    What they pay is by the revision whose commit is out, else by the live one.
    """
    if cfd.held is None:
        return ()
    number = cfd.phase.commit.number if isinstance(cfd.phase, p.COMMITTED) else cfd.held.live.number
    dlc = cfd.held.settleable(number)
    return tuple(
        _outcome(cfd, dlc, doubt, outcome)
        for doubt in cfd.equivocations
        for outcome in (doubt.first.outcome, doubt.second.outcome)
    )


def _outcome(cfd: Cfd, dlc: Settleable | None, doubt: Equivocation, outcome: int) -> m.SignedOutcome:
    event = doubt.first.event_id
    cets = dlc.draft.event(event) if dlc is not None else None
    found = cets.find(outcome) if cets is not None else None
    payout = None
    if dlc is not None and found is not None:
        maker, taker = dlc.draft.payouts(found[1])
        payout = maker if cfd.role is Role.MAKER else taker
    return m.SignedOutcome(
        event=event,
        outcome=outcome,
        chosen=doubt.chosen == outcome,
        payout=payout,
        gain=None if payout is None else payout - cfd.terms.margin(cfd.role),
    )
