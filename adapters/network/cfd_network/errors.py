"""What can go wrong between two nodes. Misuse by our own caller is `cfd_core.errors.RuleViolation` instead."""

from cfd_core.values import PeerId


class TransportError(Exception):
    """Root of every error of this package."""


class Disconnected(TransportError):
    """The stream or its link is gone (or going). Whoever talks to a peer must handle it."""


class FrameTooLarge(TransportError):
    """The peer sent a line above the limit; the stream is closed, the rest of the line was not kept."""


class StreamRefused(TransportError):
    """The peer does not speak that protocol, or one side has too many streams open. The link lives on."""


class ListenFailed(TransportError):
    """The address cannot be listened on."""


class DialFailed(TransportError):
    """Nobody answered, the answer was not ours to understand, or the peer does not want us."""


class WrongPeer(DialFailed):
    """Somebody else answered. Nothing was sent but the key exchange; no login took place."""

    def __init__(self, expected: PeerId, found: str) -> None:
        super().__init__(f"expected peer {expected}, but {found} answered")
        self.expected = expected
        self.found = found
