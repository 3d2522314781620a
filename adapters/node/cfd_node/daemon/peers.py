"""Peers that a maker takes no orders from, kept across restarts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cfd_wallet.files import write_whole

from cfd_core.values import PeerId

BLOCKED_FILE: Final = "blocked.json"
MAX_FILE: Final = 4 * 1024 * 1024


class BlockedUnreadable(Exception):
    """The file is there and is not ours, or cannot be read or written; it was left as it is."""


class BlockedPeers:
    """A set in a small file, read once and written whole at each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._peers: set[PeerId] | None = None

    def __contains__(self, peer: object) -> bool:
        return peer in self._known()

    def __iter__(self) -> Iterator[PeerId]:
        return iter(sorted(self._known()))

    def add(self, peer: PeerId) -> None:
        """`BlockedUnreadable` if it cannot be kept; then nothing has changed."""
        self._write(self._known() | {peer})

    def discard(self, peer: PeerId) -> None:
        """`BlockedUnreadable` if it cannot be kept; then nothing has changed."""
        self._write(self._known() - {peer})

    def _known(self) -> set[PeerId]:
        if self._peers is None:
            self._peers = self._read()
        return self._peers

    def _read(self) -> set[PeerId]:
        try:
            if self._path.stat().st_size > MAX_FILE:
                raise BlockedUnreadable(f"{self._path} is too long")
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return set()
        except (OSError, ValueError) as error:
            raise BlockedUnreadable(f"{self._path} cannot be read: {error}") from error
        if not isinstance(found, list) or not all(isinstance(peer, str) and peer.isprintable() for peer in found):
            raise BlockedUnreadable(f"{self._path} is not a list of peers")
        return {PeerId(peer) for peer in found}

    def _write(self, peers: set[PeerId]) -> None:
        try:
            write_whole(self._path, json.dumps(sorted(peers), indent=1).encode())
        except OSError as error:
            raise BlockedUnreadable(f"{self._path} cannot be written: {error.strerror}") from error
        self._peers = peers
