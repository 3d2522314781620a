"""Rollovers by themselves: just after each hour, not all at once, and again after a failure."""

from cfd_core.cfd import commands as c
from cfd_core.cfd import decide
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.crypto import secp
from cfd_core.engine import rolling, runs
from cfd_core.engine.settings import Policy
from cfd_core.engine.tries import Tries, spread
from cfd_core.engine.turn import Turn
from cfd_core.errors import CfdError
from cfd_core.values import HOUR, Role, Timestamp


def next_try(cfd: Cfd, policy: Policy, tries: Tries | None) -> Timestamp | None:
    """When we propose a rollover by ourselves; None when we do not.

    A taker that switched it on, just after each hour from `rollover_from` before the expiry. Whoever signed a commit
    that the counterparty never completed, until it is completed: nothing else can be agreed on before.
    """
    held = cfd.held
    if held is None or not isinstance(cfd.phase, p.Open) or held.close is not None or decide.is_due(cfd, held):
        return None
    if held.old is not None:
        return None  # to be completed first, by a resume
    if held.next is not None:
        return tries.due(_who(cfd), policy.rollover_retry, policy.rollover_retry_most) if tries else cfd.opened_at
    if not policy.auto_rollover or cfd.role is not Role.TAKER:
        return None
    first = max(cfd.expiry - policy.rollover_from, cfd.opened_at)
    hour = -(-first // HOUR) * HOUR
    if tries is not None and tries.at >= hour:
        return tries.due(_who(cfd), policy.rollover_retry, policy.rollover_retry_most)
    return Timestamp(hour + spread(cfd.id, policy.rollover_spread))


def _who(cfd: Cfd) -> str:
    return f"rollover:{cfd.id}:{cfd.role.value}"


def try_due(turn: Turn) -> None:
    """Roll over what is due by itself; a refusal is told, and tried again later."""
    for key in turn.in_order(turn.timely):
        cfd = turn.cfds[key]
        due = next_try(cfd, turn.policy, turn.rollover_tries.get(key))
        if due is None or turn.now < due or runs.of_cfd(turn, key) is not None:
            continue
        entropy = secp.tagged_hash("cfd/auto-rollover", f"{key}:{turn.now}".encode())
        try:
            rolling.roll_over(turn, c.RollOver(key, entropy))
        except CfdError as error:
            rolling.tried(turn, cfd)
            runs.note_rollover_failure(turn, key, str(error))
