"""The chain, what watches over it, and the wallet's door to the same server, as the settings want them."""

from attrs import frozen
from cfd_electrum import ElectrumChain, Relay, Road, ServerAddress, Witnesses
from cfd_wallet import BdkWallet

from cfd_node.node_config import NodeConfig
from cfd_node.services.chain import ChainService


@frozen
class WayToChain:
    """All that speaks with Electrum servers."""

    chain: ElectrumChain
    service: ChainService
    wallet: BdkWallet


def way_to_chain(config: NodeConfig) -> WayToChain:
    """Nothing is connected yet."""
    road = config.road or Road()
    chain = ElectrumChain(
        *config.electrum,
        tls=config.electrum_tls,
        others=config.more_servers,
        road=road,
        network=config.network,
        timeout=config.electrum_timeout,
    )
    # the wallet's library knows no certificates, proxies and other servers: where there are any it goes through a relay
    straight = config.road is None and not config.electrum_tls and not config.more_servers
    relay = None if straight else Relay(lambda: chain.server, road, timeout=config.electrum_timeout)
    service = ChainService(chain, relay, _witnesses(config, chain, road))
    door = config.electrum if straight else service.door
    wallet = BdkWallet(config.keychain.wallet_xprv(), config.network, config.folder / "wallet.sqlite", door)
    return WayToChain(chain, service, wallet)


def _witnesses(config: NodeConfig, chain: ElectrumChain, road: Road) -> Witnesses | None:
    if not config.more_servers:
        return None
    first = ServerAddress(*config.electrum, config.electrum_tls)

    def changed() -> None:
        chain.doubt = next(iter(made.problems.values()), "")

    made = Witnesses(
        (first, *config.more_servers),
        road,
        config.network,
        chain.tip,
        chain.header,
        timeout=config.electrum_timeout,
        on_change=changed,
    )
    return made
