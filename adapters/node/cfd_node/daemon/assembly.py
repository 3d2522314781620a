"""Everything that a running node is made of: the node, its maker and taker, its desk and its API."""

import os
from pathlib import Path
from typing import Final

from attrs import evolve, frozen
from cfd_pricefeed import Feed
from cfd_web.access import own_token
from cfd_web.answers import SqlAnswers
from cfd_web.app import Api, ApiSettings
from cfd_web.server import ApiServer, EarlySocket, no_socket

from cfd_core.engine import Policy
from cfd_core.values import Sats, Secret
from cfd_node.clock import Clock
from cfd_node.daemon.acceptance import MakerLimits
from cfd_node.daemon.maker import Maker
from cfd_node.daemon.taker import Taker
from cfd_node.desk import LiveDesk
from cfd_node.folder import FolderRefused, check_private
from cfd_node.jobs import JobRunner
from cfd_node.logs import LogBook
from cfd_node.node import Node, NodeConfig
from cfd_node.services.api import ApiService
from cfd_node.services.feed import FeedService

ANSWERS_FILE: Final = "answers.sqlite"


@frozen(kw_only=True)
class Daemon:
    """One running node, whole. `async with` its `node`."""

    node: Node
    maker: Maker
    taker: Taker
    desk: LiveDesk
    feed: FeedService | None
    api: Api
    service: ApiService
    """Of the API."""
    token: Secret


def assemble(
    config: NodeConfig,
    clock: Clock,
    logbook: LogBook,
    *,
    limits: MakerLimits,
    api: tuple[str, int],
    feed: Feed | None = None,
    phrase: Secret | None = None,
    sandbox: bool = False,
    jobs: JobRunner | None = None,
    pages: bool = True,
    early: EarlySocket = no_socket,
) -> Daemon:
    """Put it together; nothing runs yet. `config.policy` leaves orders to the maker, whatever it says. Without `pages`
    only the API is served.

    `jobs` runs the slow crypto, as for `Node`. `early` gives up a socket that listens on `api` already.

    Makes the data folder and the API's token in it: `FolderRefused` or `AccessRefused` if that cannot be.
    """
    make_folder(config.folder)
    node = Node(evolve(config, policy=_judged_by_the_maker(config.policy)), clock, jobs=jobs)
    maker, taker = Maker(node, limits), Taker(node)
    prices = None if feed is None else FeedService(feed, clock.now)
    if prices is not None:
        node.supervisor.add(prices)
    desk = LiveDesk(maker, taker, logbook, feed=prices, phrase=phrase, sandbox=sandbox)
    token = own_token(config.folder)
    answers = SqlAnswers(config.folder / ANSWERS_FILE)
    application = Api(desk, answers, ApiSettings(token=token))
    if pages:
        _mount_pages(application, token)
    server = ApiServer(application, *api, early=early)

    async def ours() -> None:
        await node.supervisor.until(lambda: node.health()["folder"].level.up)

    service = ApiService(server, answers, config.folder, config.network.value, ours)
    node.supervisor.add(service)
    return Daemon(
        node=node, maker=maker, taker=taker, desk=desk, feed=prices, api=application, service=service, token=token
    )


def _mount_pages(application: Api, token: Secret) -> None:
    from cfd_web.pages import mount_pages  # here, since no other command should wait for its half a second

    mount_pages(application, token)


def _judged_by_the_maker(policy: Policy) -> Policy:
    return evolve(policy, accept_up_to=Sats(0))


def make_folder(folder: Path) -> None:
    """For its owner only; `FolderRefused` if it cannot be, or if others may look into what is there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(folder)
    except OSError as error:
        raise FolderRefused(f"cannot use the folder {folder}: {os.strerror(error.errno or 0)}") from error
