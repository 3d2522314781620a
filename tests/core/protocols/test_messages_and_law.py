"""Names on the wire, lengths of fields, and that no handler gets past the table."""

from decimal import Decimal
from typing import Any

import pytest

from cfd_core.errors import DecodeError, PeerViolation, RuleViolation
from cfd_core.protocols.contract_setup import messages as setup
from cfd_core.protocols.rollover import messages as rollover
from cfd_core.protocols.settlement import messages as settle
from cfd_core.protocols.step import Step, take
from cfd_core.values import CfdId, OutPoint, Txid

CFD = CfdId("ab" * 16)


def test_protocols_have_these_names_on_the_wire() -> None:
    names = [setup.PROTOCOL, rollover.PROTOCOL, rollover.RESUME_PROTOCOL, settle.PROTOCOL]
    assert names == ["cfd-setup@1", "cfd-rollover@1", "cfd-resume@1", "cfd-settle@1"]


def params(**changes: bytes) -> setup.Params:
    fields: dict[str, Any] = {
        "identity": bytes(33),
        "publish": bytes(33),
        "revocation": bytes(33),
        "inputs": (setup.FundingInput(OutPoint(Txid("11" * 32), 0), b""),),
        "change_script": b"",
        "payout_script": b"",
    }
    return setup.Params(CFD, **{**fields, **changes})


@pytest.mark.parametrize("off", [-1, 1])
def test_fields_of_a_fixed_length(off: int) -> None:
    key, digest, adaptor = bytes(33 + off), bytes(32 + off), bytes(162 + off)
    makers: list[Any] = [
        lambda: params(identity=key),
        lambda: params(publish=key),
        lambda: params(revocation=key),
        lambda: setup.Agreement(CFD, digest),
        lambda: setup.Signatures(CFD, adaptor, b"", b""),
        lambda: rollover.Points(CFD, key, bytes(33)),
        lambda: rollover.Points(CFD, bytes(33), key),
        lambda: rollover.Agreement(CFD, digest),
        lambda: rollover.CommitSignature(CFD, 1, adaptor),
        lambda: rollover.Revocation(CFD, 0, digest),
        lambda: settle.Propose(CFD, Decimal(1), digest),
    ]
    for make in makers:
        with pytest.raises(DecodeError, match="must be"):
            make()


@pytest.mark.parametrize(("number", "secret"), [(0, 0), (0, 32), (2**31 - 1, 32)])
def test_what_a_restored_node_asks_and_is_told(number: int, secret: int) -> None:
    """The edges of what may be said of a revision, and what lies just beyond them."""
    assert rollover.Holding(CFD, number, bytes(secret)).number == number
    for bad in ((-1, secret), (2**31, secret), (number, secret + 1), (number, 31)):
        with pytest.raises(DecodeError, match="out of range"):
            rollover.Holding(CFD, bad[0], bytes(bad[1]))


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "1e12", "0.000000001"])
def test_a_closing_price_that_is_none(price: str) -> None:
    with pytest.raises(DecodeError, match="price"):
        settle.Propose(CFD, Decimal(price), bytes(32))


def test_no_handler_gets_past_the_table() -> None:
    law: Any = {(int, str): (int,)}
    handlers: Any = {(int, str): lambda state, _: Step(state), (int, bytes): lambda *_: Step("elsewhere")}
    assert take(handlers, law, 1, "x") == Step(1)
    with pytest.raises(AssertionError, match="int may not lead to str"):
        take(handlers, {(int, bytes): (int,)}, 1, b"")
    with pytest.raises(RuleViolation, match="float is not due while"):
        take(handlers, law, 1, 1.0)
    with pytest.raises(PeerViolation, match="Accept is not due while"):
        take(handlers, law, 1, setup.Accept(CFD))


def test_a_step_does_nothing_unless_told() -> None:
    assert (Step(1).effects, Step(1).outcomes) == ((), ())
