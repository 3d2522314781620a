"""What an engine is told once: its network, its keys, and what it agrees to by itself."""

from decimal import Decimal

from attrs import field, frozen

from cfd_core.cfd.react import Deadlines
from cfd_core.crypto.signer import Keyring
from cfd_core.errors import RuleViolation
from cfd_core.values import HOUR, FeeRate, Network, Sats, kind


@frozen(kw_only=True)
class Policy:
    """What this node agrees to by itself, and what it refuses from others."""

    accept_up_to: Sats = Sats(21_000_000 * 100_000_000)
    """Maker: orders that lock at most this much of our money are accepted; others wait for `AcceptOrder`."""
    max_cfds_per_peer: int = 100
    max_failed_orders_per_hour: int = 60
    """Maker: a peer whose orders came to nothing so often within an hour is refused without storing anything."""
    min_term: int = 1 * HOUR
    max_term: int = 25 * HOUR
    """Seconds between taking an offer (or rolling over) and its expiry."""
    max_fee_rate: FeeRate = FeeRate(500)
    max_funding_rate: Decimal = Decimal("0.01")
    """The most that a rollover may cost or bring per 24 h, whoever proposes it."""
    max_rollover_cost: Sats | None = None
    """The most of our sats that one rollover may cost, whoever proposes it; None: only the rate counts."""
    auto_rollover: bool = False
    """Taker: roll over by itself, just after each hour from `rollover_from` before expiry."""
    rollover_from: int = 23 * HOUR
    rollover_spread: int = 900
    """Seconds after the hour over which the CFDs' automatic rollovers are spread: a maker may have thousands."""
    rollover_retry: int = 300
    """Seconds until a rollover that failed is tried again by itself; doubled with each further failure..."""
    rollover_retry_most: int = 1800
    """...up to this."""
    resume_retry: int = 10
    """Seconds after which a peer is asked again for what it owes of a rollover; doubled each time..."""
    resume_retry_most: int = 1 * HOUR
    """...up to this."""
    step_seconds: int = 60
    """How long either side may take for one step of a protocol."""
    max_runs_per_peer: int = 16
    max_queued: int = 4
    """Messages kept for a run that waits for our own side."""
    deadlines: Deadlines = field(factory=Deadlines)


@frozen(kw_only=True)
class Settings:
    """What an engine is told once."""

    network: Network = field(validator=kind(Network))
    keychain: Keyring
    """Our keys, or a way to whoever keeps them: `cfd_core.crypto.signer` says what is asked of it."""
    policy: Policy = field(factory=Policy)

    def __attrs_post_init__(self) -> None:
        if self.network is not self.keychain.network:
            raise RuleViolation(f"keys for {self.keychain.network.value} in an engine for {self.network.value}")
