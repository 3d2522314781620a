"""The recorded olivia event, and one event issued by an oracle of our own in each dialect."""

from pathlib import Path

import pytest
from attrs import frozen

from cfd_core.oracle import (
    KNOWN_ORACLES,
    Announcement,
    Dialect,
    IssuedEvent,
    OracleKeys,
    OracleSecrets,
    attest,
    hourly_event_id,
    read_announcement,
    read_recorded_event,
    sign_announcement,
)
from cfd_core.values import Secret, Timestamp

_VECTOR = Path(__file__).parents[2] / "vectors" / "olivia_bxbt_2021-10-04T22.json"
MATURITY = Timestamp(1_633_384_800)
OUTCOME = 48_935


@frozen
class Recorded:
    """A file's announcement and attestation, raw, and the announcement as accepted."""

    announcement_raw: bytes
    attestation_raw: bytes
    announcement: Announcement


@frozen
class Own:
    """An event issued here and attested at 48,935."""

    dialect: Dialect
    secrets: OracleSecrets
    keys: OracleKeys
    event: IssuedEvent
    announcement_raw: bytes
    attestation_raw: bytes

    def accept(self) -> Announcement:
        return read_announcement(self.dialect, self.announcement_raw, self.keys)


def own_event(dialect: Dialect, digits: int = 20, outcome: int = OUTCOME, key: int = 1) -> Own:
    secrets = OracleSecrets(Secret(bytes([key]) * 32), Secret(bytes([key + 100]) * 32))
    keys = secrets.public if dialect is Dialect.OLIVIA_V1 else OracleKeys(secrets.public.attestation)
    event = IssuedEvent.price(dialect, hourly_event_id(MATURITY, digits))
    raw = sign_announcement(secrets, event)
    return Own(dialect, secrets, keys, event, raw, attest(secrets, event, outcome, MATURITY))


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    announcement, attestation = read_recorded_event(_VECTOR.read_bytes())
    assert attestation is not None
    accepted = read_announcement(Dialect.OLIVIA_V1, announcement, KNOWN_ORACLES["olivia"])
    return Recorded(announcement, attestation, accepted)


@pytest.fixture(params=list(Dialect), ids=lambda dialect: dialect.value, scope="session")
def own(request: pytest.FixtureRequest) -> Own:
    return own_event(request.param)


@pytest.fixture(params=[Dialect.DLC_V0, Dialect.LEGACY_SHA256], ids=lambda dialect: dialect.value, scope="session")
def own_tlv(request: pytest.FixtureRequest) -> Own:
    return own_event(request.param)


@pytest.fixture(scope="session")
def issue() -> object:
    """`own_event`, for tests that want another one than `own`."""
    return own_event
