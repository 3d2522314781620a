"""The first words to a server: which protocol, which network."""

from typing import Final

from cfd_core.values import Network
from cfd_electrum import answers
from cfd_electrum.errors import ServerMisbehaved
from cfd_electrum.server import ServerConnection

PROTOCOLS: Final = ["1.4", "1.6"]
GENESIS: Final = {
    Network.MAINNET: "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
    Network.TESTNET4: "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
    Network.SIGNET: "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",
    Network.REGTEST: "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
}
"""Hashes of the first blocks."""


async def greet(connection: ServerConnection, network: Network | None) -> None:
    """Agree on a protocol version; `ServerMisbehaved` if the server serves another network than this."""
    await connection.ask(answers.anything, "server.version", "cfd", PROTOCOLS)
    if network is not None:
        genesis = await connection.ask(answers.header, "blockchain.block.header", 0)
        if answers.header_hash(genesis) != GENESIS[network]:
            raise ServerMisbehaved(f"{connection.name} does not serve {network.value}")
