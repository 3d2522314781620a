"""The node's part of the fake desk."""

from typing import TYPE_CHECKING, Final

from cfd_core.values import Network
from cfd_web import models as m
from cfd_web.desk import NotKnown, Refused
from cfd_web.testing import samples

if TYPE_CHECKING:
    from cfd_web.testing.fake_desk import FakeDesk

TITLES: Final = {
    "chain": "Bitcoin network (Electrum)",
    "wallet": "Wallet",
    "oracle": "Oracle",
    "maker": "Connection to the maker",
    "price": "Price feed",
}


class FakeNode:
    """Services that come and go at a word."""

    def __init__(self, world: "FakeDesk") -> None:
        self._world = world
        self.lines: list[m.LogLine] = []
        self.server = 0
        """Which of its two Electrum servers it asks."""

    def say(self, text: str, level: m.LogLevel = m.LogLevel.INFO, cfd: str = "", service: str = "") -> None:
        """Log a line."""
        number = len(self.lines) + 1
        self.lines.append(m.LogLine(number=number, at=self._world.at, level=level, text=text, service=service, cfd=cfd))

    async def about(self) -> m.About:
        return m.About(
            name="fake",
            version="0.1.0",
            network=Network.REGTEST,
            peer_id=samples.SELF,
            listens_at=None,
            started_at=samples.NOW,
            sandbox=True,
        )

    async def health(self) -> m.Health:
        level = m.HealthLevel.IMPAIRED if self._world.down else m.HealthLevel.GOOD
        if "chain" in self._world.down:
            level = m.HealthLevel.DOWN
        services = tuple(map(self._service, TITLES))
        return m.Health(level=level, at=self._world.at, services=services, needs_person=())

    async def act_on_service(self, name: str, action: m.ServiceAction) -> m.ServiceHealth:
        if name not in TITLES:
            raise NotKnown(f"there is no service {name!r}")
        if action not in self._service(name).actions:
            raise Refused(f"the service {name} cannot do that now")
        if action is m.ServiceAction.STOP:
            self._world.down.add(name)
        else:
            self._world.down.discard(name)
            self.server = (self.server + (action is m.ServiceAction.NEXT_SERVER)) % 2
        self._world.tell(m.ServiceChanged(service=self._service(name)))
        return self._service(name)

    async def tip(self) -> m.Tip:
        self._world.need("chain")
        return m.Tip(height=800_000, time=samples.NOW - 300)

    async def log(self, *, after: int, limit: int, level: m.LogLevel, cfd: str) -> m.Log:
        order = list(m.LogLevel)
        wanted = [
            line
            for line in self.lines
            if line.number > after and order.index(line.level) >= order.index(level) and line.cfd.startswith(cfd)
        ]
        return m.Log(lines=tuple(wanted[-limit:]), last=len(self.lines))

    def _service(self, name: str) -> m.ServiceHealth:
        down = name in self._world.down
        running = [m.ServiceAction.STOP, m.ServiceAction.RESTART]
        if name == "chain":
            running.append(m.ServiceAction.NEXT_SERVER)
        return m.ServiceHealth(
            name=name,
            title=TITLES[name],
            state=m.ServiceState.STOPPED if down else m.ServiceState.RUNNING,
            reason="stopped by the user" if down else "",
            since=samples.NOW,
            last_good_at=samples.NOW,
            last_good=f"block 800,000 from tcp://127.0.0.1:5000{self.server + 1}" if name == "chain" else "",
            next_try_at=None,
            actions=(m.ServiceAction.START,) if down else tuple(running),
        )
