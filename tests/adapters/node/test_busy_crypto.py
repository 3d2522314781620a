"""While signatures are being made, however long that takes, a node does everything else."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from cfd_network import Address
from cfd_node.jobs import JobRunner
from cfd_node.supervision import Level

from cfd_core.cfd import phases as p
from cfd_core.cfd.commands import ForceClose

T = TypeVar("T")
SATS = 5_000_000


class Slow(Executor):
    """Does what it is given at once, or, while `holding`, not before it is released."""

    def __init__(self) -> None:
        self.holding = False
        self.waiting: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        future: Future[T] = Future()

        def do() -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(fn(*args, **kwargs))

        self.waiting.append(do)
        if not self.holding:
            self.release()
        return future

    def release(self) -> None:
        """Do all that waits, and hold nothing back any more."""
        self.holding = False
        waiting, self.waiting = self.waiting, []
        for do in waiting:
            do()


async def test_a_maker_answers_others_and_force_closes_while_its_signatures_take_for_ever(
    world: Any, eventually: Any
) -> None:
    slow = Slow()
    maker = await world.start(world.config("maker", listen=Address("127.0.0.1", 0)), JobRunner(slow, 2))
    for _ in range(2):
        await world.control.fund(await maker.wallet.script(), SATS)
    await world.control.mine()
    await maker.wallet.sync()
    first, second = [await world.taker(maker, name=name) for name in ("first", "second")]
    opened = await world.set_up(maker, first)
    await world.mine_until(maker, opened, p.Open)

    slow.holding = True
    waits = await world.take(second, maker.peer_id, await world.publish(maker))
    await eventually(lambda: bool(slow.waiting))

    third = await world.taker(maker, sats=0, name="third")
    await world.until(third, lambda: bool(third.engine.market.get(maker.peer_id)))
    assert maker.health()["protocols"].level is Level.RUNNING
    before = len(world.control.chain.mempool())
    maker.command(ForceClose(opened))
    await eventually(lambda: len(world.control.chain.mempool()) > before)
    assert slow.holding
    assert isinstance(maker.engine.cfds[waits].phase, p.SettingUp)

    slow.release()
    for node in (second, maker):
        await world.phase(node, waits, p.LockPending)
