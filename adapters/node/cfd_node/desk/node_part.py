"""The desk's part about the node: its services and its log."""

from typing import Final, assert_never

from cfd_web import models as m
from cfd_web.desk import NotKnown, Refused, Unavailable

from cfd_node.logs import LogBook
from cfd_node.node import OWN, Node
from cfd_node.services.feed import FeedService
from cfd_node.supervision import Health, Level

TITLES: Final = {
    "folder": "Data folder",
    "database": "Database",
    "chain": "Bitcoin network (Electrum)",
    "wallet": "Wallet",
    "payments": "Payments",
    "workers": "Worker processes",
    "oracle": "Oracle",
    "clock": "Clock",
    "protocols": "Contracts",
    "signer": "Signer",
    "network": "Own end of the network",
    "offers": "Own offers",
    "price feed": "Price feed",
    "api": "Pages and API",
}
VITAL: Final = ("database", "protocols", "chain", "signer")
STATES: Final = {
    Level.LOADING: m.ServiceState.STARTING,
    Level.RUNNING: m.ServiceState.RUNNING,
    Level.DEGRADED: m.ServiceState.DEGRADED,
    Level.FAILED: m.ServiceState.BACKOFF,
    Level.STOPPED: m.ServiceState.STOPPED,
}


class LiveNode:
    """What the node says of itself."""

    def __init__(self, node: Node, log: LogBook, feed: FeedService | None, *, version: str, sandbox: bool) -> None:
        self._node, self._log, self._feed = node, log, feed
        self._version, self._sandbox = version, sandbox
        self._started_at = node.clock.now()

    async def about(self) -> m.About:
        address = self._node.address
        return m.About(
            name=self._node.config.name,
            version=self._version,
            network=self._node.config.network,
            peer_id=self._node.peer_id,
            listens_at=None if address is None else str(address),
            started_at=self._started_at,
            sandbox=self._sandbox,
        )

    async def health(self) -> m.Health:
        found = self._node.health()
        services = tuple(self.service(name, health) for name, health in found.items())
        ours = (name for name in (*OWN, "signer") if name in found)
        stuck = (f"{TITLES[name]}: {found[name].reason}" for name in ours if found[name].level is Level.FAILED)
        return m.Health(
            level=_taken_together(found), at=self._node.clock.now(), services=services, needs_person=tuple(stuck)
        )

    async def act_on_service(self, name: str, action: m.ServiceAction) -> m.ServiceHealth:
        supervisor = self._node.supervisor
        found = self._node.health().get(name)
        if found is None:
            raise NotKnown(f"there is no service {name!r:.100}")
        if action not in self.service(name, found).actions:
            raise Refused(f"the service {name} cannot do that now")
        match action:
            case m.ServiceAction.START:
                supervisor.start(name)
            case m.ServiceAction.STOP:
                await supervisor.stop(name)
            case m.ServiceAction.RESTART:
                await supervisor.restart(name)
            case m.ServiceAction.NEXT_SERVER:
                self._node.chain.next_server()
                await supervisor.restart(name)
            case _:
                assert_never(action)
        return self.service(name, self._node.health()[name])

    async def tip(self) -> m.Tip:
        height = self._node.chain.health.tip
        if height is None:
            raise Unavailable(f"no block was heard of yet: {self._node.health()['chain'].reason}")
        return m.Tip(height=height, time=self._node.block_time)

    async def log(self, *, after: int, limit: int, level: m.LogLevel, cfd: str) -> m.Log:
        order = list(m.LogLevel)
        wanted = [
            line
            for line in self._log.lines(self._node.config.name)
            if line.number > after and order.index(line.level) >= order.index(level) and line.cfd.startswith(cfd)
        ]
        return m.Log(lines=tuple(wanted[-limit:]), last=self._log.last)

    def service(self, name: str, health: Health) -> m.ServiceHealth:
        """One service as a model."""
        state = m.ServiceState.WAITING if health.waits_for else STATES[health.level]
        stopped = health.level is Level.STOPPED
        # the API cannot be stopped by those who speak through it: nobody could start it again
        running = () if name == "api" else (m.ServiceAction.STOP, m.ServiceAction.RESTART)
        if name == "chain" and len(self._node.chain.servers) > 1:
            running = (*running, m.ServiceAction.NEXT_SERVER)
        return m.ServiceHealth(
            name=name,
            title=TITLES.get(name, f"Connection to {name}"),
            state=state,
            reason=health.reason,
            since=health.since,
            last_good_at=health.last_good,
            last_good=self._knew(name),
            next_try_at=health.next_try,
            actions=(m.ServiceAction.START,) if stopped else running,
        )

    def _knew(self, name: str) -> str:
        if name == "chain" and self._node.chain.health.tip is not None:
            block = f"block {self._node.chain.health.tip:,}"
            return f"{block} from {self._node.chain.server}" if len(self._node.chain.servers) > 1 else block
        if name == "price feed" and self._feed is not None and self._feed.quote is not None:
            return f"{self._feed.quote.middle:,} USD"
        return ""


def _taken_together(found: dict[str, Health]) -> m.HealthLevel:
    if any(not found[name].level.up for name in VITAL if name in found):
        return m.HealthLevel.DOWN
    good = all(health.level is Level.RUNNING for health in found.values())
    return m.HealthLevel.GOOD if good else m.HealthLevel.IMPAIRED
