"""Client against server, over real HTTP on loopback."""

import asyncio
import json
import signal
from typing import Any

import httpx
import pytest
from cfd_oracle import Down, Forged, NotYet, OracleClient, OracleError, OracleServer, UnknownEvent

from cfd_core.errors import CfdError, DecodeError, PeerViolation, RuleViolation
from cfd_core.oracle import (
    KNOWN_ORACLES,
    Dialect,
    OracleKeys,
    OracleSecrets,
    SignatureStatus,
    hourly_event_id,
    read_announcement,
    read_attestation,
    read_recorded_event,
)
from cfd_core.values import HOUR, EventId, Secret, Timestamp

MATURITY = 1_633_384_800
RECORDED_ID = hourly_event_id(Timestamp(MATURITY))
OWN_ID = hourly_event_id(Timestamp(MATURITY + HOUR))
dialects = pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)


async def test_recorded_event(oracle: Any, recorded_raw: bytes) -> None:
    async with oracle.recorded_client() as client:
        announcement = await client.announcement(RECORDED_ID)
        assert announcement.signature_status is SignatureStatus.NOT_CHECKED_NO_KEY
        with pytest.raises(NotYet):
            await client.attestation(announcement)
        oracle.clock.now = MATURITY
        assert (await client.attestation(announcement)).outcome == 48_935
        raw = await client.fetch_announcement(RECORDED_ID), await client.fetch_attestation(RECORDED_ID)
    assert raw == read_recorded_event(recorded_raw)


@dialects
async def test_own_event(oracle: Any, dialect: Dialect) -> None:
    async with oracle.client(dialect) as client:
        announcement = await client.announcement(OWN_ID)
        assert announcement.signature_status is SignatureStatus.VERIFIED
        assert (announcement.maturity, announcement.digits) == (MATURITY + HOUR, 20)
        oracle.clock.now = MATURITY + HOUR
        with pytest.raises(NotYet):
            await client.attestation(announcement)
        oracle.server.attest(OWN_ID, 50_001)
        oracle.clock.now -= 1
        with pytest.raises(NotYet):
            await client.fetch_attestation(OWN_ID)
        oracle.clock.now += 1
        assert (await client.attestation(announcement)).outcome == 50_001


@dialects
async def test_raw_bytes_are_what_the_core_reads(oracle: Any, dialect: Dialect) -> None:
    oracle.server.attest(OWN_ID, 7)
    oracle.clock.now = MATURITY + HOUR
    async with oracle.client(dialect) as client:
        raw = await client.fetch_announcement(OWN_ID)
        announcement = read_announcement(dialect, raw, client.keys)
        assert announcement == await client.announcement(OWN_ID)
        assert read_attestation(announcement, await client.fetch_attestation(OWN_ID)).outcome == 7


@dialects
@pytest.mark.parametrize(
    "event_id",
    [
        "/x/BitMEX/BXBT/2021-10-04T23:30:00.price?n=20",
        "/x/BitMEX/BETH/2021-10-04T23:00:00.price?n=20",
        "/x/BitMEX/BXBT/2021-10-04T23:00:00.price",
        "/x/BitMEX/BXBT/2021-10-04T23:00:00.price?n=33",
        "no event at all",
        "/../../etc/passwd",
        "@evil.example/x",
        "",
    ],
)
async def test_unknown_event(oracle: Any, dialect: Dialect, event_id: str) -> None:
    async with oracle.client(dialect) as client:
        with pytest.raises(UnknownEvent):
            await client.announcement(EventId(event_id))


async def test_recorded_events_are_olivias_only(oracle: Any) -> None:
    async with oracle.client(Dialect.DLC_V0) as client:
        with pytest.raises(UnknownEvent):
            await client.fetch_announcement(RECORDED_ID)


async def test_status_codes(oracle: Any) -> None:
    """What a stranger's client sees: olivia's answers, with 400 for no id and 404 for no event."""
    async with httpx.AsyncClient(base_url=oracle.server.url, trust_env=False) as http:
        good = await http.get(RECORDED_ID)
        assert (good.status_code, good.headers["content-type"]) == (200, "application/json")
        assert good.json().keys() == {"announcement", "attestation"}
        assert good.json()["attestation"] is None
        assert (await http.get("/x/BitMEX/BXBT/2021-10-04T22:00:00.price")).status_code == 400
        assert (await http.get("/x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=19&n=20")).status_code == 400
        missing = await http.get("/x/BitMEX/BETH/2021-10-04T22:00:00.price?n=20")
        assert (missing.status_code, missing.json()) == (404, {"code": 404, "error": "Not Found"})
        assert (await http.post(RECORDED_ID)).status_code == 405
        early = await http.get("/dlc-v0/attestation/" + OWN_ID.replace("/", "%2F").replace("?", "%3F"))
        assert (early.status_code, early.content) == (204, b"")


async def test_attests_once(oracle: Any) -> None:
    oracle.server.attest(OWN_ID, 50_001)
    oracle.server.attest(OWN_ID, 50_001)
    with pytest.raises(RuleViolation, match="attests once"):
        oracle.server.attest(OWN_ID, 50_002)
    with pytest.raises(RuleViolation, match="out of range"):
        oracle.server.attest(hourly_event_id(Timestamp(MATURITY), 10), 1_024)
    for event_id in (RECORDED_ID, "/x/BitMEX/BXBT/2021-10-04T23:30:00.price?n=20", "nonsense"):
        with pytest.raises(RuleViolation, match="not an event of this oracle"):
            oracle.server.attest(EventId(event_id), 48_935)


async def test_a_forged_recording_is_not_served(recorded_raw: bytes) -> None:
    secrets = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32))
    forged = recorded_raw.replace(b'"48935"', b'"48934"')
    with pytest.raises(PeerViolation):
        OracleServer(secrets=secrets, clock=lambda: 0, recorded=[forged])
    with pytest.raises(DecodeError):
        OracleServer(secrets=secrets, clock=lambda: 0, recorded=[b"{}"])


async def test_wrong_key_is_forged(oracle: Any) -> None:
    keys = OracleKeys(KNOWN_ORACLES["olivia"].attestation)
    for dialect in (Dialect.DLC_V0, Dialect.LEGACY_SHA256):
        async with OracleClient(oracle.server.url, dialect, keys) as client:
            with pytest.raises(Forged, match="another oracle"):
                await client.announcement(OWN_ID)
    oracle.server.attest(OWN_ID, 1)
    oracle.clock.now = MATURITY + HOUR
    async with OracleClient(oracle.server.url, Dialect.OLIVIA_V1, keys) as client:
        announcement = await client.announcement(OWN_ID)
        with pytest.raises(Forged, match="digit 0"):
            await client.attestation(announcement)


async def test_down_and_up_again(oracle: Any) -> None:
    async with oracle.client(Dialect.OLIVIA_V1) as client:
        await oracle.server.stop()
        await oracle.server.stop()
        with pytest.raises(Down):
            await client.announcement(OWN_ID)
        with pytest.raises(RuntimeError, match="not running"):
            oracle.server.url  # noqa: B018  raises
        await oracle.server.start()
    async with oracle.client(Dialect.OLIVIA_V1) as client:
        assert (await client.announcement(OWN_ID)).event_id == OWN_ID


async def test_two_servers_side_by_side(oracle: Any) -> None:
    secrets = OracleSecrets(Secret(b"\x03" * 32), Secret(b"\x04" * 32))
    async with OracleServer(secrets=secrets, clock=lambda: 0) as other:
        assert other.url != oracle.server.url
        with pytest.raises(OSError, match="ddress"):
            await OracleServer(secrets=secrets, clock=lambda: 0, port=int(other.url.rsplit(":")[-1])).start()


async def test_the_process_keeps_its_signals(oracle: Any) -> None:
    """Ctrl-C belongs to the node, not to a server inside it."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    await oracle.server.stop()
    await oracle.server.start()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with pytest.raises(RuntimeError, match="running already"):
        await oracle.server.start()


async def test_many_at_once(oracle: Any) -> None:
    async with oracle.client(Dialect.LEGACY_SHA256) as client:
        ids = [hourly_event_id(Timestamp(MATURITY + index * HOUR)) for index in range(1, 25)]
        announcements = await asyncio.gather(*(client.announcement(event_id) for event_id in ids))
    assert [announcement.event_id for announcement in announcements] == ids


def test_errors_are_one_family() -> None:
    assert all(issubclass(error, OracleError) for error in (NotYet, UnknownEvent, Forged, Down))
    assert not issubclass(OracleError, CfdError)


async def test_a_given_http_client_stays_open(oracle: Any) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        async with OracleClient(oracle.server.url + "/", Dialect.OLIVIA_V1, oracle.server.keys, http) as client:
            await client.announcement(OWN_ID)
        assert not http.is_closed
        assert json.loads((await http.get(oracle.server.url + OWN_ID)).content)["attestation"] is None
