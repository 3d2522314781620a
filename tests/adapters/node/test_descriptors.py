"""How many links a maker takes, by the files that the system gives it. In a process of its own: limits only go down."""

import subprocess
import sys

from cfd_node.peering import link_limits

PROGRAM = """
import resource, sys
from cfd_node.descriptors import room_for
soft, hard, links = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(room_for(links), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def room(soft: int, hard: int, links: int) -> tuple[int, int]:
    """The links that there is room for, and the soft limit afterwards."""
    words = [sys.executable, "-c", PROGRAM, *map(str, (soft, hard, links))]
    answer = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    links_, limit = map(int, answer.split())
    return links_, limit


def test_the_soft_limit_is_raised_as_far_as_needed() -> None:
    assert room(256, 1024, 500) == (500, 700)


def test_what_suffices_is_left_alone() -> None:
    assert room(900, 1024, 500) == (500, 900)


def test_where_the_system_gives_fewer_files_fewer_links_are_taken() -> None:
    """And what the node needs for itself stays: store, wallet and pages work on, whoever knocks."""
    assert room(256, 512, 500) == (312, 512)


def test_a_quarter_as_many_as_are_linked_may_be_logging_in() -> None:
    """So that all takers of a maker that was away can come back."""
    limits = link_limits(200)

    assert (limits.connections, limits.logins) == (200, 50)
    assert link_limits(20).logins == 32


def test_one_link_is_always_taken() -> None:
    assert room(64, 64, 500) == (1, 64)
