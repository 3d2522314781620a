"""Files that this process may have open: each link is one, and without them neither database nor pages can go on."""

import resource
from typing import Final

import structlog

log = structlog.get_logger()
OWN_FILES: Final = 200
"""Kept for everything but links: the store, the wallet, servers, pages and their sockets."""


def room_for(links: int) -> int:
    """How many links may be open beside all else: `links`, or fewer where the system allows no more files.

    Raises this process's soft limit up to the hard one if that is needed, and says so loudly if it does not suffice.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = links + OWN_FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    room = links if soft == resource.RLIM_INFINITY else max(1, min(links, soft - OWN_FILES))
    if room < links:
        log.warning("fewer links than wanted: the system gives too few files", wanted=links, possible=room, files=soft)
    return room
