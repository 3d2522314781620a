"""Every setting of a node: its section, its kind, its default, and a sentence about it."""

import os
import re
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar

from attrs import Factory, field, frozen
from cfd_electrum.address import ServerAddress
from cfd_network import Address

from cfd_core.errors import DecodeError
from cfd_core.oracle import Dialect, OracleKeys
from cfd_core.oracle.known import KNOWN_ORACLES
from cfd_core.values import MAX_FEE_RATE, SATS_PER_BTC, Network, PeerId, Secret
from cfd_node.config.kinds import Kind, fraction, many, one_of, perhaps, secret, switch, whole, words

T = TypeVar("T")


def check_database_url(text: str) -> None:
    """`RuleViolation` unless it is the URL of a PostgreSQL database."""
    from cfd_store import postgres_url  # here, as it loads SQLAlchemy, which a command that asks a node can do without

    postgres_url(text)


_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}\Z")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")
_MAX_SUPPLY: Final = 21_000_000 * SATS_PER_BTC

ACKNOWLEDGEMENT: Final = "I understand that this software is young and that I can lose every coin I put into it"
"""What `mainnet.acknowledge` must say before a node starts with real coins."""


class LogLevel(Enum):
    """The least important lines that are still written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Traffic(Enum):
    """What can go through the proxy."""

    ELECTRUM = "electrum"
    ORACLE = "oracle"
    PEERS = "peers"


class Workers(Enum):
    """What signs and verifies CETs."""

    THREADS = "threads"
    PROCESSES = "processes"


@frozen
class MakerAddress:
    """A maker: where it listens, and the fingerprint it must show there."""

    peer: PeerId
    address: Address

    def __str__(self) -> str:
        return f"{self.peer}@{self.address}"

    @classmethod
    def parse(cls, text: str) -> "MakerAddress":
        """Read `SHA256:fingerprint@host:port`; `DecodeError` for anything else."""
        peer, _, address = text.partition("@")
        return cls(_peer(peer), Address.parse(address))


def option(kind: Kind[T], default: T, about: str) -> T:
    """A setting with its default and a sentence for the example."""
    made: T = field(default=default, metadata={"kind": kind, "about": about})
    return made


def section(made: type[T], about: str) -> T:
    """A table of settings."""
    part: T = field(factory=made, metadata={"section": made, "about": about})
    return part


def _peer(text: str) -> PeerId:
    if not _FINGERPRINT.match(text):
        raise DecodeError(f"not a peer: {text!r:.80}")
    return PeerId(text)


def _name(text: str) -> str:
    if not _NAME.match(text):
        raise ValueError
    return text


def _line(text: str) -> str:
    if not text.isprintable() or len(text) > 200:
        raise ValueError
    return text


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")) or not text.isascii() or not text.isprintable() or "@" in text:
        raise ValueError
    return text


def _key(text: str) -> bytes:
    key = bytes.fromhex(text)
    OracleKeys(key)
    return key


def _folder(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_absolute() or "\0" in text:
        raise ValueError
    return path


def default_data() -> Path:
    """Where data lies unless told otherwise, by the XDG rules."""
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "share") / "cfd"


FOLDER: Final = words("an absolute path, or one that begins with ~", _folder)
SERVER: Final = words('"ssl://host:port" or "tcp://host:port"', ServerAddress.parse)
LISTEN: Final = words('"host:port"', Address.parse)
MAKER: Final = words('"SHA256:fingerprint@host:port"', MakerAddress.parse)
PEER: Final = words('"SHA256:" and 43 letters', _peer)
URL: Final = words('"https://..." or "http://..."', _url)
KEY: Final = words("64 hex digits, the x coordinate of a point of the curve", _key, bytes.hex)


@frozen(kw_only=True)
class MainnetSettings:
    """What it takes to use real coins."""

    acknowledge: str = option(
        words("the sentence that this file quotes, word by word", _line),
        "",
        f"Only with this sentence, and the flag --mainnet, does a node start with real coins:\n{ACKNOWLEDGEMENT}",
    )


@frozen(kw_only=True)
class ElectrumSettings:
    """Which servers show the chain."""

    servers: tuple[ServerAddress, ...] = option(
        many(SERVER, 16),
        (ServerAddress("127.0.0.1", 50001),),
        "Electrum servers, the first is used, the others watch over it and take its place. Your own is best: a server\n"
        "sees your addresses. With ssl:// its certificate is remembered at the first meeting and must stay the same.",
    )
    timeout: int = option(whole(1, 600, "seconds"), 30, "For connecting and for each answer.")


@frozen(kw_only=True)
class ProxySettings:
    """Which traffic goes through a proxy."""

    socks5: Address | None = option(
        perhaps(LISTEN), None, "A SOCKS5 proxy; Tor listens on 127.0.0.1:9050. Names are resolved behind it."
    )
    use_for: tuple[Traffic, ...] = option(
        many(one_of(Traffic), 3), tuple(Traffic), "What goes through the proxy, if there is one."
    )


@frozen(kw_only=True)
class OracleSettings:
    """Whom contracts settle by."""

    url: str = option(URL, "http://127.0.0.1:8080", "The oracle that your contracts settle by.")
    dialect: Dialect = option(one_of(Dialect), Dialect.OLIVIA_V1, "How it speaks and signs.")
    attestation_key: bytes = option(
        KEY, KNOWN_ORACLES["olivia"].attestation, "The key that it signs prices with; the default is Olivia's."
    )
    announcement_key: bytes | None = option(
        perhaps(KEY), None, "The key that it signs announcements with; without it they are shown as not checked."
    )

    @property
    def keys(self) -> OracleKeys:
        return OracleKeys(self.attestation_key, self.announcement_key)


@frozen(kw_only=True)
class PeerSettings:
    """Who is reached, and who may reach us."""

    listen: Address | None = option(perhaps(LISTEN), None, "Maker: where takers reach you.")
    max_connections: int = option(
        whole(1, 100_000, "links"),
        1_000,
        "Maker: links that takers may have at one time; each needs an open file, of which the system gives so many.",
    )
    makers: tuple[MakerAddress, ...] = option(many(MAKER), (), "Taker: the makers whose offers you see.")
    blocked: tuple[PeerId, ...] = option(many(PEER, 10_000), (), "Peers that may not connect.")


@frozen(kw_only=True)
class LimitSettings:
    """What is agreed to without asking; part of the engine's policy."""

    accept_up_to: int = option(
        whole(0, _MAX_SUPPLY, "sats"), 10_000_000, "Maker: orders that lock more of your money than this wait for you."
    )
    max_per_peer: int | None = option(
        perhaps(whole(0, _MAX_SUPPLY, "sats")), None, "Maker: the most of your money that is open with one taker."
    )
    max_total: int | None = option(
        perhaps(whole(0, _MAX_SUPPLY, "sats")), None, "Maker: the most of your money that is open with all takers."
    )
    max_cfds_per_peer: int = option(whole(1, 10_000, "CFDs"), 100, "Maker: open CFDs with one taker.")
    max_failed_orders_per_hour: int = option(
        whole(1, 100_000, "orders"),
        60,
        "Maker: orders of a taker that came to nothing in an hour, until it is refused at once.",
    )
    max_fee_rate: int = option(
        whole(1, MAX_FEE_RATE, "sat/vB"), 500, "The highest rate that is ever paid or agreed to."
    )
    max_funding_rate: Decimal = option(
        fraction(Decimal(0), Decimal(1), "per 24 hours"),
        Decimal("0.01"),
        "Taker: the most that a rollover may cost or bring.",
    )
    max_rollover_cost: int | None = option(
        perhaps(whole(0, _MAX_SUPPLY, "sats")), None, "The most that one rollover may cost you, whoever proposes it."
    )
    auto_rollover: bool = option(switch(), False, "Taker: roll over by itself, within these limits.")
    rollover_spread: int = option(
        whole(0, 3_000, "seconds"),
        900,
        "Taker: rolling over by itself happens within so long after the hour, each CFD at a moment of its own.",
    )


@frozen(kw_only=True)
class FeedSettings:
    """Whose price is shown."""

    bitmex: bool = option(
        switch(), False, "Show the market's price, from BitMEX's public websocket. Contracts settle at the oracle's."
    )


@frozen(kw_only=True)
class WalletSettings:
    """How the seed is opened."""

    passphrase_file: Path | None = option(
        perhaps(FOLDER),
        None,
        "A file that only you can read, whose first line opens the seed; for a node that starts without you.",
    )


@frozen(kw_only=True)
class SignerSettings:
    """Who holds the keys of the contracts."""

    socket: Path | None = option(
        perhaps(FOLDER),
        None,
        "The socket of a `cfd-signer` that holds the keys of the contracts and signs by rules of its own; without it\n"
        "they come from this node's seed.",
    )


@frozen(kw_only=True)
class DatabaseSettings:
    """Where the node's books are."""

    url: Secret | None = option(
        perhaps(secret('"postgresql://user:password@host/database"', check_database_url)),
        None,
        "A PostgreSQL database of this node alone, instead of a file in its folder. It holds a password: in this file\n"
        "only if nobody else can read that, better in the variable or in url_file; never a flag.",
    )
    url_file: Path | None = option(
        perhaps(FOLDER), None, "A file that only you can read, whose first line is that URL; instead of url."
    )


@frozen(kw_only=True)
class ApiSettings:
    """Where pages and API are served."""

    listen: Address | None = option(
        perhaps(LISTEN), Address("127.0.0.1", 8470), "Where pages and API are served; keep it on this machine."
    )
    pages: bool = option(switch(), True, "Whether there are pages beside the API; it does all that they do.")


@frozen(kw_only=True)
class CryptoSettings:
    """What makes and checks the signatures of contracts."""

    workers: Workers | None = option(
        perhaps(one_of(Workers)),
        None,
        "What signs and verifies a contract's transactions. Processes are faster, at 30 MB each; threads need nothing\n"
        "to be started, and do the work until processes are there. None: processes where there is more than one core.",
    )
    count: int | None = option(perhaps(whole(1, 256, "workers")), None, "How many of them; none: one for each core.")


@frozen(kw_only=True)
class LogSettings:
    """What is written about the node's doings."""

    level: LogLevel = option(one_of(LogLevel), LogLevel.INFO, "The least important lines that are still written.")
    as_json: bool = option(switch(), False, "A JSON object for each line, for programs that collect logs.")


@frozen(kw_only=True)
class Config:
    """All settings of one node."""

    network: Network = option(one_of(Network), Network.REGTEST, "The bitcoin network.")
    name: str = option(words("1 to 40 of a-z, 0-9 and -", _name), "node", "What this node is called in logs.")
    data: Path = option(FOLDER, Factory(default_data), "Where data lies, in a folder for each network.")
    mainnet: MainnetSettings = section(MainnetSettings, "Real coins.")
    electrum: ElectrumSettings = section(ElectrumSettings, "The way to the chain.")
    proxy: ProxySettings = section(ProxySettings, "Tor, or another SOCKS5 proxy.")
    oracle: OracleSettings = section(OracleSettings, "The oracle.")
    peers: PeerSettings = section(PeerSettings, "The other nodes.")
    limits: LimitSettings = section(LimitSettings, "What this node agrees to by itself.")
    feed: FeedSettings = section(FeedSettings, "The market's price.")
    wallet: WalletSettings = section(WalletSettings, "The wallet.")
    signer: SignerSettings = section(SignerSettings, "The keys of the contracts.")
    database: DatabaseSettings = section(DatabaseSettings, "The books.")
    api: ApiSettings = section(ApiSettings, "Pages and API.")
    crypto: CryptoSettings = section(CryptoSettings, "The slow work.")
    logs: LogSettings = section(LogSettings, "Logs.")

    @property
    def folder(self) -> Path:
        """This node's folder for its network."""
        return self.data / self.network.value

    def proxy_for(self, traffic: Traffic) -> Address | None:
        """The SOCKS5 proxy that this traffic must take, if any."""
        return self.proxy.socks5 if traffic in self.proxy.use_for else None
