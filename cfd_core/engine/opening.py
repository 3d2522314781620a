"""Opening a CFD: the taker takes an offer, the maker gets an order."""

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import events as e
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.events import Recorded
from cfd_core.cfd.evolve import evolve as fold
from cfd_core.cfd.offer import Offer
from cfd_core.contract.terms import ContractTerms
from cfd_core.engine import offers, runs
from cfd_core.engine.turn import Run, Turn
from cfd_core.errors import CfdError, PeerViolation, RuleViolation
from cfd_core.protocols.contract_setup import machine as setup_machine
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.contract_setup import states as s
from cfd_core.values import CfdId, PeerId, Role, RunId, cfd_id


def take(turn: Turn, command: c.TakeOffer) -> None:
    offer = next((o for o in turn.market.get(command.maker, ()) if o.id == command.offer), None)
    if offer is None:
        raise RuleViolation(f"that maker has no offer {command.offer}")
    terms = offer.terms(command.position, command.quantity, command.leverage)
    _check_payable(terms)
    if len(command.entropy) != 32:
        raise RuleViolation("taking an offer needs 32 bytes of entropy")
    key = cfd_id(command.entropy[:16].hex())
    if key in turn.cfds:
        raise RuleViolation("this entropy was used before")
    place(turn, key, Role.TAKER, command.maker, offer, terms)
    order = m.Order(key, offer.id, command.position, command.quantity, command.leverage)
    run = runs.open_run(turn, RunId(f"setup:{key}"), command.maker, command.entropy)
    opening = f.OpenStream(run.id, run.peer, m.PROTOCOL)
    runs.follow(turn, run, setup_machine.start_taker(setup(turn, run, turn.cfds[key]), order, opening))


def stream_opened(turn: Turn, opened: i.StreamOpened) -> None:
    if opened.run in turn.runs:
        raise RuleViolation(f"run {opened.run} exists already")
    busy = sum(run.peer == opened.peer for run in turn.runs.values())
    if opened.protocol != m.PROTOCOL or busy >= turn.policy.max_runs_per_peer:
        turn.effects.append(f.CloseStream(opened.run))
        return
    runs.open_run(turn, opened.run, opened.peer, opened.entropy)


def message(turn: Turn, key: RunId, message: i.Message) -> None:
    run = turn.runs.get(key)
    if run is None:
        return  # the run has ended; what is still on the wire has no addressee
    if run.state is None:
        if isinstance(message, m.Order):
            ordered(turn, run, message)
        else:
            runs.refuse(turn, run, message.cfd_id, "the first message is an order")
    elif message.cfd_id != run.state.setup.cfd_id:
        runs.give_up(turn, key, "a message about another CFD", tell=True)
    elif isinstance(run.state, s.BUSY) and not isinstance(message, m.Reject):
        runs.queue(turn, run, message)
    else:
        runs.advance(turn, run, message)


def ordered(turn: Turn, run: Run, order: m.Order) -> None:
    """Maker: check the order against our own offer. Any refusal is told to the taker."""
    try:
        offer = turn.offers.get(order.offer)
        if offer is None:
            raise PeerViolation("there is no such offer, or not any more")
        if order.cfd_id in turn.cfds:
            raise PeerViolation("this order was placed before")
        open_cfds = sum(cfd.peer == run.peer and not cfd.ended for cfd in turn.cfds.values())
        if open_cfds >= turn.policy.max_cfds_per_peer:
            raise PeerViolation("too many open CFDs with you")
        terms = offer.terms(order.position, order.quantity, order.leverage)
        _check_payable(terms)
        place(turn, order.cfd_id, Role.MAKER, run.peer, offer, terms)
    except CfdError as error:
        runs.refuse(turn, run, order.cfd_id, str(error))
        return
    runs.follow(turn, run, setup_machine.start_maker(setup(turn, run, turn.cfds[order.cfd_id])))
    if terms.margin(Role.MAKER) <= turn.policy.accept_up_to:
        runs.answer_run(turn, turn.runs[run.id], s.OrderApproved())


def place(turn: Turn, key: CfdId, role: Role, peer: PeerId, offer: Offer, terms: ContractTerms) -> None:
    announcement = offers.check_offer(turn, offer)
    placed = e.OrderPlaced(
        cfd_id=key, role=role, peer=peer, offer=offer.id, terms=terms, announcement=announcement, at=turn.now
    )
    turn.cfds[key] = fold(None, placed)
    turn.events.append(Recorded(key, 1, placed))


def setup(turn: Turn, run: Run, cfd: Cfd) -> s.Setup:
    return s.Setup(
        run=run.id,
        cfd_id=cfd.id,
        role=cfd.role,
        terms=cfd.terms,
        announcement=cfd.announcement,
        keys=turn.keys(cfd.id),
        aux=run.entropy,
    )


def _check_payable(terms: ContractTerms) -> None:
    if len(terms.schedule) < 2:
        raise RuleViolation("with this tolerance the contract would pay the same at every price")
