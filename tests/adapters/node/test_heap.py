"""What the collector does not look at again."""

import asyncio
import gc
from typing import Any

from cfd_node.heap import FULL_LOOK_EVERY, freeze_when_loaded
from cfd_node.node import Node


async def test_nothing_is_frozen_before_the_books_are_read_and_all_of_it_after(world: Any) -> None:
    node = Node(world.config("maker"), world.clock)
    world.nodes.append(node)
    before, thresholds = gc.get_freeze_count(), gc.get_threshold()
    freezing = asyncio.create_task(freeze_when_loaded(node))
    await asyncio.sleep(0)
    try:
        assert gc.get_freeze_count() == before
        node.start()
        await freezing
        assert node.ready
        assert gc.get_freeze_count() > before
        assert gc.get_threshold() == (*thresholds[:2], FULL_LOOK_EVERY)
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
