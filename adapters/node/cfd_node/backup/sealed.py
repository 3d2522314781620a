"""A stream of bytes sealed piece by piece: whatever its size, memory stays small, and every change is noticed.

First a line of JSON in the open: what it is, its version, how the key is made of the passphrase. Then pieces of 64 kB,
each sealed with ChaCha20-Poly1305 under a nonce that counts and says which piece is the last (the STREAM construction
of Hoang, Reyhanitabar, Rogaway and Vizár). Each is bound to the first line, so nothing can be cut, swapped or spliced.
"""

import io
import json
from typing import IO, Any, Final

from attrs import frozen
from cfd_wallet import NotSealed
from cfd_wallet.sealing import SALT_BYTES, Stretching
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from cfd_core.values import Network, Secret, Timestamp

KIND: Final = "cfd-backup"
VERSION: Final = 1
PIECE: Final = 64 * 1024
TAG: Final = 16
PREFIX_BYTES: Final = 7
ENTROPY_BYTES: Final = SALT_BYTES + PREFIX_BYTES
MAX_HEADER: Final = 4096
"""Bytes of the first line."""


class BackupRefused(Exception):
    """The backup cannot be made, or must not be put back here; nothing was changed."""


class BackupDamaged(BackupRefused):
    """The file is no backup, was changed or cut, or is sealed with another passphrase."""


@frozen
class Header:
    """The first line."""

    network: Network
    made_at: Timestamp
    stretching: Stretching
    prefix: bytes
    """Of all nonces."""

    def dump(self) -> bytes:
        stored = {
            "kind": KIND,
            "version": VERSION,
            "network": self.network.value,
            "made_at": self.made_at,
            "kdf": self.stretching.dump(),
            "cipher": "chacha20-poly1305-stream",
            "prefix": self.prefix.hex(),
        }
        return json.dumps(stored, separators=(",", ":")).encode() + b"\n"


def read_header(file: IO[bytes]) -> Header:
    """The first line; `BackupDamaged` for anything but one of a version known here."""
    line = file.readline(MAX_HEADER)
    try:
        stored: dict[str, Any] = json.loads(line)
        if stored["kind"] != KIND:
            raise BackupDamaged("this is no backup of a cfd node")
        if stored["version"] != VERSION:
            raise BackupDamaged(f"a backup of version {stored['version']!r:.20}; this program knows {VERSION}")
        made_at = Timestamp(int(stored["made_at"]))
        header = Header(
            Network(stored["network"]), made_at, Stretching.load(stored["kdf"]), bytes.fromhex(stored["prefix"])
        )
    except (ValueError, KeyError, TypeError, RecursionError, NotSealed) as error:
        raise BackupDamaged("this is no backup of a cfd node") from error
    if header.dump() != line or len(header.prefix) != PREFIX_BYTES:
        raise BackupDamaged("the backup's first line is damaged")
    return header


class _Sealing:
    def __init__(self, header: Header, passphrase: Secret) -> None:
        self._cipher = ChaCha20Poly1305(header.stretching.key(passphrase).reveal())
        self._prefix, self._bound = header.prefix, header.dump()
        self._count = 0

    def _nonce(self, last: bool) -> bytes:
        nonce = self._prefix + self._count.to_bytes(4, "big") + bytes([last])
        self._count += 1
        return nonce


class SealedWriter(_Sealing, io.RawIOBase):
    """Takes bytes, writes header and sealed pieces to `file`. Only `finish` makes it whole; closing does not."""

    def __init__(self, file: IO[bytes], header: Header, passphrase: Secret) -> None:
        super().__init__(header, passphrase)
        self._file, self._waiting = file, bytearray()
        file.write(header.dump())

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        piece = bytes(data)
        self._waiting += piece
        while len(self._waiting) > PIECE:
            self._seal(bytes(self._waiting[:PIECE]), last=False)
            del self._waiting[:PIECE]
        return len(piece)

    def finish(self) -> None:
        """Write the last piece."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, piece: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(self._nonce(last), piece, self._bound))


class SealedReader(_Sealing, io.RawIOBase):
    """Gives the bytes back, each only after its piece was found genuine; `BackupDamaged` as soon as one is not."""

    def __init__(self, file: IO[bytes], header: Header, passphrase: Secret) -> None:
        super().__init__(header, passphrase)
        self._file = file
        self._ahead = file.read(PIECE + TAG)
        self._ready = b""
        self._done = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        while not self._ready and not self._done:
            self._ready = self._open()
        given, self._ready = self._ready[: len(view)], self._ready[len(view) :]
        view[: len(given)] = given
        return len(given)

    def _open(self) -> bytes:
        piece, self._ahead = self._ahead, self._file.read(PIECE + TAG)
        self._done = not self._ahead
        try:
            return self._cipher.decrypt(self._nonce(self._done), piece, self._bound)
        except InvalidTag:
            raise BackupDamaged("the passphrase does not open the backup, or the file was changed or cut") from None
