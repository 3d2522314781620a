"""Putting a backup back: whole or not at all, and marked as what it is before any node starts on it."""

import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import IO, Final

from attrs import frozen
from cfd_store import SqlStore, StoreError, sqlite_url
from cfd_wallet import WalletError
from cfd_wallet.seed import SEED_FILE, SeedFile

from cfd_core.cfd.commands import TrustBackup
from cfd_core.cfd.standing import Standing
from cfd_core.crypto.signer import Signer, SignerUnavailable
from cfd_core.engine import Settings
from cfd_core.errors import CfdError, DecodeError
from cfd_core.inputs import StoreRestored
from cfd_core.values import CfdId, Network, Secret
from cfd_node.backup.sealed import BackupDamaged, BackupRefused, Header, SealedReader, read_header
from cfd_node.clock import Clock
from cfd_node.folder import LOCK_FILE
from cfd_node.pump import Pump

EVENTS: Final = "events.sqlite"
IDENTITY: Final = "identity"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
MAX_FILES: Final = 1_000


@frozen
class _NobodySigns:
    """A keyring for books alone: the keys may be in a signer, and a signature with others would be stored for ever."""

    network: Network

    def cfd_keys(self, cfd: CfdId, revision: int) -> Signer:
        raise SignerUnavailable(f"nothing is signed for revision {revision} of CFD {cfd} before the node runs")


async def restore(source: Path, folder: Path, network: Network, passphrase: Secret, clock: Clock) -> tuple[CfdId, ...]:
    """Put the backup in `source` into the empty or missing `folder`; the CFDs that are in doubt until their
    counterparties have told where they stand.

    `BackupRefused` says why not; then the folder is as it was.
    """
    _check_empty(folder)
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            _unpack(source, workplace, network, passphrase)
            doubted = await _mark(workplace, network, passphrase, clock)
            _move(workplace, folder)
        finally:
            shutil.rmtree(workplace, ignore_errors=True)
    except (OSError, tarfile.TarError) as error:
        raise BackupRefused(f"the backup cannot be put back: {error}") from error
    except (WalletError, StoreError, DecodeError) as error:
        raise BackupDamaged(f"what is in the backup cannot be used: {error}") from error
    return doubted


def _check_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(path.name != LOCK_FILE for path in folder.iterdir())):
        raise BackupRefused(f"{folder} is not empty; a backup is put into an empty folder only")


def _unpack(source: Path, workplace: Path, network: Network, passphrase: Secret) -> None:
    with source.open("rb") as file:
        header = read_header(file)
        if header.network is not network:
            raise BackupRefused(f"the backup is of {header.network.value}, not of {network.value}")
        _extract(file, header, workplace, passphrase)


def _extract(file: IO[bytes], header: Header, workplace: Path, passphrase: Secret) -> None:
    reader = SealedReader(file, header, passphrase)
    count = 0
    with tarfile.open(fileobj=reader, mode="r|") as archive:
        for entry in archive:
            count += 1
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is None or not _NAME.match(entry.name) or count > MAX_FILES:
                raise BackupDamaged(f"the backup holds something that is no file of a node: {entry.name!r:.80}")
            descriptor = os.open(workplace / entry.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as target:
                shutil.copyfileobj(content, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
    while reader.read(1 << 16):  # to the last piece: a cut file must not look whole
        pass


async def _mark(workplace: Path, network: Network, passphrase: Secret, clock: Clock) -> tuple[CfdId, ...]:
    if not (workplace / EVENTS).exists():
        SeedFile(workplace / SEED_FILE).keychain(network, passphrase)
        return ()  # a node that never ran
    async with _books(workplace, network, passphrase, clock) as pump:
        pump.give(StoreRestored())
        return tuple(cfd.id for cfd in pump.engine.cfds.values() if cfd.doubt)


async def trust(folder: Path, network: Network, passphrase: Secret, key: CfdId, clock: Clock) -> Standing | None:
    """Rely on a restored CFD's books although its counterparty has not spoken for them; the node must be stopped.

    `BackupRefused` where there is no doubt, or no hope.
    """
    try:
        async with _books(folder, network, passphrase, clock) as pump:
            pump.give(TrustBackup(key))
            return pump.engine.cfds[key].standing
    except (CfdError, OSError, WalletError, StoreError) as error:
        raise BackupRefused(str(error)) from error


@asynccontextmanager
async def _books(folder: Path, network: Network, passphrase: Secret, clock: Clock) -> AsyncIterator[Pump]:
    """The stored engine, without anything of the world around it: what is to be signed waits for the node's start."""
    SeedFile(folder / SEED_FILE).keychain(network, passphrase)
    identity = (folder / IDENTITY).read_text()
    with closing(SqlStore(sqlite_url(folder / EVENTS), identity)) as store:
        pump = Pump(Settings(network=network, keychain=_NobodySigns(network)), store, clock)
        try:
            yield pump
        finally:
            await pump.stop()


def _move(workplace: Path, folder: Path) -> None:
    if folder.exists():
        (folder / LOCK_FILE).unlink(missing_ok=True)
        folder.rmdir()
    workplace.rename(folder)
