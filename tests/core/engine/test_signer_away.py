"""A signer that goes away at any moment of a story, or refuses: what the node does meanwhile, and when it is back."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve, frozen

from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.cfd import phases as p
from cfd_core.contract.purpose import Action, Purpose
from cfd_core.crypto.curve import Point
from cfd_core.crypto.keys import CfdKeys
from cfd_core.crypto.signer import CetSigning, Keyring, PublicKeys, SignerRefused, SignerUnavailable
from cfd_core.protocols.contract_setup import messages as setup
from cfd_core.protocols.settlement import messages as settlement
from cfd_core.testing import Pair, SimNode
from cfd_core.testing.crashes import Story, live_out, sign_once, verify_once
from cfd_core.testing.stories import KEY, close, mine, node_of, opened, roll, rolled, settle, speak, stories, take
from cfd_core.testing.verdict import check, kinds_of
from cfd_core.values import HOUR, CfdId, Network, Role, Secret

AWAY = "nobody signs"


class Switch:
    """A keyring that goes away when it is asked for the nth time, and that refuses what it is told to refuse."""

    def __init__(self, keychain: Keyring) -> None:
        self.keychain, self.network = keychain, Network.REGTEST
        self.asked = 0
        self.goes_at: int | None = None
        self.away = False
        self.refuses: frozenset[Action] = frozenset()

    def cfd_keys(self, cfd: CfdId, revision: int) -> "Switched":
        keys = self.keychain.cfd_keys(cfd, revision)
        assert isinstance(keys, CfdKeys)
        return Switched(self, keys)

    def ask(self, purpose: object = None) -> None:
        self.asked += 1
        self.away = self.away or self.asked - 1 == self.goes_at
        if self.away:
            raise SignerUnavailable(AWAY)
        if isinstance(purpose, Purpose) and purpose.action in self.refuses:
            raise SignerRefused(f"no {purpose.action.value}")


@frozen
class Switched:
    """A `Signer` behind the switch."""

    switch: Switch
    keys: CfdKeys

    @property
    def public(self) -> PublicKeys:
        self.switch.ask()
        return self.keys.public

    def sign(self, digest: bytes, purpose: object) -> bytes:
        self.switch.ask(purpose)
        return self.keys.sign(digest, purpose)

    def encrypt_sign(self, digest: bytes, point: bytes, aux: bytes, purpose: object) -> bytes:
        self.switch.ask(purpose)
        return self.keys.encrypt_sign(digest, point, aux, purpose)

    def cets_job(self, digests: bytes, points: tuple[Point, ...], aux: bytes, purpose: object) -> CetSigning:
        self.switch.ask(purpose)
        return self.keys.cets_job(digests, points, aux, purpose)

    def decrypt(self, signature: bytes, purpose: object) -> bytes:
        self.switch.ask(purpose)
        return self.keys.decrypt(signature, purpose)

    def reveal_revocation(self) -> Secret:
        self.switch.ask()
        return self.keys.reveal_revocation()


class Patient:
    """What a shell does about a signer: what could not be said waits, in the order of each stream."""

    def __init__(self, node: SimNode) -> None:
        self.node, self.switch = node, Switch(node.settings.keychain)
        node.settings = evolve(node.settings, keychain=self.switch)
        node.engine = evolve(node.engine, settings=node.settings)
        self._give: Callable[..., None] = node.give
        self.waiting: list[Any] = []
        self.away_for: set[type] = set()
        """What it was that had to wait."""
        node.give = self.give  # type: ignore[method-assign]

    def give(self, happened: Any, now: Any = None) -> None:
        run = getattr(happened, "run", None)
        behind = isinstance(happened, i.MessageReceived | i.StreamClosed | i.MessageUndecodable)
        if behind and any(run == getattr(other, "run", None) for other in self.waiting):
            self.waiting.append(happened)
            return
        try:
            self._give(happened, now)
        except SignerUnavailable:
            self.away_for.add(type(happened))
            if isinstance(happened, c.Command):  # its user tries again
                self.back()
                self._give(happened, now)
            else:
                self.waiting.append(happened)

    def back(self) -> None:
        self.switch.away = False
        waiting, self.waiting = self.waiting, []
        for happened in waiting:
            self.give(happened)
        self.node.give(i.TimerFired())
        self.node.todo.extend(self.node.engine.resume(self.node.now))


STORIES = {story.name: story for story in stories()}
"""Which of them, and whose signer is away."""
TOLD = [
    ("open", Role.TAKER),
    ("open", Role.MAKER),
    ("rollover by the taker", Role.TAKER),
    ("rollover by the taker", Role.MAKER),
    ("settle by the taker", Role.TAKER),
    ("settle by the taker", Role.MAKER),
    ("force close by the taker", Role.TAKER),
    ("force close by the taker", Role.MAKER),
    ("expiry", Role.TAKER),
    ("refund", Role.MAKER),
    ("punish the taker", Role.MAKER),
]


def tell(story: Story, role: Role, goes_at: int | None) -> tuple[Pair, Patient]:
    """The story, with a signer that goes away when asked for the nth time, and is back when the act is over."""
    pair = story.begin()
    pair.sign_cets, pair.verify_cets = sign_once, verify_once
    patient = Patient(node_of(pair, role))
    patient.switch.goes_at = goes_at
    for act in story.acts:
        act(pair)
        if patient.switch.away:
            patient.back()
        pair.run()
    assert not patient.waiting
    live_out(pair, story.price)
    if patient.switch.away:  # it went in the end that every story gets
        patient.back()
        live_out(pair, story.price)
    return pair, patient


@pytest.mark.slow
@pytest.mark.parametrize(("name", "role"), TOLD, ids=[f"{name}: the {role.value}'s" for name, role in TOLD])
def test_a_signer_that_goes_away_costs_nothing(name: str, role: Role) -> None:
    story = STORIES[name]
    pair, patient = tell(story, role, None)
    check(pair)
    kinds = kinds_of(pair, KEY)
    assert patient.switch.asked
    for number in range(patient.switch.asked):
        pair, patient = tell(story, role, number)
        check(pair)
        assert kinds_of(pair, KEY) == kinds
        assert not node_of(pair, role).engine.unsigned
        assert patient.away_for <= WAITS
    assert not patient.switch.away


WAITS = {i.MessageReceived, i.CoinsReserved, i.CetsSigned, i.CetsVerified, i.AnnouncementReceived, c.ForceClose}
"""All that may have to be said again; the news of chain, oracle and clock never wait."""


def test_the_chain_is_followed_while_nobody_signs_what_follows_from_it() -> None:
    pair = opened()
    patient = Patient(pair.taker)
    patient.switch.away = True
    speak(24, 60_000)(pair)
    pair.later(HOUR)  # the maker did not settle: both would go to the chain
    taker = pair.taker
    assert isinstance(taker.phase, p.CommitPending), "the maker's commit is seen"
    assert taker.engine.unsigned[KEY].reason == AWAY, "its own CET"
    pair.mine(15)
    assert isinstance(taker.phase, p.Closed), "by the maker's CET"
    assert not taker.engine.unsigned
    assert not patient.waiting


def test_what_is_put_off_is_told_and_happens_when_the_signer_is_back() -> None:
    pair = opened()
    patient = Patient(pair.taker)
    patient.switch.away = True
    pair.oracle.down = True
    pair.maker.die()
    pair.later(48 * HOUR)
    taker = pair.taker
    assert isinstance(taker.phase, p.Open)
    assert (taker.engine.unsigned[KEY].reason, taker.engine.unsigned[KEY].refused) == (AWAY, False)
    height = taker.engine.tip
    pair.mine(3)
    assert taker.engine.tip == height + 3
    assert taker.engine.deadline is None or taker.engine.deadline > taker.now, "nobody asks again and again"
    patient.back()
    pair.run()
    assert isinstance(taker.phase, p.CommitPending)
    assert not taker.engine.unsigned


def test_a_command_that_nobody_signs_has_not_happened() -> None:
    pair = opened()
    switch = Switch(pair.taker.settings.keychain)
    engine = evolve(pair.taker.engine, settings=evolve(pair.taker.settings, keychain=switch))
    switch.away = True
    with pytest.raises(SignerUnavailable, match=AWAY):
        engine.handle(c.ForceClose(KEY), pair.taker.now)


# --- refusals


def test_a_refused_setup_says_why_to_its_own_user_alone() -> None:
    pair = STORIES["open"].begin()
    patient = Patient(pair.taker)
    patient.switch.refuses = frozenset({Action.REFUND})
    take(pair)
    assert isinstance(pair.taker.phase, p.SetupFailed)
    assert pair.taker.phase.reason == "no refund"
    assert isinstance(pair.maker.phase, p.SetupFailed)
    assert "our signer refuses" in pair.maker.phase.reason
    assert "no refund" not in pair.maker.phase.reason
    assert pair.taker.sent(setup.Reject)
    assert not pair.taker.engine.unsigned
    assert KEY not in pair.taker.wallet.reserved


def test_a_refused_close_ends_its_run_alone_and_is_told() -> None:
    pair = opened()
    patient = Patient(pair.taker)
    patient.switch.refuses = frozenset({Action.CLOSE})
    settle((Role.TAKER, 50_000))(pair)
    taker = pair.taker
    assert isinstance(taker.phase, p.Open)
    assert (taker.engine.unsigned[KEY].reason, taker.engine.unsigned[KEY].refused) == ("no close", True)
    assert not taker.conversations
    assert taker.sent(settlement.Reject)
    mine(1)(pair)
    assert KEY in taker.engine.unsigned, "until something happens to the CFD"
    roll(Role.TAKER)(pair)
    assert taker.held.live.number == 1
    assert KEY not in taker.engine.unsigned


def test_a_refused_reaction_stops_nothing_else_and_is_asked_for_again_with_each_block() -> None:
    pair = opened()
    patient = Patient(pair.taker)
    patient.switch.refuses = frozenset({Action.PUBLISH})
    pair.maker.die()
    pair.later(48 * HOUR)
    taker = pair.taker
    assert taker.engine.unsigned[KEY].refused
    height, asked = taker.engine.tip, patient.switch.asked
    pair.mine(2)
    assert (taker.engine.tip, patient.switch.asked) == (height + 2, asked + 2)
    patient.switch.refuses = frozenset()
    pair.mine(1)
    assert isinstance(taker.phase, p.COMMITTED)
    assert not taker.engine.unsigned


def test_a_refused_cet_is_asked_for_again_with_each_block() -> None:
    pair = opened()
    close(Role.TAKER)(pair)
    pair.mine(1)
    patient = Patient(pair.taker)
    patient.switch.refuses = frozenset({Action.CET})
    pair.maker.die()
    speak(24, 60_000)(pair)
    taker = pair.taker
    pair.mine(12)
    assert isinstance(taker.phase, p.CommitConfirmed)
    assert "no our CET" in taker.engine.unsigned[KEY].reason
    patient.switch.refuses = frozenset()
    pair.mine(1)
    assert isinstance(taker.phase, p.ExitPending)


def test_a_revocation_that_nobody_signs_is_given_later() -> None:
    """On a resume: the counterparty asks until it gets it, and nothing else waits."""
    pair = rolled()
    patient = Patient(pair.taker)
    patient.switch.away = True
    pair.reconnect()
    assert not patient.waiting
    patient.back()
    pair.run()
    assert not pair.taker.engine.unsigned


def test_a_backup_is_trusted_while_nobody_signs_and_what_is_due_happens_later() -> None:
    """As `cfd trust` does it, which has no signer at all."""
    pair = opened()
    patient = Patient(pair.taker)
    pair.maker.die()
    pair.restore(pair.taker, pair.taker.backup())
    pair.later(48 * HOUR)
    patient.switch.away = True
    taker = pair.taker
    taker.give(c.TrustBackup(KEY))
    assert taker.event_names()[-1] == "BackupTrusted"
    assert isinstance(taker.phase, p.Open)
    assert taker.engine.unsigned[KEY].reason == AWAY
    patient.back()
    pair.run()
    assert isinstance(taker.phase, p.CommitPending)
