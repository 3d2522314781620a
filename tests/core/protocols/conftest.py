"""A whole contract setup, and a rollover of it, walked through both machines: each phase and what legally arrives."""

import hashlib
from decimal import Decimal
from typing import Any

import pytest
from attrs import frozen
from embit.psbt import PSBT
from embit.script import Witness

from cfd_core import effects as f
from cfd_core import inputs as i
from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.transaction import Transaction, TxIn, TxOut
from cfd_core.contract import jobs
from cfd_core.contract.terms import ContractTerms
from cfd_core.crypto import secp
from cfd_core.crypto.keys import CfdKeys
from cfd_core.crypto.secp import public_key
from cfd_core.oracle import Announcement
from cfd_core.protocols.contract_setup import machine
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.contract_setup import states as s
from cfd_core.protocols.rollover import machine as typed_rollover
from cfd_core.protocols.rollover import messages as rm
from cfd_core.protocols.rollover import states as rs
from cfd_core.values import (
    CfdId,
    FeeRate,
    Network,
    OfferId,
    OutPoint,
    PeerId,
    Position,
    Role,
    RunId,
    Sats,
    Secret,
    Txid,
)

CFD = CfdId("ab" * 16)


def secret(label: str) -> Secret:
    return Secret(hashlib.sha256(label.encode()).digest())


@frozen
class Arrival:
    """Something that arrived in a phase, and what the machine made of it."""

    state: s.State
    arrived: Any
    step: machine.Step


class Party:
    """One machine with a wallet and an executor that answer at once."""

    def __init__(self, role: Role, announcement: Announcement) -> None:
        self.role = role
        name = role.value
        keys = CfdKeys(secret(f"{name} i"), secret(f"{name} r"), secret(f"{name} p"))
        self.coin_key = secret(f"{name} coin")
        self.script = b"\x00\x14" + scripts.hash160(public_key(self.coin_key).encode())
        self.change_script = b"\x00\x14" + hashlib.sha256(name.encode()).digest()[:20]
        self.payout_script = b"\x51\x20" + public_key(secret(f"{name} payout")).x_only()
        source = TxIn(OutPoint(Txid(hashlib.sha256(name.encode()).hexdigest()), 0))
        self.previous = Transaction((source,), (TxOut(Sats(5_000_000), self.script),))
        terms = ContractTerms(
            network=Network.REGTEST,
            product="BTCUSD-inverse",
            price=Decimal(50_000),
            quantity=1_000,
            taker_position=Position.LONG,
            taker_leverage=2,
            maker_leverage=1,
            event=announcement.event_id,
            digits=announcement.digits,
            opening_fee=Sats(0),
            funding_rate=Decimal(0),
            fee_rate=FeeRate(2),
            tolerance=Decimal("0.05"),
        )
        self.setup = s.Setup(
            run=RunId(name),
            cfd_id=CFD,
            role=role,
            terms=terms,
            announcements=(announcement,),
            keys=keys,
            aux=hashlib.sha256(b"aux" + name.encode()).digest(),
        )
        self.state: s.State = s.AwaitingDecision(self.setup)

    @property
    def coins(self) -> i.CoinsReserved:
        coin = i.Coin(self.previous.outpoint(0), self.previous.serialize())
        return i.CoinsReserved(CFD, (coin,), self.change_script, self.payout_script)

    def respond(self, effect: f.Effect) -> Any:
        """What our own side answers, or None."""
        match effect:
            case f.ReserveCoins():
                return self.coins
            case f.CheckInputs():
                return i.InputsChecked(CFD, ())
            case f.SignCets(_, run, job):
                return i.CetsSigned(CFD, run, jobs.sign_cets(job))
            case f.VerifyCets(_, run, job):
                return i.CetsVerified(CFD, run, jobs.verify_cets(job))
            case f.SignLock(_, psbt):
                return i.LockInputsSigned(CFD, self.sign(psbt))
            case _:
                return None

    def sign(self, raw: bytes) -> bytes:
        psbt = PSBT.parse(raw)
        tx = Transaction.parse(psbt.tx.serialize())
        for index, scope in enumerate(psbt.inputs):
            if scope.witness_utxo.script_pubkey.data == self.script:
                code = b"\x76\xa9" + self.script[1:] + b"\x88\xac"
                digest = tx.sighash_v0(index, code, Sats(scope.witness_utxo.value))
                signature = secp.ecdsa_sign(self.coin_key, digest) + b"\x01"
                scope.final_scriptwitness = Witness([signature, public_key(self.coin_key).encode()])
        return bytes(psbt.serialize())


class Walk:
    """The whole conversation; `arrivals` holds each phase of each role with what came and what followed."""

    def __init__(self, announcement: Announcement) -> None:
        self.parties = {role: Party(role, announcement) for role in Role}
        self.arrivals: list[tuple[Role, Arrival]] = []
        self.outcomes: dict[Role, list[machine.Outcome]] = {role: [] for role in Role}
        self._pending: list[tuple[Role, Any]] = []
        taker = self.parties[Role.TAKER]
        order = m.Order(CFD, OfferId("0f" * 16), Position.LONG, 1_000, 2)
        start = machine.start_taker(taker.setup, order, f.OpenStream(taker.setup.run, PeerId("maker"), m.PROTOCOL))
        taker.state = start.state
        self.started = start
        self._pending.append((Role.MAKER, s.OrderApproved()))
        while self._pending:
            self._arrive(*self._pending.pop(0))

    def _arrive(self, role: Role, arrived: Any) -> None:
        party = self.parties[role]
        from_peer = isinstance(arrived, i.Message)
        if isinstance(party.state, s.BUSY) and from_peer:
            self._pending.append((role, arrived))  # the engine's queue
            return
        handle = machine.on_message if from_peer else machine.on_answer
        step = handle(party.state, arrived)
        self.arrivals.append((role, Arrival(party.state, arrived, step)))
        self.outcomes[role] += step.outcomes
        party.state = step.state
        for effect in step.effects:
            if isinstance(effect, f.SendMessage):
                self._pending.append((role.other, effect.message))
            elif (answer := party.respond(effect)) is not None:
                self._pending.append((role, answer))

    def find(self, phase: type, role: Role | None = None) -> Arrival:
        """What legally arrived in a phase."""
        return next(a for r, a in self.arrivals if type(a.state) is phase and role in (None, r))


@pytest.fixture(scope="session")
def walk(recorded: tuple[Announcement, bytes]) -> Walk:
    return Walk(recorded[0])


RUN = RunId("r")
rollover: Any = typed_rollover
"""The walks below go through unions whose member each test knows."""


@frozen
class RolloverArrival:
    """Something that arrived in a phase of a rollover, and what the machine made of it."""

    role: Role
    state: Any
    arrived: Any
    step: Any


def keys_of(role: Role, number: int) -> CfdKeys:
    one = [Secret(hashlib.sha256(f"{role.value} {kind} {number}".encode()).digest()) for kind in "irp"]
    return CfdKeys(*one)


class RolloverWalk:
    """A rollover of the walked contract setup, proposed by one side; both own sides answer at once."""

    def __init__(self, walk: Any, announcement: Announcement, proposer: Role) -> None:
        live = next(o.dlc for o in walk.outcomes[Role.TAKER] if isinstance(o, machine.LockSigned)).draft
        self.terms = rm.Terms(
            settlement=announcement.event_id, liquidations=(), funding_rate=Decimal("0.0001"), hours=3
        )
        self.announcement = announcement
        self.rollovers = {role: self._rollover(walk, live, role) for role in Role}
        opening = f.OpenStream(RUN, PeerId("other"), rm.PROTOCOL)
        started = rollover.start_proposer(self.rollovers[proposer], self.terms, opening)
        (proposal,) = [x.message for x in started.effects if isinstance(x, f.SendMessage)]
        other = rollover.start_accepter(self.rollovers[proposer.other], proposal)
        self.states: dict[Role, Any] = {proposer: started.state, proposer.other: other.state}
        self.arrivals: list[RolloverArrival] = []
        self.outcomes: dict[Role, list[Any]] = {role: [] for role in Role}
        self.pending: list[tuple[Role, Any]] = [(proposer.other, rs.TermsAccepted(self.terms))]
        while self.pending:
            self._arrive(*self.pending.pop(0))

    def _rollover(self, walk: Any, live: Any, role: Role) -> rs.Rollover:
        old = walk.parties[role].setup.keys
        fresh = keys_of(role, 1)
        return rs.Rollover(
            run=RUN,
            cfd_id=CFD,
            role=role,
            live=live,
            old_keys=old,
            keys=CfdKeys(old.identity, fresh.revocation, fresh.publish),
            aux=hashlib.sha256(role.value.encode()).digest(),
        )

    def _arrive(self, role: Role, arrived: Any) -> None:
        state = self.states[role]
        from_peer = isinstance(arrived, i.Message)
        if from_peer and isinstance(state, rs.BUSY):
            self.pending.append((role, arrived))  # the engine's queue
            return
        step = (rollover.on_message if from_peer else rollover.on_answer)(state, arrived)
        self.arrivals.append(RolloverArrival(role, state, arrived, step))
        self.outcomes[role] += step.outcomes
        self.states[role] = step.state
        if isinstance(step.state, rs.CheckingAnswer):
            self.pending.append((role, rs.TermsAccepted(step.state.terms)))
        if isinstance(step.state, rs.AwaitingEvents):
            self.pending.append((role, rs.EventsKnown((self.announcement,))))
        for effect in step.effects:
            match effect:
                case f.SendMessage(_, message):
                    self.pending.append((role.other, message))
                case f.SignCets(_, run, job):
                    self.pending.append((role, i.CetsSigned(CFD, run, jobs.sign_cets(job))))
                case f.VerifyCets(_, run, job):
                    self.pending.append((role, i.CetsVerified(CFD, run, jobs.verify_cets(job))))
                case _:
                    pass

    def find(self, phase: type, role: Role | None = None) -> RolloverArrival:
        return next(a for a in self.arrivals if type(a.state) is phase and role in (None, a.role))


@pytest.fixture(scope="session")
def rolled(walk: Any, recorded: tuple[Announcement, bytes]) -> dict[Role, RolloverWalk]:
    """By proposer."""
    return {proposer: RolloverWalk(walk, recorded[0], proposer) for proposer in Role}
