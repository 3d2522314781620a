"""Keeping the index: worked out again only for CFDs that changed, or whose time has come."""

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import evolve

from cfd_core.cfd import phases as p
from cfd_core.cfd.aggregate import Cfd
from cfd_core.cfd.observe import observed
from cfd_core.engine import life, punctual
from cfd_core.engine.index import Index
from cfd_core.engine.settings import Policy
from cfd_core.engine.tries import Tries
from cfd_core.values import CfdId, PeerId, Timestamp

_NOBODY: Final = frozenset[CfdId]()


def indexed(
    index: Index,
    changed: Iterable[CfdId],
    cfds: Mapping[CfdId, Cfd],
    policy: Policy,
    tries: Mapping[CfdId, Tries],
    clock: Timestamp,
) -> Index:
    """The index with these CFDs looked at anew; `clock` is the time of the last turn, `tries` our rollovers."""
    wakes, rollovers, watching = dict(index.wakes), dict(index.rollovers), dict(index.watching)
    stirring, met = set(index.stirring), dict[PeerId, set[CfdId]]()
    for key in changed:
        cfd = cfds[key]
        wakes.pop(key, None)
        rollovers.pop(key, None)
        stirring.discard(key)
        if key not in index.peers.get(cfd.peer, _NOBODY):
            met.setdefault(cfd.peer, set()).add(key)
        if cfd.ended:
            continue
        if stirs(cfd):
            stirring.add(key)
        times = life.deadlines(cfd, policy, clock)
        if times:
            wakes[key] = min(times)
        rollover = punctual.next_try(cfd, policy, tries.get(key))
        if rollover is not None:
            rollovers[key] = max(rollover, Timestamp(clock + 1))
        for outpoint in observed(cfd):
            if key not in watching.get(outpoint, _NOBODY):
                watching[outpoint] = watching.get(outpoint, _NOBODY) | {key}
    peers = {**index.peers, **{peer: index.peers.get(peer, _NOBODY) | keys for peer, keys in met.items()}}
    return evolve(
        index,
        wakes=wakes,
        rollovers=rollovers,
        watching=watching,
        stirring=frozenset(stirring),
        peers=peers if met else index.peers,
    )


def stirs(cfd: Cfd) -> bool:
    """Whether a block alone can change what follows from this CFD or what it owes: only an open one is quiet."""
    quiet = isinstance(cfd.phase, p.Open) and (cfd.held is None or cfd.held.close is None)
    return cfd.held is not None and not cfd.ended and not quiet
