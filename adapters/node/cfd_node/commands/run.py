"""What `cfd maker` and `cfd taker` run: a node, until it is told to stop."""

import asyncio
import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click
from cfd_electrum import ElectrumError, Pins, Road
from cfd_pricefeed import BitmexFeed
from cfd_signer import RemoteKeyring
from cfd_wallet import WalletError
from cfd_wallet.seed import SEED_FILE, SeedFile
from cfd_web.access import AccessRefused
from cfd_web.server import EarlySocket, no_socket

from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Policy
from cfd_core.errors import RuleViolation
from cfd_core.values import FeeRate, Sats, Secret
from cfd_node.clock import Clock, ShiftableClock
from cfd_node.commands.configured import passphrase
from cfd_node.commands.ending import stopped_by_signal
from cfd_node.commands.server import PINS_FILE
from cfd_node.config import Config, ConfigError, Traffic, Workers, check_mainnet, database_url
from cfd_node.daemon import MakerLimits
from cfd_node.daemon.assembly import Daemon, assemble, make_folder
from cfd_node.folder import FolderRefused
from cfd_node.heap import freeze_when_loaded
from cfd_node.jobs import JobRunner, cores
from cfd_node.logs import LogBook, configure_logs
from cfd_node.modules import load
from cfd_node.node import NodeConfig
from cfd_node.proxy import Socks5
from cfd_node.services.signer import SIGNER_FILE
from cfd_node.supervision import Level


def live(config: Config, mainnet: bool, as_json: bool, early: EarlySocket = no_socket) -> None:
    """Until a signal. `early` gives up the socket that a first page listens on. What is wrong is a `ClickException`."""
    book = LogBook()
    level, as_json_lines = logging.getLevelNamesMapping()[config.logs.level.value.upper()], config.logs.as_json
    configure_logs(level, sys.stderr, book, as_json=as_json_lines)
    try:
        check_mainnet(config, mainnet)
        make_folder(config.folder)
        phrase, keychain = _open_seed(config)
        daemon = put_together(config, keychain, ShiftableClock(), book, phrase, early)
        asyncio.run(_run(daemon, as_json, "Pages and API" if config.api.pages else "API"))
    except (ConfigError, FolderRefused, AccessRefused, WalletError, ElectrumError, RuleViolation) as error:
        raise click.ClickException(str(error)) from error


def _open_seed(config: Config) -> tuple[Secret, Keychain]:
    """Words and keys. Stretching the passphrase and loading the pages take half a second each, so both at once."""
    seed = SeedFile(config.folder / SEED_FILE)
    if not seed.exists():
        raise WalletError(f"there is no seed in {seed.path}: make one with `cfd init`")
    given = passphrase(config)
    with ThreadPoolExecutor(1) as aside:
        opened = aside.submit(seed.both, config.network, given)
        if config.api.pages:
            load("cfd_web.pages")
        return opened.result()


def put_together(
    config: Config,
    keychain: Keychain,
    clock: Clock,
    book: LogBook,
    phrase: Secret | None = None,
    early: EarlySocket = no_socket,
) -> Daemon:
    """The daemon that the settings describe; nothing runs yet. Errors as of `assemble`, and `PinsUnreadable`."""
    listen = config.api.listen
    if listen is None:
        raise ConfigError(["api.listen is not set: nobody could tell the node anything"])
    limits = config.limits
    return assemble(
        node_config(config, keychain),
        clock,
        book,
        limits=MakerLimits(
            accept_up_to=Sats(limits.accept_up_to),
            per_peer=None if limits.max_per_peer is None else Sats(limits.max_per_peer),
            total=None if limits.max_total is None else Sats(limits.max_total),
        ),
        api=(listen.host, listen.port),
        feed=BitmexFeed(clock.now) if config.feed.bitmex else None,
        phrase=phrase,
        jobs=job_runner(config),
        pages=config.api.pages,
        early=early,
    )


def job_runner(config: Config) -> JobRunner:
    """What does the slow crypto: worker processes, unless there is but one core or the settings say otherwise."""
    usual = Workers.PROCESSES if cores() > 1 else Workers.THREADS
    return JobRunner(workers=config.crypto.count, processes=(config.crypto.workers or usual) is Workers.PROCESSES)


def node_config(config: Config, keychain: Keychain) -> NodeConfig:
    """What the node is told."""
    first, *others = config.electrum.servers
    return NodeConfig(
        name=config.name,
        keychain=keychain,
        signer=signer_of(config),
        network=config.network,
        folder=config.folder,
        electrum=(first.host, first.port),
        electrum_tls=first.tls,
        more_servers=tuple(others),
        road=Road(Pins(config.folder / PINS_FILE), _socket(config, Traffic.ELECTRUM)),
        electrum_timeout=config.electrum.timeout,
        peer_socket=_socket(config, Traffic.PEERS),
        oracle_url=config.oracle.url,
        oracle_proxy=_proxy_url(config, Traffic.ORACLE),
        oracle_dialect=config.oracle.dialect,
        oracle_keys=config.oracle.keys,
        database=database_url(config),
        listen=config.peers.listen,
        max_connections=config.peers.max_connections,
        makers=tuple((maker.address, maker.peer) for maker in config.peers.makers),
        blocked=frozenset(config.peers.blocked),
        policy=_policy(config),
    )


def signer_of(config: Config) -> RemoteKeyring | None:
    """The way to whoever holds the keys of the contracts; None: this node. `ConfigError` if it was another one."""
    socket, met = config.signer.socket, config.folder / SIGNER_FILE
    if socket is not None:
        return RemoteKeyring.watched(socket, config.network)
    if met.exists():
        raise ConfigError(
            [
                "signer.socket is not set, and the keys of this node's contracts are in a signer: name its socket; "
                f"only if none of them is open any more, remove {met}"
            ]
        )
    return None


def _policy(config: Config) -> Policy:
    limits = config.limits
    return Policy(
        max_cfds_per_peer=limits.max_cfds_per_peer,
        max_failed_orders_per_hour=limits.max_failed_orders_per_hour,
        max_fee_rate=FeeRate(limits.max_fee_rate),
        max_funding_rate=limits.max_funding_rate,
        max_rollover_cost=None if limits.max_rollover_cost is None else Sats(limits.max_rollover_cost),
        auto_rollover=limits.auto_rollover,
        rollover_spread=limits.rollover_spread,
    )


def _socket(config: Config, traffic: Traffic) -> Any:
    proxy = config.proxy_for(traffic)
    return None if proxy is None else Socks5(proxy).open_socket


def _proxy_url(config: Config, traffic: Traffic) -> str | None:
    proxy = config.proxy_for(traffic)
    return None if proxy is None else Socks5(proxy).url


async def _run(daemon: Daemon, as_json: bool, served: str) -> None:
    ended = stopped_by_signal()
    async with daemon.node:
        folder_health = daemon.node.health()["folder"]
        if folder_health.level is Level.FAILED:  # another process is this node: two would help nobody
            raise FolderRefused(folder_health.reason)
        await daemon.node.supervisor.until(lambda: daemon.node.health()["api"].level is not Level.LOADING)
        click.echo(_greeting(daemon, as_json, served))
        frozen = asyncio.create_task(freeze_when_loaded(daemon.node))
        await ended.wait()
        frozen.cancel()
        click.echo("Stopping ...", err=True)


def _greeting(daemon: Daemon, as_json: bool, served: str) -> str:
    url, reason = daemon.service.url, daemon.node.health()["api"].reason
    folder, peer = daemon.node.config.folder, daemon.node.peer_id
    if as_json:
        return json.dumps({"url": url or None, "not_served": reason, "folder": str(folder), "peer_id": peer})
    return f"{served}: {url or f'not served: {reason}'}\nIts token lies in {folder}. This node is {peer}."
