"""What can go wrong with an Electrum server. Callers must handle `Disconnected`."""


class ElectrumError(Exception):
    """Root of this adapter's errors."""


class Disconnected(ElectrumError):
    """No server answers at the moment; the adapter keeps trying in the background."""


class ServerMisbehaved(ElectrumError):
    """The server said something that cannot be true. The text names the server."""


class ServerRefused(ElectrumError):
    """The server answered with an error of its own. `code` is the JSON-RPC error code."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.code = code


class BroadcastRejected(ElectrumError):
    """The network does not take this transaction; `reason` is what the server said about it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
