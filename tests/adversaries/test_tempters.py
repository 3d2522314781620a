"""Liars against a node that comes back from a backup: nothing revoked is published, no commit of ours is given up.

All of their lives, and those of all other liars in the same stories, are in `campaign.py`.
"""

from random import Random
from typing import Any

import pytest

from cfd_core.cfd import decide
from cfd_core.cfd import events as e
from cfd_core.cfd.aggregate import Cfd
from cfd_core.values import Role

LIVES = 1
"""Of each tempter."""
WAITS = "waits for its counterparty"


def test_a_restored_node_is_tempted_in_vain(play_lost: Any, lost: dict[str, Any], tempter: Any) -> None:
    random = Random(tempter.name)
    for story in random.sample(sorted(lost), LIVES):
        play_lost(lost[story], random.choice(list(Role)), tempter, 0, random.choice(("falls", "rises")))


def test_the_other_liars_meet_a_restored_node_too(
    play_lost: Any, lost: dict[str, Any], strategies: dict[str, Any]
) -> None:
    random = Random(7)
    for name in random.sample(sorted(strategies), 6):
        play_lost(lost[random.choice(sorted(lost))], random.choice(list(Role)), strategies[name], 0, "falls")


@pytest.mark.parametrize("liar", list(Role))
def test_how_it_ends(
    play_lost: Any, lost: dict[str, Any], strategies: dict[str, Any], tempters: dict[str, Any], liar: Role
) -> None:
    """With the newest backup a person ends what the liar stalls; with an older one nothing of ours goes out."""
    for story, tempter, end in (
        ("restored after a rollover", tempters["Claim +7"], "CET of revision 1"),
        ("restored behind", tempters["Claim +0"], WAITS),
        ("restored far behind", tempters["HideAndPublish -1"], "CET of revision 2"),
        ("restored behind", strategies["Strategy"], "CET of revision 1"),
    ):
        assert play_lost(lost[story], liar, tempter, 0, "falls") == end


# --- the hunters are hunted ------------------------------------------------------------------------------------------


def caught(play_lost: Any, story: Any, liar: Role, tempter: Any) -> None:
    with pytest.raises(AssertionError):
        play_lost(story, liar, tempter, 0, "falls")


def test_to_publish_on_a_word_alone_is_caught(
    play_lost: Any, lost: dict[str, Any], tempters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cfd, "hearsay", False)
    caught(play_lost, lost["restored behind"], Role.MAKER, tempters["Claim +0"])


def test_to_publish_before_any_word_is_caught(
    play_lost: Any, lost: dict[str, Any], tempters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cfd, "doubt", "")
    caught(play_lost, lost["restored behind"], Role.TAKER, tempters["NoAnswer"])


def test_to_complete_a_rollover_after_a_restore_is_caught(
    play_lost: Any, lost: dict[str, Any], tempters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own commit of the revision that it then gives up may have been published, and kept by somebody."""

    def trusting(cfd: Cfd, _number: int, signature: bytes) -> tuple[e.CfdEvent, ...]:
        waits = cfd.held is not None and cfd.held.next is not None
        return (e.RolloverSigned(signature),) if waits else ()

    monkeypatch.setattr(decide, "take_commit_signature", trusting)
    caught(play_lost, lost["restored to before its force close"], Role.MAKER, tempters["SignAgain"])
