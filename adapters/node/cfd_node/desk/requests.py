"""What counterparties asked for and nobody has answered."""

from cfd_web import models as m

from cfd_core.cfd.aggregate import Cfd
from cfd_core.engine import Engine, Run
from cfd_core.protocols.contract_setup import states as setup
from cfd_core.protocols.settlement import states as settlement
from cfd_core.values import Role


def requests_in(engine: Engine) -> tuple[m.Request, ...]:
    """All of them. Asked in each turn, so it looks at the live runs only: CFDs there may be thousands."""
    about = ((run, engine.cfds.get(run.cfd_id)) for run in engine.runs.values() if run.cfd_id is not None)
    found = (_request(cfd, run) for run, cfd in about if cfd is not None and not cfd.ended)
    return tuple(each for each in found if each is not None)


def request_of(engine: Engine, cfd: Cfd) -> m.Request | None:
    """What is asked about this CFD, if anything."""
    run = next((run for run in engine.runs.values() if run.cfd_id == cfd.id), None)
    return None if run is None else _request(cfd, run)


def _request(cfd: Cfd, run: Run) -> m.Request | None:
    match run.state:
        case setup.AwaitingDecision():
            return _asked(cfd, run, m.Request.Kind.ORDER, None)
        case settlement.AwaitingDecision(asked):
            paid = asked.close.maker if cfd.role is Role.MAKER else asked.close.taker
            told = _asked(cfd, run, m.Request.Kind.SETTLEMENT, paid - cfd.terms.margin(cfd.role))
            return told.model_copy(update={"price": asked.close.price})
        case _:
            return None


def _asked(cfd: Cfd, run: Run, kind: m.Request.Kind, gain: int | None) -> m.Request:
    return m.Request(
        kind=kind,
        cfd=cfd.id,
        peer=cfd.peer,
        position=cfd.position,
        quantity=cfd.terms.quantity,
        leverage=cfd.terms.leverage(cfd.position),
        price=cfd.terms.price,
        margin=cfd.terms.margin(cfd.role),
        gain=gain,
        answer_by=run.deadline,
    )
