"""What Python's collector looks at: not again and again at what stays for as long as the process lives."""

import gc
from typing import Final

from cfd_node.node import Node

FULL_LOOK_EVERY: Final = 100
"""Looks at the middle generation before one at everything. The interpreter's 10 gave, while a thousand contracts were
set up, a full look every 10 s that stopped the node for 200 ms each."""


async def freeze_when_loaded(node: Node) -> None:
    """Once the database is read, take all that is there out of the collector's sight.

    Collecting garbage stops everything. Most of the heap are modules and the books, which nothing makes garbage:
    looking at all of it took more processor time at once than any turn of the engine. What circles of garbage there are
    at this moment stay in memory; later ones are found as before, only less often.
    """
    await node.supervisor.until(lambda: node.ready)
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, FULL_LOOK_EVERY)
