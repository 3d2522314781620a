"""Real coins only for who says so, twice: in the file, and when the node is started."""

from cfd_core.values import Network
from cfd_node.config.reading import ConfigError
from cfd_node.config.settings import ACKNOWLEDGEMENT, Config


def check_mainnet(config: Config, flag: bool) -> None:
    """`ConfigError` unless the network is a test network, or the risk of mainnet is acknowledged both ways.

    `flag`: whether the node was started with `--mainnet`.
    """
    if config.network is not Network.MAINNET:
        if flag:
            raise ConfigError([f"the flag --mainnet was given, but the network is {config.network.value}"])
        return
    problems = []
    if config.mainnet.acknowledge != ACKNOWLEDGEMENT:
        problems.append(f'mainnet.acknowledge must be "{ACKNOWLEDGEMENT}" before this node uses real coins')
    if not flag:
        problems.append("the flag --mainnet must be given at every start of a node with real coins")
    if problems:
        raise ConfigError(problems)
