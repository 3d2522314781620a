"""A person leaves one Electrum server for the next of the list."""

from typing import Any

from cfd_electrum import ServerAddress
from cfd_node.desk.node_part import LiveNode
from cfd_node.logs import LogBook
from cfd_node.supervision import Level
from cfd_regtest import ElectrumServer
from cfd_web import models as m

from tests.adapters.node.conftest import eventually


async def test_the_next_server_is_asked_and_the_one_after_the_last_is_the_first(world: Any) -> None:
    second = ElectrumServer(world.control.chain)
    await second.start()
    try:
        addresses = [ServerAddress(*world.control.electrum), ServerAddress(second.host, second.port)]
        node = await world.start(world.config("wanderer", more_servers=(addresses[1],)))
        desk = LiveNode(node, LogBook(), None, version="0.1.0", sandbox=False)
        for wanted in (addresses[0], addresses[1], addresses[0]):
            await eventually(lambda: all(node.health()[name].level is Level.RUNNING for name in ("chain", "wallet")))
            chain = next(each for each in (await desk.health()).services if each.name == "chain")
            assert chain.last_good == f"block {await world.control.height()} from {wanted}"
            assert node.chain.server == wanted
            assert m.ServiceAction.NEXT_SERVER in chain.actions
            await desk.act_on_service("chain", m.ServiceAction.NEXT_SERVER)
        await world.stop(node)
    finally:
        await second.stop()


async def test_one_server_has_no_next(world: Any) -> None:
    node = await world.start(world.config("settled"))
    desk = LiveNode(node, LogBook(), None, version="0.1.0", sandbox=False)
    chain = next(each for each in (await desk.health()).services if each.name == "chain")
    assert m.ServiceAction.NEXT_SERVER not in chain.actions
