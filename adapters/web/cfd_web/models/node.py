"""The node itself: who it is, how each of its services is, and what it logs."""

from enum import Enum

from cfd_core.values import Network
from cfd_web.models.fields import Count, Model, PeerId, Time


class ServiceState(Enum):
    """How a service is. What is neither running nor degraded cannot be used now."""

    WAITING = "waiting"
    """For another service."""
    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"
    """It works, but not as it should; `reason` says what is missing."""
    BACKOFF = "backoff"
    """It failed, and is tried again at `next_try_at`."""
    STOPPED = "stopped"
    """By the user, or for good: `reason` says."""


class ServiceAction(Enum):
    """What a person can do about a service."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    NEXT_SERVER = "next_server"
    """Leave the present server for the next of the configured ones."""


class ServiceHealth(Model):
    """One service, for people and programs."""

    name: str
    """For programs, for example `chain` or `maker SHA256:...`."""
    title: str
    """For people, for example `Bitcoin network (Electrum)`."""
    state: ServiceState
    reason: str
    """Why it is not running, in a sentence; empty while it runs."""
    since: Time
    """When it came into this state."""
    last_good_at: Time | None
    """When it last ran without complaint; None: not since the node started."""
    last_good: str
    """What it knew then, in a few words (`block 812,345`, `43,250 USD`); empty: nothing to show."""
    next_try_at: Time | None
    actions: tuple[ServiceAction, ...]
    """What can be done about it now."""


class HealthLevel(Enum):
    """All services taken together."""

    GOOD = "good"
    IMPAIRED = "impaired"
    """Something is not running; open positions are still watched."""
    DOWN = "down"
    """The database or the connection to the chain is gone: nothing can be traded or enforced."""


class Health(Model):
    """All services, at one moment."""

    level: HealthLevel
    at: Time
    services: tuple[ServiceHealth, ...]
    """In the order in which people should look at them."""
    needs_person: tuple[str, ...]
    """Sentences about what will not heal by itself."""


class About(Model):
    """Who this node is."""

    name: str
    version: str
    network: Network
    peer_id: PeerId
    """What other nodes know it by."""
    listens_at: str | None
    """`host:port` where takers reach this node; None: it does not listen."""
    started_at: Time
    sandbox: bool
    """Money without worth: say so on every page."""


class Tip(Model):
    """The best block."""

    height: Count
    time: Time | None
    """What the block says of its time."""


class LogLevel(Enum):
    """From which severity on."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogLine(Model):
    """One thing that the node logged."""

    number: Count
    """Rises by one with each line since the node started."""
    at: Time
    level: LogLevel
    text: str
    """What happened, and its fields as ` name=value`."""
    service: str
    """Which service it concerns; empty: none in particular."""
    cfd: str
    """Which CFD it concerns; empty: none."""


class Log(Model):
    """Some lines, oldest first."""

    lines: tuple[LogLine, ...]
    last: Count
    """The number of the newest line there is, to go on from; 0: none yet."""
