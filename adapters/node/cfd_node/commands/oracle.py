"""`cfd oracle verify`: check every signature of a recorded oracle event."""

import json
import re
from pathlib import Path
from typing import Any, Final

import click
from attrs import asdict, frozen

from cfd_core.errors import CfdError, DecodeError, PeerViolation, RuleViolation
from cfd_core.oracle import (
    KNOWN_ORACLES,
    MAX_MESSAGE,
    Announcement,
    Dialect,
    OracleKeys,
    SignatureStatus,
    check_digits,
    read_announcement,
    read_recorded_event,
    read_recorded_records,
    utc_text,
)
from cfd_core.oracle.dlc import decode_announcement

_AUTO: Final = "auto"
_FILE_LIMIT: Final = 8 * MAX_MESSAGE
_KEY = re.compile(r"[0-9a-fA-F]{64}\Z")
_HEX = re.compile(rb"[0-9a-fA-F\s]+\Z")


@frozen
class Report:
    """What `--json` prints; None where the file did not say or could not be read."""

    dialect: str | None = None
    event: str | None = None
    maturity: str | None = None
    outcome: int | None = None
    digits: int | None = None
    signatures_checked: int = 0
    signatures_valid: int = 0
    announcement_signature: str | None = None
    oracle_key: str | None = None
    oracle_key_from: str | None = None
    """`option`, `known oracle`, or `file`: the last proves only that the file agrees with itself."""
    valid: bool = False
    error: str | None = None


@click.group("oracle")
def oracle() -> None:
    """Look at what oracles announce and attest."""


def _key(_context: click.Context, option: click.Parameter, text: str | None) -> bytes | None:
    if text is None:
        return None
    if not _KEY.match(text.strip()):
        raise click.ClickException(f"{option.opts[0]}: not a key of 64 hex digits: {text!r:.80}")
    return bytes.fromhex(text.strip())


@oracle.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", metavar="HEX", callback=_key, help="The oracle's attestation key (x-only).")
@click.option("--announcement-key", metavar="HEX", callback=_key, help="Olivia's separate announcement key (x-only).")
@click.option(
    "--dialect",
    type=click.Choice([_AUTO, *(dialect.value for dialect in Dialect)]),
    default=_AUTO,
    show_default=True,
    help="How the oracle speaks and signs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(file: Path, key: bytes | None, announcement_key: bytes | None, dialect: str, as_json: bool) -> None:
    """Check every signature in FILE: an event as olivia serves it, or TLV records, binary or hex.

    Exits with 0 only if every signature that can be checked holds.
    """
    try:
        report = _verify(_read(file), dialect, key, announcement_key)
    except CfdError as error:
        report = Report(error=str(error))
    if as_json:
        click.echo(json.dumps(asdict(report)))
    elif report.valid:
        _print(report)
    if not report.valid:
        raise click.ClickException(f"{file}: {report.error}")


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            raw = stream.read(_FILE_LIMIT + 1)
    except OSError as error:
        raise DecodeError(f"cannot be read: {error.strerror or error}") from error
    if len(raw) > _FILE_LIMIT:
        raise DecodeError(f"is longer than {_FILE_LIMIT:,} bytes: not an oracle event")
    return raw


def _verify(raw: bytes, choice: str, key: bytes | None, announcement_key: bytes | None) -> Report:
    if choice == _AUTO:
        is_json = raw.lstrip()[:1] == b"{"
        candidates = [Dialect.OLIVIA_V1] if is_json else [Dialect.DLC_V0, Dialect.LEGACY_SHA256]
    else:
        candidates = [Dialect(choice)]
    first: PeerViolation | None = None
    for dialect in candidates:
        try:
            return _verify_as(dialect, raw, key, announcement_key)
        except PeerViolation as error:
            first = first or error
    raise first or RuleViolation("no dialect to try")


def _verify_as(dialect: Dialect, raw: bytes, key: bytes | None, announcement_key: bytes | None) -> Report:
    if dialect is Dialect.OLIVIA_V1:
        announcement_raw, attestation_raw = read_recorded_event(raw)
        pinned, source = KNOWN_ORACLES["olivia"].attestation, "known oracle"
    else:
        announcement_raw, attestation_raw = read_recorded_records(_unhex(raw))
        pinned, source = decode_announcement(dialect, announcement_raw).oracle_key or b"", "file"
    if key is not None:
        pinned, source = key, "option"
    announcement = read_announcement(dialect, announcement_raw, OracleKeys(pinned, announcement_key))
    return _report(announcement, attestation_raw, source)


def _unhex(raw: bytes) -> bytes:
    if not _HEX.match(raw):
        return raw
    try:
        return bytes.fromhex(raw.decode("ascii"))
    except ValueError as error:
        raise DecodeError("an odd number of hex digits") from error


def _report(announcement: Announcement, attestation_raw: bytes | None, key_source: str) -> Report:
    outcome: int | None = None
    checks: tuple[bool, ...] = ()
    if attestation_raw is not None:
        outcome, checks = check_digits(announcement, attestation_raw)
    error = _objection(announcement, checks)
    return Report(
        dialect=announcement.dialect.value,
        event=announcement.event_id,
        maturity=f"{utc_text(announcement.maturity)}Z",
        outcome=outcome,
        digits=announcement.digits,
        signatures_checked=len(checks),
        signatures_valid=sum(checks),
        announcement_signature=announcement.signature_status.value,
        oracle_key=announcement.oracle_key.hex(),
        oracle_key_from=key_source,
        valid=error is None,
        error=error,
    )


def _objection(announcement: Announcement, checks: tuple[bool, ...]) -> str | None:
    if not all(checks):
        wrong = ", ".join(str(index) for index, valid in enumerate(checks) if not valid)
        return f"forged: {sum(checks)} of {len(checks)} attestation signatures are valid (wrong: digit {wrong})"
    if not checks and announcement.signature_status is not SignatureStatus.VERIFIED:
        return "nothing to check: no attestation yet, and no key for the announcement's signature"
    return None


def _print(report: Report) -> None:
    outcome = "not attested yet" if report.outcome is None else f"{report.outcome:,}"
    origins = {"file": "named by the file itself: pin the one you trust with --key", "option": "given with --key"}
    rows: dict[str, Any] = {
        "Dialect": report.dialect,
        "Event": report.event,
        "Maturity": report.maturity,
        "Outcome": f"{outcome} ({report.digits} binary digits)",
        "Attestation": f"{report.signatures_valid} of {report.signatures_checked} signatures valid",
        "Announcement": f"signature {report.announcement_signature}",
        "Oracle key": report.oracle_key,
        "": f"({origins.get(report.oracle_key_from or '', report.oracle_key_from)})",
    }
    for title, text in rows.items():
        click.echo(f"{title:<14}{text}")
