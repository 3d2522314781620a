"""Whether a maker takes an order: by itself, not at all, or by asking its user."""

from collections.abc import Container, Iterable

from attrs import frozen

from cfd_core.cfd.aggregate import Cfd
from cfd_core.values import PeerId, Role, Sats


@frozen(kw_only=True)
class MakerLimits:
    """What a maker risks without asking; sats of its own margins."""

    accept_up_to: Sats
    """Orders that lock more wait for a person."""
    per_peer: Sats | None = None
    """Orders are refused that would bring what is open with one taker above this; None: no limit."""
    total: Sats | None = None
    """The same for all takers together."""


@frozen
class Accept:
    """Within all limits."""


@frozen
class Ask:
    """A person decides; `reason` says why."""

    reason: str


@frozen
class Refuse:
    """Never; `reason` is fit for the taker."""

    reason: str


Verdict = Accept | Ask | Refuse


def judge(order: Cfd, cfds: Iterable[Cfd], limits: MakerLimits, blocked: Container[PeerId]) -> Verdict:
    """Judge a CFD that waits for our word. `cfds` are all of this node, the order among them or not.

    What is still being set up counts like what is open: of two orders at once, one may be the last that fits.
    """
    if order.peer in blocked:
        return Refuse("this maker takes no orders from you")
    others = [cfd for cfd in cfds if not cfd.ended and cfd.id != order.id]
    margin = _margin(order)
    with_peer = sum(_margin(cfd) for cfd in others if cfd.peer == order.peer)
    if limits.per_peer is not None and with_peer + margin > limits.per_peer:
        return Refuse("that would be more than this maker keeps open with one taker")
    if limits.total is not None and sum(map(_margin, others)) + margin > limits.total:
        return Refuse("that would be more than this maker keeps open in all")
    if margin > limits.accept_up_to:
        return Ask(f"it locks {margin:,} sats of ours, more than the {limits.accept_up_to:,} accepted without asking")
    return Accept()


def _margin(cfd: Cfd) -> Sats:
    return cfd.terms.margin(cfd.role)


def waits_for_maker(cfd: Cfd) -> bool:
    """Whether the order was placed with us."""
    return cfd.role is Role.MAKER and not cfd.ended and cfd.held is None
