"""Every bound on what a peer may make us hold or wait for, in one place."""

from attrs import field, frozen
from attrs.validators import gt

KIB = 1024


@frozen
class Limits:
    """Sizes in bytes, times in seconds, all positive. One stream holds at most about `max_frame + window + 96 KiB`."""

    max_frame: int = field(default=1024 * KIB, validator=gt(0))
    """Longest line, without its newline, in either direction."""
    window: int = field(default=256 * KIB, validator=gt(0))
    """What a peer may send on one stream before we have read it."""
    high_water: int = field(default=64 * KIB, validator=gt(0))
    """Unsent or unread bytes of one stream above which writing or reading pauses."""
    streams: int = field(default=64, validator=gt(0))
    """Streams one peer may have open towards us over all its links, and we towards it over one link."""
    connections: int = field(default=256, validator=gt(0))
    """Accepted links in all; further ones are dropped before login."""
    connections_per_peer: int = field(default=4, validator=gt(0))
    """Accepted links of one peer; a further one replaces the oldest, which is often a dead one."""
    logins: int = field(default=32, validator=gt(0))
    """Accepted links that have not logged in yet; a further one replaces the oldest."""
    login: float = field(default=20.0, validator=gt(0))
    """Time to log in."""
    dial: float = field(default=20.0, validator=gt(0))
    """Time for a whole dial: resolve, connect, log in, announce."""
    open: float = field(default=10.0, validator=gt(0))
    """Time for the peer to answer a new stream; a peer that does not is cut off."""
    send: float = field(default=30.0, validator=gt(0))
    """Time a sent frame may wait for a peer that does not read; the stream is dropped then."""
    close: float = field(default=5.0, validator=gt(0))
    """Time for the peer to take the last frames and agree to a close; the stream is dropped then."""
    silence: float = field(default=30.0, validator=gt(0))
    """A link without any sign of life for so long is closed (keepalives go out at a third of it)."""
