"""What the wallet tells."""

from enum import Enum

from attrs import field, frozen

from cfd_core.values import OutPoint, Sats


@frozen
class Balance:
    """In sats. `reserved` is the part of `confirmed` that is set aside; `pending` has yet to confirm or mature."""

    confirmed: Sats
    pending: Sats
    reserved: Sats


@frozen
class Coin:
    """A confirmed output of ours, with the whole transaction that made it (network serialisation)."""

    outpoint: OutPoint
    sats: Sats
    script: bytes = field(repr=lambda script: script.hex())
    previous_tx: bytes = field(repr=lambda raw: f"<{len(raw)} bytes>")


@frozen
class Reservation:
    """Coins set aside for one purpose, and fresh scripts of ours for its change and its payout."""

    coins: tuple[Coin, ...]
    change_script: bytes
    payout_script: bytes


class State(Enum):
    """`DEGRADED`: works with the last good snapshot, because the last sync failed or none has been made."""

    STOPPED = "stopped"
    DEGRADED = "degraded"
    RUNNING = "running"


@frozen
class Health:
    """`age`: seconds since the last good sync of this run, None before the first."""

    state: State
    reason: str
    age: float | None
