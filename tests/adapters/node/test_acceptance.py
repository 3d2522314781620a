"""The maker's judgement of orders: limits per taker and in all, what is taken without asking, who is blocked."""

from typing import Any

import pytest
from attrs import frozen
from cfd_node.daemon import Accept, Ask, MakerLimits, Refuse
from cfd_node.daemon.acceptance import judge
from cfd_node.daemon.peers import BlockedPeers, BlockedUnreadable

from cfd_core.values import CfdId, PeerId, Role, Sats

ALICE, BOB = PeerId("SHA256:alice"), PeerId("SHA256:bob")


@frozen
class Terms:
    sats: int

    def margin(self, _role: Role) -> Sats:
        return Sats(self.sats)


@frozen
class Order:
    """As much of a CFD as is judged."""

    id: CfdId
    peer: PeerId
    sats: int
    ended: bool = False
    role: Role = Role.MAKER

    @property
    def terms(self) -> Terms:
        return Terms(self.sats)


def cfd(number: int, peer: PeerId, sats: int, *, ended: bool = False) -> Any:
    return Order(CfdId(f"{number:032x}"), peer, sats, ended)


def limits(**changes: int) -> MakerLimits:
    return MakerLimits(**{"accept_up_to": Sats(1_000), **changes})  # type: ignore[arg-type]


def test_what_is_small_enough_is_taken_without_asking() -> None:
    assert judge(cfd(1, ALICE, 1_000), [], limits(), ()) == Accept()
    verdict = judge(cfd(1, ALICE, 1_001), [], limits(), ())
    assert isinstance(verdict, Ask)
    assert "1,001 sats" in verdict.reason


@pytest.mark.parametrize(("peer", "taken"), [(ALICE, False), (BOB, True)])
def test_the_limit_for_one_taker(peer: PeerId, taken: bool) -> None:
    before = [cfd(1, ALICE, 500), cfd(2, ALICE, 100, ended=True)]
    assert judge(cfd(3, ALICE, 500), before, limits(per_peer=1_000), ()) == Accept()
    verdict = judge(cfd(3, peer, 501), before, limits(per_peer=1_000), ())
    assert (verdict == Accept()) is taken
    assert taken or (isinstance(verdict, Refuse) and "one taker" in verdict.reason)


def test_the_limit_for_all_takers_counts_orders_that_are_still_being_set_up() -> None:
    before = [cfd(1, ALICE, 700), cfd(2, BOB, 200)]
    order = cfd(3, BOB, 100)
    assert judge(order, [*before, order], limits(total=1_000), ()) == Accept()
    verdict = judge(cfd(3, BOB, 101), before, limits(total=1_000), ())
    assert isinstance(verdict, Refuse)
    assert "in all" in verdict.reason


def test_no_person_is_asked_about_what_is_over_a_limit_or_from_a_blocked_peer() -> None:
    assert isinstance(judge(cfd(1, ALICE, 5_000), [], limits(total=4_999), ()), Refuse)
    verdict = judge(cfd(1, ALICE, 1), [], limits(), {ALICE})
    assert verdict == Refuse("this maker takes no orders from you")


def test_blocked_peers_stay_blocked(tmp_path: Any) -> None:
    path = tmp_path / "blocked.json"
    peers = BlockedPeers(path)
    assert ALICE not in peers
    peers.add(ALICE)
    peers.add(BOB)
    peers.discard(BOB)
    peers.discard(BOB)
    again = BlockedPeers(path)
    assert list(again) == [ALICE]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["{", "{}", "[1]", '["a\\nb"]', b"\xff"])
def test_a_list_of_blocked_peers_that_is_none_is_left_alone_and_nobody_is_let_in(tmp_path: Any, content: Any) -> None:
    path = tmp_path / "blocked.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = path.read_bytes()
    with pytest.raises(BlockedUnreadable, match=r"blocked\.json"):
        judge(cfd(1, ALICE, 1), [], limits(), BlockedPeers(path))
    with pytest.raises(BlockedUnreadable):
        BlockedPeers(path).add(BOB)
    assert path.read_bytes() == before


def test_a_change_that_cannot_be_kept_has_not_happened(tmp_path: Any) -> None:
    peers = BlockedPeers(tmp_path / "gone" / "blocked.json")
    with pytest.raises(BlockedUnreadable, match="cannot be written"):
        peers.add(ALICE)
    assert ALICE not in peers
