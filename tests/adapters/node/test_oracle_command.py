"""`cfd oracle verify`, as people and scripts run it."""

import json
from pathlib import Path
from typing import Any

import pytest
from cfd_node.commands.oracle import oracle
from click.testing import CliRunner, Result

from cfd_core.oracle import (
    Dialect,
    IssuedEvent,
    OracleSecrets,
    attest,
    hourly_event_id,
    sign_announcement,
    write_recorded_event,
)
from cfd_core.values import Secret, Timestamp

VECTOR = Path(__file__).parents[2] / "vectors" / "olivia_bxbt_2021-10-04T22.json"
SECRETS = OracleSecrets(Secret(b"\x01" * 32), Secret(b"\x02" * 32))
MATURITY = Timestamp(1_633_384_800)
TLV = [Dialect.DLC_V0, Dialect.LEGACY_SHA256]


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(oracle, ["verify", *map(str, arguments)])


def _json(*arguments: object) -> tuple[int, dict[str, Any]]:
    result = _run(*arguments, "--json")
    return result.exit_code, json.loads(result.stdout)


def _messages(dialect: Dialect, outcome: int = 48_935) -> tuple[bytes, bytes]:
    event = IssuedEvent.price(dialect, hourly_event_id(MATURITY))
    return sign_announcement(SECRETS, event), attest(SECRETS, event, outcome, MATURITY)


def _file(folder: Path, raw: bytes) -> Path:
    path = folder / "event"
    path.write_bytes(raw)
    return path


def test_recorded_event() -> None:
    result = _run(VECTOR)
    assert result.exit_code == 0
    assert "20 of 20 signatures valid" in result.output
    assert "48,935" in result.output
    assert "signature not checked: no key" in result.output
    assert "2021-10-04T22:00:00Z" in result.output


def test_recorded_event_as_json() -> None:
    code, report = _json(VECTOR)
    assert code == 0
    assert report == {
        "dialect": "olivia-v1",
        "event": "/x/BitMEX/BXBT/2021-10-04T22:00:00.price?n=20",
        "maturity": "2021-10-04T22:00:00Z",
        "outcome": 48_935,
        "digits": 20,
        "signatures_checked": 20,
        "signatures_valid": 20,
        "announcement_signature": "not checked: no key",
        "oracle_key": "ddd4636845a90185991826be5a494cde9f4a6947b1727217afedc6292fa4caf7",
        "oracle_key_from": "known oracle",
        "valid": True,
        "error": None,
    }


def test_with_all_keys(tmp_path: Path) -> None:
    path = _file(tmp_path, write_recorded_event(*_messages(Dialect.OLIVIA_V1)))
    keys = SECRETS.public
    assert keys.announcement is not None
    code, report = _json(path, "--key", keys.attestation.hex(), "--announcement-key", keys.announcement.hex().upper())
    assert (code, report["announcement_signature"], report["oracle_key_from"]) == (0, "verified", "option")
    code, report = _json(path, "--key", keys.attestation.hex(), "--announcement-key", keys.attestation.hex())
    assert (code, report["valid"]) == (1, False)
    assert "announcement's signature is wrong" in report["error"]
    code, report = _json(path)
    assert (code, report["signatures_checked"], report["signatures_valid"]) == (1, 20, 0)


@pytest.mark.parametrize("dialect", TLV, ids=lambda dialect: dialect.value)
@pytest.mark.parametrize("chosen", [True, False])
@pytest.mark.parametrize("as_hex", [True, False])
def test_tlv(tmp_path: Path, dialect: Dialect, chosen: bool, as_hex: bool) -> None:
    announcement, attestation = _messages(dialect)
    raw = f"{announcement.hex()}\n{attestation.hex().upper()}\n".encode() if as_hex else announcement + attestation
    path = _file(tmp_path, raw)
    code, report = _json(path, *(["--dialect", dialect.value] if chosen else []))
    assert (code, report["dialect"], report["outcome"]) == (0, dialect.value, 48_935)
    assert (report["signatures_checked"], report["signatures_valid"]) == (20, 20)
    assert (report["announcement_signature"], report["oracle_key_from"]) == ("verified", "file")
    assert "pin the one you trust" in _run(path).output


def test_tlv_with_another_key(tmp_path: Path) -> None:
    path = _file(tmp_path, b"".join(_messages(Dialect.DLC_V0)))
    code, report = _json(path, "--key", "ddd4636845a90185991826be5a494cde9f4a6947b1727217afedc6292fa4caf7")
    assert (code, report["valid"]) == (1, False)
    assert "another oracle" in report["error"]


def test_the_wrong_dialect_fails(tmp_path: Path) -> None:
    path = _file(tmp_path, b"".join(_messages(Dialect.DLC_V0)))
    for dialect in ("legacy-sha256", "olivia-v1"):
        code, report = _json(path, "--dialect", dialect)
        assert (code, report["valid"]) == (1, False)


def test_only_an_announcement(tmp_path: Path) -> None:
    code, report = _json(_file(tmp_path, _messages(Dialect.DLC_V0)[0]))
    assert (code, report["outcome"], report["signatures_checked"]) == (0, None, 0)
    assert "not attested yet" in _run(tmp_path / "event").output
    code, report = _json(_file(tmp_path, write_recorded_event(_messages(Dialect.OLIVIA_V1)[0], None)))
    assert (code, report["valid"]) == (1, False)
    assert "nothing to check" in report["error"]


def _changed(old: str, new: str) -> bytes:
    text = VECTOR.read_text()
    assert old in text
    return text.replace(old, new).encode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (_changed('"48935"', '"48934"'), "19 of 20 attestation signatures are valid (wrong: digit 19)"),
        (_changed("1327b3bd", "1327b3bc"), "19 of 20 attestation signatures are valid (wrong: digit 0)"),
        (_changed('"48935"', '"1048576"'), "out of the event's range"),
        (_changed('"attestation"', '"attest"'), "missing"),
        (VECTOR.read_bytes()[:-9], "strict JSON"),
        (b"", "cut short"),
        (b"abc", "odd number of hex digits"),
        (b"\xff\x00 what is this", "record type"),
        (bytes(600_000), "not an oracle event"),
    ],
)
def test_one_clear_line(tmp_path: Path, raw: bytes, reason: str) -> None:
    result = _run(_file(tmp_path, raw))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert isinstance(result.exception, SystemExit)
    code, report = _json(tmp_path / "event")
    assert (code, report["valid"]) == (1, False)
    assert reason in report["error"]


def test_no_such_file(tmp_path: Path) -> None:
    result = _run(tmp_path / "nothing")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "No such file" in result.stderr
    assert "cannot be read" in _run(tmp_path).stderr


@pytest.mark.parametrize("key", ["", "12", "zz" * 32, "ff" * 33])
def test_bad_key(key: str) -> None:
    result = _run(VECTOR, "--key", key)
    assert result.exit_code == 1
    assert "--key: not a key of 64 hex digits" in result.stderr


def test_key_that_is_no_point() -> None:
    result = _run(VECTOR, "--key", "ff" * 32)
    assert result.exit_code == 1
    assert "x coordinate of a point" in result.stderr


def test_bad_dialect() -> None:
    assert _run(VECTOR, "--dialect", "morse").exit_code == 2
