"""The liars who wait for a counterparty that comes back from a backup: what they say of their revision is not so.

They want it to publish a commit that it revoked, to revoke one that it published, or to sign what it must not. Each is
a `Strategy` like the others.
"""
# ruff: noqa: ARG002 - the hooks have one signature, whether a strategy looks at all of it or not

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from attrs import evolve, frozen

from cfd_core.inputs import Message
from cfd_core.oracle import hourly_event_id
from cfd_core.protocols.rollover import messages as r
from cfd_core.protocols.settlement import messages as t
from cfd_core.serial import wire
from cfd_core.values import HOUR, Timestamp
from tests.adversaries.strategies import Strategy, race

Lines = Sequence[Message | bytes]


class Tempter(Strategy):
    """Everything is honest but the answer to "where do you stand?"."""

    def sends(self, arena: Any, message: Message) -> Lines:
        return self.answers(arena, message) if isinstance(message, r.Holding) else (message,)

    def answers(self, arena: Any, told: Any) -> Lines:
        raise NotImplementedError

    def permits(self, arena: Any, effect: Any) -> bool:
        """It lies in wait: no commit of its own, so that the other goes to the chain."""
        return not (hasattr(effect, "kind") and effect.kind == "commit")


@frozen
class Claim(Tempter):
    """A revision so far from the other's, without proof: 0 hides whatever is newer."""

    ahead: int

    @property
    def name(self) -> str:
        return f"{type(self).__name__} {self.ahead:+}"

    def answers(self, arena: Any, told: Any) -> Lines:
        number = max(0, arena.honest.held.live.number + self.ahead)
        return (evolve(told, number=number, secret=b""),)


class NoAnswer(Tempter):
    def answers(self, arena: Any, told: Any) -> Lines:
        return ()


@frozen
class FalseProof(Tempter):
    """A secret that is none, or that of another revision: the one before or after the other's."""

    of: int | None

    @property
    def name(self) -> str:
        return f"FalseProof {self.of}"

    def answers(self, arena: Any, told: Any) -> Lines:
        live = arena.honest.held.live.number
        if self.of is None:
            return (evolve(told, number=live + 1, secret=b"\x05" * 32),)
        of = live + self.of
        known = 0 <= of < max(arena.hand.commits) and of != live  # what the honest side once gave away
        keys = arena.honest.settings.keychain.cfd_keys(arena.honest.cfd.key_id, max(of, 0))
        revealed = keys.revocation.reveal() if known else b"\x06" * 32
        return (evolve(told, number=live, secret=revealed),)


class Contradict(Tempter):
    """Everything at once, again and again."""

    def answers(self, arena: Any, told: Any) -> Lines:
        live = arena.honest.held.live.number
        words = [evolve(told, number=number, secret=b"") for number in (live + 1, live, 0, live + 7, live)]
        return words * 20


class HideAndReplay(Claim):
    """Hides what is newer, then says again whatever it ever said in a rollover, and in turn."""

    def answers(self, arena: Any, told: Any) -> Lines:
        again = [
            raw
            for raw in dict.fromkeys(arena.said)
            if isinstance(wire.decode_message(raw), r.CommitSignature | r.Revocation)
        ]
        return (*super().answers(arena, told), *again, *reversed(again))

    def ticks(self, arena: Any) -> None:
        said = [wire.decode_message(raw) for raw in dict.fromkeys(arena.said)]
        lines = [x for x in said if isinstance(x, r.CommitSignature | r.Revocation)]
        for line in lines[:6]:
            arena.talk(r.RESUME_PROTOCOL, (line,))
        for number in range(4):
            arena.talk(r.RESUME_PROTOCOL, (r.Holding(arena.liar.cfd.id, number, b""),))
        arena.run()


class HideAndPropose(Claim):
    """Hides what is newer, and wants the next revision, with keys that it knows, or any close."""

    def ticks(self, arena: Any) -> None:
        live = arena.honest.held.live.draft
        expiry = Timestamp(arena.now // HOUR * HOUR + 24 * HOUR)
        terms = r.Terms(
            settlement=hourly_event_id(expiry), liquidations=(), funding_rate=arena.offer.funding_rate, hours=2
        )
        key = arena.liar.cfd.id
        arena.talk(r.PROTOCOL, (r.Propose(key, live.commit.txid, terms),))
        arena.talk(t.PROTOCOL, (t.Propose(key, Decimal(30_000), bytes(32)), t.CloseSignature(key, bytes(70))))
        arena.run()


@frozen
class HideAndPublish(Tempter):
    """Hides what is newer, and some blocks later publishes a commit of its own, however revoked: -1 its newest."""

    which: int

    @property
    def name(self) -> str:
        return f"HideAndPublish {self.which}"

    def answers(self, arena: Any, told: Any) -> Lines:
        return (evolve(told, number=arena.honest.held.live.number, secret=b""),)

    def strikes(self, arena: Any) -> None:
        arena.publish_at = arena.chain.height + 5

    def ticks(self, arena: Any) -> None:
        numbers = sorted(arena.hand.commits)
        if arena.chain.height >= arena.publish_at and -len(numbers) <= self.which < len(numbers):
            arena.publish(arena.hand.commits[numbers[self.which]])
            race(arena)


@frozen
class LateTruth(Claim):
    """Hides what is newer for some ticks, then proves it."""

    blocks: int

    @property
    def name(self) -> str:
        return f"LateTruth {self.blocks}"

    def ticks(self, arena: Any) -> None:
        arena.late = getattr(arena, "late", 0) + 1
        if arena.late == self.blocks:
            arena.strategy = Strategy()
            arena.cut()
            arena.reconnect()


class SignAgain(Tempter):
    """Says nothing of its revision, but signs the rollover that was open, which asks for the old one's secret."""

    def answers(self, arena: Any, told: Any) -> Lines:
        sent = [wire.decode_message(raw) for raw in dict.fromkeys(arena.said)]
        return [x for x in sent if isinstance(x, r.CommitSignature)]

    def ticks(self, arena: Any) -> None:
        for cfd in arena.liar.engine.cfds.values():
            if cfd.held is not None and cfd.held.old is not None:
                live = cfd.held.live
                arena.talk(r.RESUME_PROTOCOL, (r.CommitSignature(cfd.id, live.number, live.own_commit),))
        arena.run()


TEMPTERS: tuple[Strategy, ...] = (
    *(Claim(0), Claim(-9), Claim(1), Claim(7), NoAnswer(), Contradict(), SignAgain()),
    *(FalseProof(None), FalseProof(-1), FalseProof(1), HideAndReplay(0), HideAndPropose(0)),
    *(HideAndPublish(-1), HideAndPublish(0), HideAndPublish(-2), LateTruth(0, 3), LateTruth(0, 40)),
)
