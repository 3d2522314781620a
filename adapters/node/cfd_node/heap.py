"""What Python's collector looks at: not again and again at what stays for as long as the process lives."""

import gc

from cfd_node.node import Node


async def freeze_when_loaded(node: Node) -> None:
    """Once the database is read, take all that is there out of the collector's sight.

    Collecting garbage stops everything. Most of the heap are modules and the books, which nothing makes garbage:
    looking at all of it took more processor time at once than any turn of the engine. What circles of garbage there are
    at this moment stay in memory; later ones are found as before.
    """
    await node.supervisor.until(lambda: node.ready)
    gc.freeze()
