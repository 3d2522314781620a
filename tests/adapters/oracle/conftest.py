"""An oracle server on loopback with a clock that stands still until told otherwise."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import define
from cfd_oracle import OracleClient, OracleServer

from cfd_core.oracle import KNOWN_ORACLES, Dialect, OracleKeys, OracleSecrets
from cfd_core.values import Secret

RECORDED = (Path(__file__).parents[2] / "vectors" / "olivia_bxbt_2021-10-04T22.json").read_bytes()
MATURITY = 1_633_384_800
SECRETS = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32))


@define
class Clock:
    """Seconds since 1970, as the test says."""

    now: int = MATURITY - 1

    def __call__(self) -> int:
        return self.now


@define
class Oracle:
    """A running server and how to talk to it."""

    server: OracleServer
    clock: Clock

    def client(self, dialect: Dialect) -> OracleClient:
        """A client for the server's own events."""
        keys = self.server.keys
        return OracleClient(
            self.server.url, dialect, keys if dialect is Dialect.OLIVIA_V1 else OracleKeys(keys.attestation)
        )

    def recorded_client(self) -> OracleClient:
        """A client for the recorded event."""
        return OracleClient(self.server.url, Dialect.OLIVIA_V1, KNOWN_ORACLES["olivia"])


@pytest.fixture
async def oracle() -> AsyncIterator[Oracle]:
    clock = Clock()
    async with OracleServer(secrets=SECRETS, clock=clock, recorded=[RECORDED]) as server:
        yield Oracle(server, clock)


@pytest.fixture
def recorded_raw() -> bytes:
    return RECORDED
