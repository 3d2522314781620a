"""Making a backup, of a node that runs or is stopped."""

import io
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cfd_wallet import WalletError
from cfd_wallet.sealing import SALT_BYTES, Stretching
from cfd_wallet.seed import SEED_FILE, SeedFile

from cfd_core.values import Network, Secret, Timestamp
from cfd_node.backup.sealed import ENTROPY_BYTES, BackupRefused, Header, SealedWriter
from cfd_node.folder import LOCK_FILE

CONFIG_NAME: Final = "cfd.toml"
_PASSING: Final = (".new", "-wal", "-shm", "-journal")
"""Ends of names of files that belong to another file, and mean nothing without it."""
_SQLITE: Final = b"SQLite format 3\x00"


def save(
    folder: Path,
    config: Path | None,
    target: Path,
    network: Network,
    passphrase: Secret,
    now: Timestamp,
    entropy: bytes,
    *,
    log_n: int = 17,
) -> int:
    """Seal everything in `folder`, and the settings, into the new file `target`; the number of files in it.

    Databases are copied as of one moment each, also while a node writes. The passphrase must be the seed's: whoever
    restores needs one only. `entropy`: 23 fresh random bytes. `BackupRefused` says why not; then there is no file.
    """
    _check(folder, target, network, passphrase)
    if len(entropy) != ENTROPY_BYTES:
        raise BackupRefused(f"a backup takes {ENTROPY_BYTES} random bytes")
    header = Header(network, now, Stretching(entropy[:SALT_BYTES], log_n), entropy[SALT_BYTES:])
    beside = target.with_name(target.name + ".new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:
                count = _write(folder, config, SealedWriter(file, header, passphrase), now)
                file.flush()
                os.fsync(file.fileno())
            os.link(beside, target)
        finally:
            beside.unlink()
    except (OSError, sqlite3.Error) as error:
        raise BackupRefused(f"the backup cannot be made: {error}") from error
    return count


def _check(folder: Path, target: Path, network: Network, passphrase: Secret) -> None:
    if target.exists():
        raise BackupRefused(f"there is a file {target} already; a backup overwrites nothing")
    try:
        SeedFile(folder / SEED_FILE).keychain(network, passphrase)
    except WalletError as error:
        raise BackupRefused(str(error)) from error


def _write(folder: Path, config: Path | None, sealed: SealedWriter, now: Timestamp) -> int:
    count = 0
    with tarfile.open(fileobj=sealed, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name, path in _parts(folder, config):
            _add(archive, name, path, now)
            count += 1
    sealed.finish()
    return count


def _parts(folder: Path, config: Path | None) -> Iterator[tuple[str, Path]]:
    """Name in the backup, and file. The books first: what else is newer than they are does no harm."""
    files = [path for path in folder.iterdir() if path.is_file() and not path.is_symlink()]
    kept = [path for path in files if path.name != LOCK_FILE and not path.name.endswith(_PASSING)]
    for path in sorted(kept, key=lambda path: (path.name != "events.sqlite", path.name)):
        yield path.name, path
    if config is not None and config.is_file() and not (folder / CONFIG_NAME).exists():
        yield CONFIG_NAME, config


def _add(archive: tarfile.TarFile, name: str, path: Path, now: Timestamp) -> None:
    with path.open("rb") as file:
        database = file.read(len(_SQLITE)) == _SQLITE
    if not database:
        _add_bytes(archive, name, path.read_bytes(), now)
        return
    # beside the database, because there the room for it is, and nobody else may look
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".backup-") as workplace:
        copy = Path(workplace) / "copy"
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=30)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target, pages=1_000)
        with copy.open("rb") as file:
            archive.addfile(_entry(name, copy.stat().st_size, now), file)


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes, now: Timestamp) -> None:
    archive.addfile(_entry(name, len(content), now), io.BytesIO(content))


def _entry(name: str, size: int, now: Timestamp) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, now
    return entry
