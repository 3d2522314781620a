"""Real messages and events to decode: the golden samples, and an offer."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cfd_core.cfd.offer import Offer
from cfd_core.serial.records import StoredEvent
from cfd_core.values import EventId, FeeRate, Network, OfferId, Sats, Timestamp

SAMPLES = Path(__file__).parents[2] / "samples"


def read_records(path: Path) -> tuple[StoredEvent, ...]:
    """The stored records of one golden sample, in order."""
    rows = json.loads(path.read_text("utf-8"))
    return tuple(StoredEvent(r["stream"], r["version"], r["name"], r["schema"], r["payload"].encode()) for r in rows)


@pytest.fixture(scope="session")
def lives() -> dict[str, tuple[StoredEvent, ...]]:
    """All golden samples of stored events by name, those of every version."""
    return {path.stem: read_records(path) for path in sorted(SAMPLES.glob("v*/*.json")) if path.stem != "wire"}


@pytest.fixture(scope="session")
def lines() -> tuple[bytes, ...]:
    """One real line of each kind of message, as it went over the wire."""
    rows: list[str] = [row for path in sorted(SAMPLES.glob("v*/wire.json")) for row in json.loads(path.read_text())]
    kinds = {json.loads(row)["type"]: row.encode() for row in rows}
    return tuple(kinds.values())


@pytest.fixture(scope="session")
def offer() -> Offer:
    return Offer(
        id=OfferId("0f" * 16),
        network=Network.REGTEST,
        product="BTCUSD-inverse",
        bid=Decimal("49999.5"),
        ask=None,
        min_quantity=100,
        max_quantity=10_000,
        lot=100,
        leverages=(1, 2, 5),
        maker_leverage=1,
        opening_fee=Sats(0),
        funding_rate=Decimal("-0.0001"),
        fee_rate=FeeRate(2),
        tolerance=Decimal("0.05"),
        event=EventId("/x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=20"),
        digits=20,
        expiry=Timestamp(1633384800),
        published_at=Timestamp(1633298400),
    )


@pytest.fixture(scope="session")
def decode() -> Any:
    """Decodes a line as what its type says."""
    from cfd_core.serial import wire

    def as_said(raw: bytes) -> Any:
        return wire.decode_offers(raw) if b'"type":"offers"' in raw else wire.decode_message(raw)

    return as_said
