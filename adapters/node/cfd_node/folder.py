"""A node's folder, and the lock that lets only one process live in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCK_FILE: Final = "lock"


class FolderRefused(Exception):
    """The folder cannot be had: another node lives in it, or it cannot be written."""


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Make `folder` (for its owner only) unless it is there, and keep every other node out of it.

    Two nodes on one store would each decide on a state that the other has changed, and open one wallet twice. The
    lock is the operating system's, so it ends with the process, however that ends. `FolderRefused` says why not.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FolderRefused(f"cannot use the folder {folder}: {error.strerror}") from error
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise FolderRefused(f"another node uses the folder {folder}") from error
