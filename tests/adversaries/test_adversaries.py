"""Every liar in a few of its lives: the honest side gets at least what the contract gives it.

All lives of all liars are `nox -s adversaries` (see `campaign.py`).
"""

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from attrs import evolve

from cfd_core import effects as f
from cfd_core.cfd import decide, react
from cfd_core.cfd import events as e
from cfd_core.oracle import hourly_event_id
from cfd_core.protocols.rollover import messages as r
from cfd_core.values import HOUR, Role, Timestamp

LIVES = 2
"""Of each strategy."""
PRICES = ("falls", "rises", "falls and rises")


def test_the_honest_side_gets_what_the_contract_gives(stage: Any, stories: dict[str, Any], strategy: Any) -> None:
    random = Random(strategy.name)
    for story in random.sample(sorted(stories), LIVES):
        liar = random.choice(list(Role))
        moment = random.choice(stage.moments(stories[story], liar))
        stage.play(stories[story], liar, strategy, moment, random.choice(PRICES))


@pytest.mark.parametrize("liar", list(Role))
@pytest.mark.parametrize("prices", PRICES)
def test_a_revoked_commit_costs_its_publisher_everything(
    stage: Any, stories: dict[str, Any], strategies: dict[str, Any], liar: Role, prices: str
) -> None:
    bribed = strategies[f"OldCommitAndBribe {dict(zip(PRICES, (1, 5, 10), strict=True))[prices]}"]
    assert stage.play(stories["rolled twice"], liar, bribed, 0, prices) == "punished"


@pytest.mark.parametrize("liar", list(Role))
def test_what_was_found_here_stays_found(
    stage: Any, stories: dict[str, Any], strategies: dict[str, Any], liar: Role
) -> None:
    """Each of these once cost the honest side its money, or left its CFD open for ever."""
    for name, story, moment, end in (
        ("HighS", "rolled", 0, "punished"),
        ("ReorgAndDoubleSpend 2", "open", 0, "never locked"),
        ("LateRevocation 13", "rollover", 3, "punished"),
        ("CloseOverCommit", "honest settles", 1, "close"),
    ):
        assert stage.play(stories[story], liar, strategies[name], moment, "falls") == end


@pytest.mark.parametrize("liar", list(Role))
@pytest.mark.parametrize(("after", "taken"), [(60, False), (23 * HOUR + 60, True)])
def test_nobody_is_charged_a_day_for_an_hour(
    stage: Any, stories: dict[str, Any], liar: Role, after: int, taken: bool
) -> None:
    """After an expiry 24 h are charged: then the contract lasts 24 h more, and not until the next hour only."""
    arena, _ = stage.begin(stories["open"], liar)
    arena.later(arena.offer.expiry + 60 - arena.now)
    terms = r.Terms(
        settlement=hourly_event_id(Timestamp(arena.offer.expiry + HOUR + after - 60)),
        liquidations=(),
        funding_rate=arena.offer.funding_rate,
        hours=24,
    )
    arena.talk(r.PROTOCOL, (r.Propose(arena.honest.cfd.id, arena.honest.held.live.draft.commit.txid, terms),))
    before = len(arena.honest.done)
    arena.run()
    sent = [x.message for x in arena.honest.done[before:] if isinstance(x, f.SendMessage)]
    assert [type(message) for message in sent[:1]] == [r.Accept if taken else r.Reject]


@pytest.mark.parametrize("liar", list(Role))
def test_honest_lives_end_as_the_stories_mean_them(
    stage: Any, stories: dict[str, Any], strategies: dict[str, Any], liar: Role
) -> None:
    ends = {name: stage.play(story, liar, strategies["Strategy"], 0, "falls") for name, story in stories.items()}
    assert ends == {
        "setup": "CET of revision 0",
        "open": "CET of revision 0",
        "rollover": "CET of revision 1",
        "rolled": "CET of revision 1",
        "second rollover": "CET of revision 2",
        "rolled twice": "CET of revision 2",
        "honest settles": "close",
        "liar settles": "close",
        "honest forces": "CET of revision 1",
        "liquidation": "CET of revision 0",
    }


# --- the hunters are hunted: bugs of the kind that these lives must find ---------------------------------------------


def caught(stage: Any, story: Any, liar: Role, strategy: Any, moment: int) -> None:
    with pytest.raises(AssertionError):
        stage.play(story, liar, strategy, moment, "falls")


def test_forgotten_punishments_are_caught(
    stage: Any, stories: dict[str, Any], strategies: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(react, "_punish", lambda *_: iter(()))
    caught(stage, stories["rolled"], Role.TAKER, strategies["OldCommitAndBribe 1"], 0)


def test_a_revocation_that_is_believed_unseen_is_caught(
    stage: Any, stories: dict[str, Any], strategies: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale or false word in resume: the honest side would count on a secret that it does not have."""
    monkeypatch.setattr(decide, "check_revocation", lambda *_: None)

    class FalseWord(type(strategies["LieInResume"])):  # type: ignore[misc]
        """Withholds its revocation, tells a false one, and publishes what the honest side takes for revoked."""

        def sends(self, _arena: Any, message: Any) -> Any:
            return () if type(message).__name__ == "Revocation" else (message,)

        def ticks(self, arena: Any) -> None:
            super().ticks(arena)
            arena.publish(arena.hand.commits[0])

    caught(stage, stories["rollover"], Role.TAKER, FalseWord(), 0)


def test_publishing_the_replaced_revision_is_caught(
    stage: Any, stories: dict[str, Any], strategies: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once its own secret of the old revision is out, the honest side must publish the new one."""
    real = react._force_close

    def old_one(cfd: Any, held: Any, around: Any) -> Any:
        for event in real(cfd, held if held.old is None else evolve(held, live=held.old), around):
            assert isinstance(event, e.ForceCloseStarted)
            yield event

    monkeypatch.setattr(react, "_force_close", old_one)
    caught(stage, stories["rollover"], Role.MAKER, strategies["Withhold rollover Revocation"], 0)


def test_a_settlement_at_any_price_is_caught(
    stage: Any, stories: dict[str, Any], strategies: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfd_core.engine.settling._quotes", lambda *_: {Decimal(30_000)})
    caught(stage, stories["rolled"], Role.TAKER, strategies["TwoCloses"], 0)
