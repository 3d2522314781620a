"""Opening a CFD: the taker takes an offer, the maker gets an order."""

from fractions import Fraction
from itertools import pairwise
from typing import Final

from attrs import evolve

from cfd_core import effects as f
from cfd_core.cfd import commands as c
from cfd_core.cfd import events as e
from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.offer import Offer
from cfd_core.contract.terms import ContractTerms
from cfd_core.crypto.secp import tagged_hash
from cfd_core.engine import offers, runs
from cfd_core.engine.turn import Run, Turn
from cfd_core.errors import CfdError, PeerViolation, RuleViolation
from cfd_core.protocols.contract_setup import machine, messages
from cfd_core.protocols.contract_setup import states as s
from cfd_core.values import HOUR, CfdId, PeerId, Role, RunId, cfd_id

KEY_TAG: Final = "cfd/key-id"
"""For ever, as all from which keys are derived; but what comes of it is stored with the order."""


def take(turn: Turn, command: c.TakeOffer) -> None:
    """Taker: place an order on a maker's offer."""
    offer = next((o for o in turn.market.get(command.maker, ()) if o.id == command.offer), None)
    if offer is None:
        raise RuleViolation(f"that maker has no offer {command.offer}")
    terms = offer.terms(command.position, command.quantity, command.leverage)
    check_payable(terms)
    if len(command.entropy) != 32:
        raise RuleViolation("taking an offer needs 32 bytes of entropy")
    key = cfd_id(command.entropy[:16].hex())
    if key in turn.cfds:
        raise RuleViolation("this entropy was used before")
    cfd = _place(turn, key, Role.TAKER, command.maker, offer, terms, key_id=key)
    order = messages.Order(key, offer.id, command.position, command.quantity, command.leverage)
    run_id, protocol = RunId(f"setup:{key}"), messages.PROTOCOL
    run = runs.open_run(turn, run_id, command.maker, protocol, command.entropy, cfd_id=key, ours=True)
    opening = f.OpenStream(run.id, run.peer, messages.PROTOCOL)
    runs.follow(turn, run, machine.start_taker(_setup(turn, run, cfd), order, opening))


def ordered(turn: Turn, run: Run, order: messages.Order) -> None:
    """Maker: check the order against our own offer. Any refusal is told to the taker."""
    try:
        offer = turn.offers.get(order.offer)
        if offer is None:
            raise PeerViolation("there is no such offer, or not any more")
        if order.cfd_id in turn.cfds:
            raise PeerViolation("this order was placed before")
        open_cfds = sum(not turn.cfds[key].ended for key in turn.with_peer(run.peer))
        if open_cfds >= turn.policy.max_cfds_per_peer:
            raise PeerViolation("too many open CFDs with you")
        if _failed_lately(turn, run.peer) >= turn.policy.max_failed_orders_per_hour:
            raise PeerViolation("too many of your orders came to nothing within an hour")
        terms = offer.terms(order.position, order.quantity, order.leverage)
        check_payable(terms)
        key_id = cfd_id(tagged_hash(KEY_TAG, bytes.fromhex(order.cfd_id) + run.entropy)[:16].hex())
        cfd = _place(turn, order.cfd_id, Role.MAKER, run.peer, offer, terms, key_id=key_id)
    except CfdError as error:
        runs.refuse(turn, run, order.cfd_id, str(error))
        return
    run = turn.runs[run.id] = evolve(run, cfd_id=cfd.id)
    runs.follow(turn, run, machine.start_maker(_setup(turn, run, cfd)))
    if terms.margin(Role.MAKER) <= turn.policy.accept_up_to:
        runs.answer_run(turn, turn.runs[run.id], s.OrderApproved())


def _failed_lately(turn: Turn, peer: PeerId) -> int:
    """Orders of this peer that left events and nothing else: each costs the store some, so they are limited."""
    known = (turn.cfds[key] for key in turn.with_peer(peer))
    recent = (cfd for cfd in known if cfd.opened_at > turn.now - HOUR)
    return sum(isinstance(cfd.phase, p.Rejected | p.SetupFailed) for cfd in recent)


def _place(
    turn: Turn, key: CfdId, role: Role, peer: PeerId, offer: Offer, terms: ContractTerms, *, key_id: CfdId
) -> Cfd:
    placed = e.OrderPlaced(
        cfd_id=key,
        role=role,
        peer=peer,
        offer=offer.id,
        terms=terms,
        announcements=offers.check_offer(turn, offer),
        at=turn.now,
        key_id=key_id,
    )
    return turn.begin(placed)


def _setup(turn: Turn, run: Run, cfd: Cfd) -> s.Setup:
    return s.Setup(
        run=run.id,
        cfd_id=cfd.id,
        role=cfd.role,
        terms=cfd.terms,
        announcements=cfd.announcements,
        keys=turn.keys(cfd.id, machine.FIRST_REVISION),
        aux=run.entropy,
    )


def check_payable(terms: ContractTerms) -> None:
    """`RuleViolation` for a contract that pays the same at every price, or that one side has lost at its opening."""
    if len(terms.schedule_of(terms.first_revision)) < 2:
        if _falls(terms):
            raise RuleViolation("the payoff falls somewhere as the price rises, which it must never do")
        raise RuleViolation("with this tolerance the contract would pay the same at every price")
    if not 0 < terms.curve.long_payout(Fraction(terms.price)) < terms.pool:
        raise RuleViolation("the fees eat a whole margin: one side would be liquidated at the opening price")


def _falls(terms: ContractTerms) -> bool:
    """Whether the long is seen to get less at a higher price, at some prices up to twice the opening one.

    A schedule of one entry has looked at no other prices than the first and the last.
    """
    last = (1 << terms.digits) - 1
    near = [min(int(terms.price * step / 8), last) for step in range(17)]
    paid = [terms.curve.long_payout(price) for price in (*near, last)]
    return any(later < earlier for earlier, later in pairwise(paid))
