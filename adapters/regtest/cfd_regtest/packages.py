"""Which waiting transactions a miner takes when block space has a price: parents and children count together."""

from collections.abc import Collection, Sequence
from fractions import Fraction

from attrs import frozen

from cfd_core.values import Sats, Txid


@frozen
class Waiting:
    """A mempool transaction as miners see it; `parents` are those that wait too."""

    txid: Txid
    fee: Sats
    vsize: int
    parents: frozenset[Txid]


def reaching(waiting: Collection[Waiting], floor: int) -> list[Txid]:
    """Those that are mined at `floor` sat/vB, parents first.

    As Bitcoin Core fills a block: the transaction that pays best per vB together with its ancestors that are not in the
    block yet goes in with these, again and again, until the best pays less than `floor`.
    """
    lineages = _lineages(waiting)
    by_txid = {each.txid: each for each in waiting}
    left = dict(lineages)
    while left:
        best, rate = max(
            ((txid, _rate([by_txid[each] for each in lineage & left.keys()])) for txid, lineage in left.items()),
            key=lambda candidate: candidate[1],
        )
        if rate < floor:
            break
        for txid in lineages[best]:
            left.pop(txid, None)
    return sorted((txid for txid in lineages if txid not in left), key=lambda txid: len(lineages[txid]))


def _rate(package: Sequence[Waiting]) -> Fraction:
    return Fraction(sum(each.fee for each in package), sum(each.vsize for each in package))


def _lineages(waiting: Collection[Waiting]) -> dict[Txid, frozenset[Txid]]:
    """Every transaction with all its ancestors, itself included."""
    parents = {each.txid: each.parents for each in waiting}
    found = {}
    for txid in parents:
        lineage, ahead = {txid}, set(parents[txid])
        while ahead:
            each = ahead.pop()
            lineage.add(each)
            ahead |= parents[each] - lineage
        found[txid] = frozenset(lineage)
    return found
