"""What a signer remembers: enough not to be talked into what an honest node never asks for.

A file with one JSON line for each thing that was done, synced before the answer leaves.
"""

import fcntl
import json
import os
from io import FileIO
from pathlib import Path
from typing import Any

from cfd_core.crypto.signer import SignerRefused
from cfd_core.errors import DecodeError
from cfd_core.values import CfdId, cfd_id


class Memory:
    """For each CFD: the revisions whose commits we signed for the counterparty, those that we revoked, our close."""

    def __init__(self, path: Path) -> None:
        """Read the file, or begin one, for its owner alone. `DecodeError` if a line of it is damaged, `OSError` if
        another signer has it open: two with one memory would each forget what the other promised.
        """
        self._committed: set[tuple[CfdId, int]] = set()
        self._drafts: set[tuple[CfdId, int, str]] = set()
        self._revoked: set[tuple[CfdId, int]] = set()
        self._closes: dict[CfdId, str] = {}
        self._lines: set[bytes] = set()
        self._file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+")
        try:
            self._lock(path)
            self._read()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def signed(self, cfd: CfdId, revision: int, draft: bytes) -> bool:
        """Whether the counterparty has our signature on the commit of the contract with this fingerprint."""
        return (cfd, revision, draft.hex()) in self._drafts

    def commit(self, cfd: CfdId, revision: int, draft: bytes) -> None:
        """The counterparty gets our signature on this commit, of the contract with this fingerprint."""
        if (cfd, revision) in self._revoked:
            raise SignerRefused(f"revision {revision} of this CFD is revoked")
        self._note({"did": "commit", "cfd": cfd, "revision": revision, "draft": draft.hex()})

    def publish(self, cfd: CfdId, revision: int) -> None:
        """We are about to publish this commit: whoever revoked it would lose the pool."""
        if (cfd, revision) in self._revoked:
            raise SignerRefused(f"revision {revision} of this CFD is revoked: whoever publishes it loses everything")

    def revoke(self, cfd: CfdId, revision: int) -> None:
        """Our revocation secret leaves: only once there is a next revision."""
        if (cfd, revision + 1) not in self._committed:
            raise SignerRefused(f"there is no revision after {revision} of this CFD yet")
        self._note({"did": "revoke", "cfd": cfd, "revision": revision})

    def agree(self, cfd: CfdId, price: str) -> None:
        """A close at this price: two would let the counterparty choose."""
        if self._closes.get(cfd, price) != price:
            raise SignerRefused(f"a close at {self._closes[cfd]} is signed already")
        self._note({"did": "close", "cfd": cfd, "price": price})

    def _note(self, line: dict[str, Any]) -> None:
        data = json.dumps(line).encode()
        if data in self._lines:
            return
        end = self._file.seek(0, os.SEEK_END)
        if self._file.write(data + b"\n") != len(data) + 1:
            self._file.truncate(end)
            raise OSError("the signer's memory cannot be written")
        os.fsync(self._file.fileno())
        self._take(data)

    def _take(self, data: bytes) -> None:
        match json.loads(data):
            case {"did": "commit", "cfd": str(cfd), "revision": int(revision), "draft": str(draft)}:
                self._committed.add((cfd_id(cfd), revision))
                self._drafts.add((cfd_id(cfd), revision, draft))
            case {"did": "revoke", "cfd": str(cfd), "revision": int(revision)}:
                self._revoked.add((cfd_id(cfd), revision))
            case {"did": "close", "cfd": str(cfd), "price": str(price)}:
                self._closes[cfd_id(cfd)] = price
            case _:
                raise DecodeError("not a line of a signer's memory")
        self._lines.add(data)

    def _lock(self, path: Path) -> None:
        try:
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OSError(f"another signer uses {path}") from error

    def _read(self) -> None:
        lines = self._file.read().split(b"\n")
        if torn := lines.pop():  # a crash tore it, so its answer never left
            self._file.truncate(self._file.seek(0, os.SEEK_END) - len(torn))
        for number, line in enumerate(lines, 1):
            try:
                self._take(line)
            except (ValueError, DecodeError) as error:
                raise DecodeError(f"line {number} of the signer's memory is damaged") from error
