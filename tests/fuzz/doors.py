"""Every door through which foreign bytes come in, each with real samples to mutate.

`open` gets raw bytes and may refuse with `refusals` only. Doors behind JSON that another library parses (Electrum) get
the JSON text and parse it as that library would.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx
from attrs import evolve, frozen
from cfd_electrum import answers
from cfd_electrum.server import _Messages
from cfd_network.errors import FrameTooLarge
from cfd_network.frames import FrameBuffer
from cfd_oracle import OracleClient, OracleError
from cfd_oracle.paths import event_path

from cfd_core.bitcoin import scripts
from cfd_core.bitcoin.psbt import final_witnesses, unsigned_psbt
from cfd_core.bitcoin.transaction import Transaction, TxOut
from cfd_core.contract.jobs import VerifyCetsJob, verify_cets
from cfd_core.crypto import adaptor, secp
from cfd_core.crypto.secp import Point
from cfd_core.errors import DecodeError, PeerViolation, RuleViolation
from cfd_core.oracle import (
    KNOWN_ORACLES,
    Announcement,
    Dialect,
    IssuedEvent,
    OracleKeys,
    OracleSecrets,
    attest,
    check_digits,
    hourly_event_id,
    read_announcement,
    read_attestation,
    read_price_event,
    read_recorded_event,
    sign_announcement,
)
from cfd_core.serial import stored, wire
from cfd_core.serial.records import StoredEvent
from cfd_core.values import Network, OutPoint, Sats, Secret, Timestamp, cfd_id, offer_id

FAMILIES: Final = (RuleViolation, PeerViolation, DecodeError)
"""The three error families: nothing else comes out of the core."""
TESTS: Final = Path(__file__).parents[1]
SAMPLES: Final = TESTS / "samples" / "v1"
MATURITY: Final = Timestamp(1_633_384_800)


@frozen
class Door:
    """One decoder. `open` takes it whole or raises one of `refusals`."""

    name: str
    open: Callable[[bytes], Any]
    samples: tuple[bytes, ...]
    """Real ones; the first is taken, the others may be of another event or kind."""
    json: bool = False
    """Mutations of the JSON structure make sense."""
    refusals: tuple[type[Exception], ...] = FAMILIES


def doors() -> tuple[Door, ...]:
    """All of them, in an order that never changes."""
    found = (*_wire(), *_store(), *_oracle(), *_bitcoin(), *_curve(), *_texts(), *_electrum(), *_http(), *_stream())
    assert len({door.name for door in found}) == len(found)
    return found


# --- peers ---------------------------------------------------------------------------------------------------------


@cache
def lines() -> tuple[bytes, ...]:
    """A real line of each kind of message."""
    return tuple(line.encode() for line in json.loads((SAMPLES / "wire.json").read_text("utf-8")))


def _wire() -> Iterator[Door]:
    offers = tuple(line for line in lines() if b'"type":"offers"' in line)
    messages = tuple(line for line in lines() if line not in offers)
    yield Door("wire messages", wire.decode_message, messages, json=True)
    yield Door("offers", wire.decode_offers, offers, json=True)


def _stream() -> Iterator[Door]:
    whole = b"".join(line + b"\n" for line in lines())

    def receive(raw: bytes) -> list[Any]:
        """What a session does with what the SSH channel brings, in pieces of odd sizes."""
        buffer, found = FrameBuffer(20_000), []
        for at in range(0, len(raw), 1_009):
            buffer.feed(raw[at : at + 1_009])
            while (frame := buffer.pop()) is not None:
                try:
                    found.append(wire.decode_message(frame))
                except DecodeError:
                    continue  # the engine is told; the stream lives on until it says otherwise
        return found

    yield Door("stream lines", receive, (whole, *lines()), refusals=(FrameTooLarge,))


# --- the store -----------------------------------------------------------------------------------------------------


@cache
def records() -> tuple[StoredEvent, ...]:
    """One real record of each kind of stored event."""
    found: dict[str, StoredEvent] = {}
    for path in sorted(SAMPLES.glob("*.json")):
        rows = json.loads(path.read_text("utf-8")) if path.stem != "wire" else []
        for r in rows:
            record = StoredEvent(r["stream"], r["version"], r["name"], r["schema"], r["payload"].encode())
            found[record.name] = record
    return tuple(found.values())


def _store() -> Iterator[Door]:
    kept = [record for path in ("maker",) for record in _life(path) if record.name == "announcement-kept"]
    for record in records():
        yield Door(f"stored {record.name}", _reader(record, kept), (record.payload,), json=True)


def _life(name: str) -> list[StoredEvent]:
    rows = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return [StoredEvent(r["stream"], r["version"], r["name"], r["schema"], r["payload"].encode()) for r in rows]


def _reader(record: StoredEvent, kept: list[StoredEvent]) -> Callable[[bytes], Any]:
    return lambda raw: list(stored.read_events([*kept, evolve(record, payload=raw)]))


# --- the oracle ----------------------------------------------------------------------------------------------------


@frozen
class Issued:
    """One event of the tests' own oracle."""

    keys: OracleKeys
    announcement: bytes
    attestation: bytes


@cache
def issued(dialect: Dialect, digits: int = 20) -> Issued:
    secrets = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x65" * 32))
    keys = secrets.public if dialect is Dialect.OLIVIA_V1 else OracleKeys(secrets.public.attestation)
    event = IssuedEvent.price(dialect, hourly_event_id(MATURITY, digits))
    price = min(48_935, 2**digits - 1)
    return Issued(keys, sign_announcement(secrets, event), attest(secrets, event, price, MATURITY))


def accepted(dialect: Dialect) -> Announcement:
    own = issued(dialect)
    return read_announcement(dialect, own.announcement, own.keys)


def recorded() -> bytes:
    return (TESTS / "vectors" / "olivia_bxbt_2021-10-04T22.json").read_bytes()


def _oracle() -> Iterator[Door]:
    for dialect in Dialect:
        own, text = issued(dialect), dialect is Dialect.OLIVIA_V1
        announcement = accepted(dialect)
        name = dialect.value
        announcements = (own.announcement, issued(dialect, 1).announcement, issued(dialect, 32).announcement)
        attestations = (own.attestation, issued(dialect, 1).attestation)
        yield Door(f"announcement {name}", _announcing(dialect, own.keys), announcements, json=text)
        unpinned = OracleKeys(own.keys.attestation)
        yield Door(f"announcement {name} unsigned", _announcing(dialect, unpinned), announcements, json=text)
        yield Door(f"attestation {name}", _attesting(announcement), attestations, json=text)
        yield Door(f"digits {name}", _checking(announcement), attestations, json=text)
    yield Door("recorded event", read_recorded_event, (recorded(),), json=True)


def _announcing(dialect: Dialect, keys: OracleKeys) -> Callable[[bytes], Any]:
    return lambda raw: read_announcement(dialect, raw, keys).digit_points


def _attesting(announcement: Announcement) -> Callable[[bytes], Any]:
    return lambda raw: read_attestation(announcement, raw)


def _checking(announcement: Announcement) -> Callable[[bytes], Any]:
    return lambda raw: check_digits(announcement, raw)


def _http() -> Iterator[Door]:
    """The first three bytes are the status, the rest is the body: only `OracleError`s leave the client."""
    for dialect in Dialect:
        own, text = issued(dialect), dialect is Dialect.OLIVIA_V1
        bodies = (own.announcement, own.attestation, recorded()) if not text else (recorded(),)
        samples = tuple(status + body for status in (b"200", b"204", b"301", b"503") for body in bodies)
        yield Door(f"oracle HTTP {dialect.value}", _asking(dialect, own.keys), samples, refusals=(OracleError,))


def _asking(dialect: Dialect, keys: OracleKeys) -> Callable[[bytes], Any]:
    known = KNOWN_ORACLES["olivia"] if dialect is Dialect.OLIVIA_V1 else keys
    announcement = accepted(dialect)

    async def ask(raw: bytes) -> Any:
        status = int(raw[:3]) if raw[:3].isdigit() and 200 <= int(raw[:3]) < 600 else 200
        answer = httpx.MockTransport(lambda _request: httpx.Response(status, stream=httpx.ByteStream(raw[3:])))
        async with httpx.AsyncClient(transport=answer) as http:
            client = OracleClient("http://oracle.invalid", dialect, known, http)
            found: list[object] = []
            for question in (client.announcement(announcement.event_id), client.attestation(announcement)):
                try:
                    found.append(await question)
                except OracleError as error:
                    found.append(error)
            return found

    return lambda raw: asyncio.run(ask(raw))


# --- bitcoin -------------------------------------------------------------------------------------------------------


@cache
def transactions() -> tuple[bytes, ...]:
    """Every transaction that a stored sample holds, and one with a script signature."""
    found: dict[bytes, None] = {}
    for record in records():
        for field in ("lock", "commit", "close", "cancel", "transaction", "child"):
            value = json.loads(record.payload).get(field)
            if isinstance(value, str):
                found[base64.b64decode(value)] = None
    whole = Transaction.parse(next(iter(found)))
    signed = evolve(whole.without_witnesses(), script_sigs=(b"\x51" * 7,) * len(whole.inputs), version=1)
    return (*found, signed.serialize())


def psbts() -> Iterator[bytes]:
    for raw in transactions()[:4]:
        tx = Transaction.parse(raw)
        spent = [TxOut(Sats(5_000_000), b"\x00\x14" + bytes(20)) for _ in tx.inputs]
        yield unsigned_psbt(tx, spent, {})
        yield unsigned_psbt(tx, spent, {tx.inputs[0].outpoint: transactions()[-1]})


def _bitcoin() -> Iterator[Door]:
    def parse(raw: bytes) -> Any:
        tx = Transaction.parse(raw)
        return tx.txid, tx.vsize, tx.without_witnesses()

    def script(raw: bytes) -> Any:
        return scripts.script_kind(raw), scripts.dust_limit(raw), scripts.address(raw, Network.REGTEST)

    def in_script(raw: bytes) -> Any:
        return scripts.input_weight(raw)

    kinds = (b"\x00\x14" + bytes(20), b"\x00\x20" + bytes(32), b"\x51\x20" + bytes(32), scripts.P2A_SCRIPT)
    addresses = tuple(scripts.address(kind, Network.REGTEST).encode() for kind in kinds[:3])
    yield Door("transaction", parse, transactions())
    yield Door("PSBT", final_witnesses, tuple(psbts()))
    yield Door("script", script, kinds)
    yield Door("input script", in_script, kinds)
    yield Door("address", lambda raw: scripts.script_of_address(_as_text(raw), Network.REGTEST), addresses)


# --- the curve -----------------------------------------------------------------------------------------------------


@cache
def _key() -> tuple[Secret, Secret, bytes, bytes]:
    """A signer, an encryption secret, a digest, and the adaptor signature they make."""
    signer, hidden, digest = Secret(b"\x11" * 32), Secret(b"\x22" * 32), bytes(range(32))
    return signer, hidden, digest, adaptor.encrypt_sign(signer, secp.public_key(hidden), digest, bytes(32))


def _curve() -> Iterator[Door]:
    signer, hidden, digest, signature = _key()
    key, point = secp.public_key(signer), secp.public_key(hidden)
    compact = adaptor.decrypt(signature, hidden)
    schnorr = secp.schnorr_sign(signer, digest, bytes(32))

    def verify_packed(raw: bytes) -> Any:
        count = len(raw) // adaptor.SIZE
        job = VerifyCetsJob(key.encode(), digest * count, (point,) * count, raw)
        return verify_cets(job) if count * adaptor.SIZE == len(raw) else None

    yield Door("adaptor signature", lambda raw: adaptor.verify(raw, key, point, digest), (signature,))
    yield Door("adaptor signature decrypted", lambda raw: adaptor.decrypt(raw, hidden), (signature,))
    yield Door("adaptor signature recovered", lambda raw: adaptor.recover(raw, compact, point), (signature,))
    yield Door("signature recovered from", lambda raw: adaptor.recover(signature, raw, point), (compact,))
    yield Door("packed adaptor signatures", verify_packed, (signature, signature * 5))
    yield Door("point", lambda raw: Point.parse(raw).encode(), (key.encode(), point.encode()))
    yield Door("x-only point", lambda raw: Point.lift_x(raw).encode(), (key.x_only(),))
    yield Door("DER signature", secp.der_to_compact, (secp.compact_to_der(compact),))
    yield Door("compact signature", secp.compact_to_der, (compact,))
    yield Door("ECDSA", lambda raw: secp.ecdsa_verify(key, digest, raw), (secp.compact_to_der(compact),))
    yield Door("Schnorr", lambda raw: secp.schnorr_verify(key.x_only(), digest, raw), (schnorr,))


# --- small texts ---------------------------------------------------------------------------------------------------


def _as_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _texts() -> Iterator[Door]:
    event = hourly_event_id(MATURITY).encode()

    def paths(raw: bytes) -> Any:
        found: list[object] = []
        for dialect in Dialect:
            try:
                found.append(event_path(dialect, _as_text(raw), "announcement"))
            except OracleError as error:
                found.append(error)
        return found

    yield Door("outpoint", lambda raw: OutPoint.parse(_as_text(raw)), (b"ab" * 32 + b":7",))
    yield Door("CFD id", lambda raw: cfd_id(_as_text(raw)), (b"ab" * 16,))
    yield Door("offer id", lambda raw: offer_id(_as_text(raw)), (b"ab" * 16,))
    yield Door("event id", lambda raw: read_price_event(_as_text(raw)), (event,))
    yield Door("event path", paths, (event,), refusals=())


# --- the Electrum server -------------------------------------------------------------------------------------------


def _electrum() -> Iterator[Door]:
    txid, header = "ab" * 32, "00" * 80
    coin = {"tx_hash": txid, "height": 5, "tx_pos": 1, "value": 5_000}
    samples: dict[str, tuple[Callable[[Any], Any], tuple[Any, ...]]] = {
        "tip": (answers.tip, ({"height": 5, "hex": header},)),
        "history": (answers.history, ([{"tx_hash": txid, "height": 5}, {"tx_hash": "cd" * 32, "height": -1}],)),
        "unspent": (answers.unspent, ([coin, {**coin, "tx_pos": 2}],)),
        "status": (answers.status, (txid, None)),
        "header": (answers.header, (header,)),
        "raw": (answers.raw_bytes, (transactions()[0].hex(),)),
        "fee rate": (answers.fee_rate, (0.00001, -1)),
        "txid": (answers.txid, (txid,)),
    }
    for name, (decode, values) in samples.items():
        raw = tuple(json.dumps(value).encode() for value in values)
        yield Door(f"Electrum {name}", _parsed(decode), raw, json=True, refusals=(DecodeError,))
    reply = b'{"jsonrpc":"2.0","id":0,"result":' + json.dumps(coin).encode() + b"}"
    news = b'{"jsonrpc":"2.0","method":"blockchain.scripthash.subscribe","params":["' + txid.encode() + b'",null]}'
    batch = b"[" + news + b"," + reply + b"]"
    yield Door("Electrum line", _messages, (reply, news, batch), json=True, refusals=())


def _parsed(decode: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    def parse(raw: bytes) -> Any:
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            return None  # not ours: aiorpcX says so, see "Electrum line"
        return decode(value)

    return parse


def _messages(raw: bytes) -> Any:
    async def receive() -> Any:
        failures: list[str] = []
        return _Messages(failures.append).receive_message(raw), failures

    return asyncio.run(receive())
