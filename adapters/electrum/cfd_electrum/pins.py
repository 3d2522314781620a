"""Which certificate each TLS server showed at the first meeting, and that it is still the same."""

import json
import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from cfd_electrum.address import ServerAddress
from cfd_electrum.errors import ElectrumError

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}\Z")
MAX_FILE: Final = 1 << 20


class PinChanged(ElectrumError):
    """The server shows another certificate than before."""

    def __init__(self, server: ServerAddress, known: str, shown: str) -> None:
        super().__init__(
            f"{server} shows another certificate than at the first meeting (now {shown[:16]}, then {known[:16]}): "
            f"somebody may stand between you and it. If its owner renewed it: `cfd server accept {server}`"
        )
        self.server, self.known, self.shown = server, known, shown


class PinsUnreadable(ElectrumError):
    """The file of pins is damaged: nothing is trusted until it is repaired or removed."""


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of the DER form, in hex."""
    return sha256(certificate).hexdigest()


class Pins:
    """Server -> fingerprint, on disk as soon as it is known. Without a path they live in memory."""

    def __init__(self, path: Path | None = None) -> None:
        """`PinsUnreadable` for a file that is not whole."""
        self._path = path
        self._known = _load(path) if path is not None and path.exists() else {}
        self._refused: dict[str, str] = {}

    @property
    def known(self) -> dict[str, str]:
        """A copy: server -> fingerprint."""
        return dict(self._known)

    @property
    def refused(self) -> dict[str, str]:
        """What was last shown in the place of a known fingerprint, since the start."""
        return dict(self._refused)

    def check(self, server: ServerAddress, shown: str) -> None:
        """Remember the first, and raise `PinChanged` for another one after it."""
        known = self._known.get(str(server))
        if known is None:
            self.accept(server, shown)
        elif known != shown:
            self._refused[str(server)] = shown
            raise PinChanged(server, known, shown)

    def accept(self, server: ServerAddress, shown: str) -> None:
        """From now on `shown` (64 hex digits) is the server's. Somebody must have looked at it."""
        if not _FINGERPRINT.match(shown):
            raise ElectrumError(f"not a fingerprint (64 hex digits): {shown!r:.80}")
        known = {**self._known, str(server): shown}
        self._store(known)
        self._known = known
        self._refused.pop(str(server), None)

    def forget(self, server: ServerAddress) -> None:
        """The next meeting is the first. An unknown server is fine."""
        known = {name: pin for name, pin in self._known.items() if name != str(server)}
        self._store(known)
        self._known = known

    def _store(self, known: dict[str, str]) -> None:
        if self._path is None:
            return
        beside = self._path.with_name(self._path.name + ".new")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w") as file:
                json.dump(known, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise ElectrumError(f"the certificate pins in {self._path} cannot be written: {error.strerror}") from error


def _load(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            stored = json.loads(file.read(MAX_FILE))
    except (OSError, ValueError, RecursionError) as error:
        raise PinsUnreadable(f"the certificate pins in {path} cannot be read: {type(error).__name__}") from error
    if not isinstance(stored, dict) or not all(isinstance(v, str) and _FINGERPRINT.match(v) for v in stored.values()):
        raise PinsUnreadable(f"the certificate pins in {path} cannot be read")
    return stored
