"""A counterparty that lies in every field it may fill: refused, told why, and nothing of ours is spent or stuck."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.crypto.secp import public_key
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.values import CfdId, OutPoint, Role, Sats, Txid

LEGACY = b"\x76\xa9\x14" + bytes(20) + b"\x88\xac"
P2WSH = b"\x00\x20" + bytes(32)
roles = pytest.mark.parametrize("victim", list(Role), ids=lambda role: f"to the {role.value}")


def sides(pair: Any, victim: Role) -> tuple[Any, Any]:
    return (pair.maker, pair.taker) if victim is Role.MAKER else (pair.taker, pair.maker)


def coin(script: bytes, sats: int, label: str = "x") -> m.FundingInput:
    source = TxIn(OutPoint(Txid(hashlib.sha256(label.encode()).hexdigest()), 0))
    tx = Transaction((source,), (TxOut(Sats(sats), script),))
    return m.FundingInput(tx.outpoint(0), tx.serialize())


def richer(params: m.Params) -> m.Params:
    """The same coin, said to be worth more."""
    first = params.inputs[0]
    tx = Transaction.parse(first.previous)
    more = evolve(tx, outputs=(evolve(tx.outputs[0], sats=Sats(2 * tx.outputs[0].sats)),))
    return evolve(params, inputs=(evolve(first, previous=more.serialize()), *params.inputs[1:]))


def of_victim(victim: Any) -> m.FundingInput:
    tx = victim.wallet.coins[0]
    return m.FundingInput(tx.outpoint(0), tx.serialize())


def victim_key(victim: Any, name: str) -> bytes:
    return public_key(getattr(victim.settings.keychain.cfd_keys(victim.cfd.key_id, 0), name)).encode()


def script_of(params: m.Params) -> bytes:
    return Transaction.parse(params.inputs[0].previous).outputs[0].script


PARAMS: dict[str, tuple[Callable[[m.Params, Any], m.Params], str]] = {
    "an input worth more than it is": (lambda x, _: richer(x), "not an output of the transaction"),
    "another transaction id": (
        lambda x, _: evolve(x, inputs=(evolve(x.inputs[0], outpoint=OutPoint(Txid("11" * 32), 0)),)),
        "not an output of the transaction",
    ),
    "an output that is not there": (
        lambda x, _: evolve(x, inputs=(evolve(x.inputs[0], outpoint=evolve(x.inputs[0].outpoint, vout=1)),)),
        "not an output of the transaction",
    ),
    "no previous transaction": (
        lambda x, _: evolve(x, inputs=(evolve(x.inputs[0], previous=b""),)),
        "ends too early",
    ),
    "a previous transaction with a tail": (
        lambda x, _: evolve(x, inputs=(evolve(x.inputs[0], previous=x.inputs[0].previous + b"\x00"),)),
        "followed by other bytes",
    ),
    "our input": (lambda x, v: evolve(x, inputs=(of_victim(v),)), "an input of ours"),
    "our input besides its own": (lambda x, v: evolve(x, inputs=(*x.inputs, of_victim(v))), "an input of ours"),
    "our identity": (lambda x, v: evolve(x, identity=victim_key(v, "identity")), "key is used twice"),
    "our publish point": (lambda x, v: evolve(x, publish=victim_key(v, "publish")), "key is used twice"),
    "our revocation point": (lambda x, v: evolve(x, revocation=victim_key(v, "revocation")), "key is used twice"),
    "our identity as its revocation point": (
        lambda x, v: evolve(x, revocation=victim_key(v, "identity")),
        "key is used twice",
    ),
    "one key for two things": (lambda x, _: evolve(x, publish=x.identity), "key is used twice"),
    "a key that is no point": (lambda x, _: evolve(x, identity=bytes(33)), "not a compressed curve point"),
    "an x that is on no point": (
        lambda x, _: evolve(x, publish=b"\x02" + bytes(31) + b"\x05"),
        "not a compressed curve point",
    ),
    "our payout script": (lambda x, v: evolve(x, payout_script=v.wallet.payout_script), "a script of ours"),
    "our change script": (lambda x, v: evolve(x, change_script=v.wallet.change_script), "a script of ours"),
    "our change script for its payout": (
        lambda x, v: evolve(x, payout_script=v.wallet.change_script),
        "a script of ours",
    ),
    "a legacy input": (lambda x, _: evolve(x, inputs=(coin(LEGACY, 10**8),)), "not a standard segwit script"),
    "a script input": (lambda x, _: evolve(x, inputs=(coin(P2WSH, 10**8),)), "P2WPKH or P2TR"),
    "a legacy input besides good ones": (
        lambda x, _: evolve(x, inputs=(*x.inputs, coin(LEGACY, 10**8))),
        "not a standard segwit script",
    ),
    "legacy change": (lambda x, _: evolve(x, change_script=LEGACY), "not a standard segwit script"),
    "a legacy payout": (lambda x, _: evolve(x, payout_script=LEGACY), "not a standard segwit script"),
    "an unspendable payout": (lambda x, _: evolve(x, payout_script=b"\x6a"), "not a standard segwit script"),
    "an empty payout script": (lambda x, _: evolve(x, payout_script=b""), "not a standard segwit script"),
    "an anchor for change": (
        lambda x, _: evolve(x, change_script=bytes.fromhex("51024e73")),
        "not a standard segwit script",
    ),
    "too little money": (lambda x, _: evolve(x, inputs=(coin(script_of(x), 100_000),)), "short of margin and fees"),
    "no inputs": (lambda x, _: evolve(x, inputs=()), "1 to 50 inputs"),
    "too many inputs": (
        lambda x, _: evolve(x, inputs=tuple(coin(script_of(x), 10**6, str(n)) for n in range(51))),
        "1 to 50 inputs",
    ),
    "one input twice": (lambda x, _: evolve(x, inputs=x.inputs * 2), "the same input twice"),
}


@roles
@pytest.mark.parametrize("name", PARAMS)
def test_bad_params_end_the_setup_before_anything_is_signed(quick: Any, audit: Any, victim: Role, name: str) -> None:
    node, liar = sides(quick, victim)
    change, reason = PARAMS[name]
    quick.alter(node, m.Params, lambda params: change(params, node))
    quick.take()
    quick.run()
    assert isinstance(node.phase, p.SetupFailed)
    assert reason in node.phase.reason
    assert isinstance(liar.phase, p.SetupFailed)
    assert reason in liar.phase.reason, "the other side learns why"
    assert not node.sent(m.Signatures)
    audit(quick)


@roles
@pytest.mark.parametrize("part", ["payout_script", "change_script", "identity", "publish", "revocation"])
def test_a_party_that_tells_us_something_else_is_found_by_the_fingerprint(
    quick: Any, audit: Any, victim: Role, part: str
) -> None:
    """All of these are well formed; the two sides just derive other transactions."""
    node, liar = sides(quick, victim)
    if part.endswith("script"):
        other = b"\x00\x14" + b"\x55" * 20
    else:
        other = bytes.fromhex("02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5")
    quick.alter(node, m.Params, lambda params: evolve(params, **{part: other}))
    quick.take()
    quick.run()
    for side in (node, liar):
        assert isinstance(side.phase, p.SetupFailed)
        assert not side.sent(m.Signatures)
    assert "other transactions" in node.phase.reason + liar.phase.reason
    audit(quick)


@roles
def test_inputs_that_the_chain_does_not_know(quick: Any, audit: Any, victim: Role) -> None:
    node, liar = sides(quick, victim)
    node.input_problems = ("input 0 is spent already", "input 1 does not exist")
    quick.take()
    quick.run()
    assert node.phase == p.SetupFailed("input 0 is spent already; input 1 does not exist")
    assert "input 0 is spent already; input 1 does not exist" in liar.phase.reason
    audit(quick)


@roles
def test_another_fingerprint(quick: Any, audit: Any, victim: Role) -> None:
    node, liar = sides(quick, victim)
    quick.alter(node, m.Agreement, lambda message: evolve(message, fingerprint=bytes(32)))
    quick.take()
    quick.run()
    assert isinstance(node.phase, p.SetupFailed)
    assert "derived other transactions" in node.phase.reason
    assert "derived other transactions" in liar.phase.reason
    audit(quick)


def test_terms_that_changed_under_the_takers_hands(quick: Any, audit: Any) -> None:
    """The maker replaces its offer by a dearer one of the same id."""
    quick.maker.give(c.PublishOffer(evolve(quick.offer, ask=quick.offer.ask + 100)))
    quick.take()
    quick.run()
    for node in (quick.maker, quick.taker):
        assert isinstance(node.phase, p.SetupFailed)
        assert not node.sent(m.Signatures)
    audit(quick)


def flip(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def middle(message: m.Signatures) -> int:
    return len(message.cets) // 162 // 2 * 162


SIGNATURES: dict[str, tuple[Callable[[m.Signatures], m.Signatures], str]] = {
    "first CET": (lambda x: evolve(x, cets=flip(x.cets, 70)), "CET signature 0 is not valid"),
    "middle CET": (lambda x: evolve(x, cets=flip(x.cets, middle(x) + 150)), "CET signature"),
    "last CET": (lambda x: evolve(x, cets=flip(x.cets, len(x.cets) - 1)), "CET signature"),
    "a CET of zeros": (lambda x: evolve(x, cets=bytes(162) + x.cets[162:]), "CET signature 0 is not valid"),
    "two CETs swapped": (lambda x: evolve(x, cets=x.cets[162:324] + x.cets[:162] + x.cets[324:]), "CET signature 0"),
    "one CET too few": (lambda x: evolve(x, cets=x.cets[:-162]), "bytes of CET signatures where"),
    "one CET too many": (lambda x: evolve(x, cets=x.cets + x.cets[:162]), "bytes of CET signatures where"),
    "half a CET": (lambda x: evolve(x, cets=x.cets[:-81]), "bytes of CET signatures where"),
    "no CETs": (lambda x: evolve(x, cets=b""), "bytes of CET signatures where"),
    "commit": (lambda x: evolve(x, commit=flip(x.commit, 100)), "adaptor signature on the commit"),
    "commit of zeros": (lambda x: evolve(x, commit=bytes(162)), "adaptor signature on the commit"),
    "a CET's as the commit's": (lambda x: evolve(x, commit=x.cets[:162]), "adaptor signature on the commit"),
    "refund": (lambda x: evolve(x, refund=flip(x.refund, 40)), "signature on the refund"),
    "no refund": (lambda x: evolve(x, refund=b""), "signature on the refund"),
    "refund with a sighash byte": (lambda x: evolve(x, refund=x.refund + b"\x01"), "signature on the refund"),
    "a long refund": (lambda x: evolve(x, refund=x.refund + bytes(100_000)), "signature on the refund"),
}


@roles
@pytest.mark.parametrize("name", SIGNATURES)
def test_bad_signatures_end_the_setup_before_the_lock_is_signed(
    quick: Any, audit: Any, victim: Role, name: str
) -> None:
    node, liar = sides(quick, victim)
    change, reason = SIGNATURES[name]
    quick.alter(node, m.Signatures, change)
    quick.take()
    quick.run()
    assert isinstance(node.phase, p.SetupFailed), node.phase
    assert reason in node.phase.reason
    assert not node.sent(m.LockSignatures)
    assert not quick.broadcasts
    if victim is Role.TAKER:
        assert isinstance(liar.phase, p.SetupFailed)
        assert reason in liar.phase.reason
    audit(quick)


@roles
def test_signatures_that_are_a_copy_of_ours(quick: Any, audit: Any, victim: Role) -> None:
    node, _ = sides(quick, victim)
    ours: list[m.Signatures] = []

    def echo(message: m.Signatures) -> m.Signatures:
        ours.extend(x.message for x in node.done if hasattr(x, "message") and isinstance(x.message, m.Signatures))
        return ours[0] if ours else evolve(message, commit=bytes(162))

    quick.alter(node, m.Signatures, echo)
    quick.take()
    quick.run()
    assert isinstance(node.phase, p.SetupFailed)
    audit(quick)


LOCKS: dict[str, tuple[Callable[[m.LockSignatures], m.LockSignatures], str]] = {
    "no witnesses": (lambda x: evolve(x, witnesses=()), "lock signatures for"),
    "one too many": (lambda x: evolve(x, witnesses=x.witnesses * 2), "lock signatures for"),
    "an empty witness": (lambda x: evolve(x, witnesses=((),)), "lock input"),
    "a flipped bit": (
        lambda x: evolve(x, witnesses=((flip(x.witnesses[0][0], 30), x.witnesses[0][1]),)),
        "lock input",
    ),
    "another sighash": (
        lambda x: evolve(x, witnesses=((x.witnesses[0][0][:-1] + b"\x83", x.witnesses[0][1]),)),
        "lock input",
    ),
    "another key": (
        lambda x: evolve(x, witnesses=((x.witnesses[0][0], b"\x02" + bytes(31) + b"\x01"),)),
        "lock input",
    ),
    "a heavy witness": (lambda x: evolve(x, witnesses=((bytes(100_000), *x.witnesses[0]),)), "lock input"),
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_taker_that_does_not_sign_the_lock(quick: Any, audit: Any, name: str) -> None:
    change, reason = LOCKS[name]
    quick.alter(quick.maker, m.LockSignatures, change)
    quick.take()
    quick.run()
    assert isinstance(quick.maker.phase, p.SetupFailed)
    assert reason in quick.maker.phase.reason
    assert not quick.maker.sent(m.LockSignatures)
    assert not quick.broadcasts
    assert isinstance(quick.taker.phase, p.LockSignedUnseen), "its signature is out, so it keeps watching"
    audit(quick)


@pytest.mark.parametrize("name", LOCKS)
def test_a_maker_that_keeps_its_lock_signature(quick: Any, audit: Any, name: str) -> None:
    quick.alter(quick.taker, m.LockSignatures, LOCKS[name][0])
    quick.chain_speaks = False
    quick.take()
    quick.run()
    assert isinstance(quick.taker.phase, p.LockSignedUnseen)
    assert quick.taker.wallet.reserved == {quick.taker.cfd.id}
    assert isinstance(quick.maker.phase, p.LockPending)
    audit(quick)
    quick.chain_speaks = True
    quick.confirm_lock()
    assert isinstance(quick.taker.phase, p.Open), "the chain shows what the maker kept back"
    audit(quick)


@roles
@pytest.mark.parametrize("kind", [m.Params, m.Agreement, m.Signatures, m.LockSignatures], ids=lambda t: t.__name__)
def test_a_message_about_another_cfd(quick: Any, audit: Any, victim: Role, kind: type[Any]) -> None:
    node, _ = sides(quick, victim)
    quick.alter(node, kind, lambda message: evolve(message, cfd_id=CfdId("ee" * 16)))
    quick.take()
    quick.run()
    if not (kind is m.LockSignatures and victim is Role.TAKER):
        assert isinstance(node.phase, p.SetupFailed)
        assert node.phase.reason == "a message about another CFD"
    audit(quick)


@roles
@pytest.mark.parametrize("kind", [m.Params, m.Agreement, m.Signatures, m.LockSignatures], ids=lambda t: t.__name__)
@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"\xff", b"[" * 100_000, b"{" + b" " * 2**20 + b"}"], ids=lambda raw: raw[:3]
)
def test_bytes_that_are_no_message(quick: Any, audit: Any, victim: Role, kind: type[Any], raw: bytes) -> None:
    node, liar = sides(quick, victim)
    quick.alter(node, kind, lambda _message: raw)
    quick.take()
    quick.run()
    if not (kind is m.LockSignatures and victim is Role.TAKER):
        assert isinstance(node.phase, p.SetupFailed)
        assert node.phase.reason.startswith("undecodable message: ")
        assert liar.cfd.held is not None or "undecodable" in liar.phase.reason
    audit(quick)
