"""A node's folder: for its owner's eyes only, with a lock that lets only one process live in it."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCK_FILE: Final = "lock"


class FolderRefused(Exception):
    """The folder cannot be had: another node lives in it, others may read it, or it cannot be written."""


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Make `folder` (for its owner only) unless it is there, and keep every other node out of it.

    Two nodes on one store would each decide on a state that the other has changed, and open one wallet twice. The
    lock is the operating system's, so it ends with the process, however that ends. `FolderRefused` says why not: also
    for a folder that others may enter. Files in it that others could read are closed to them.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(folder)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FolderRefused(f"cannot use the folder {folder}: {error.strerror}") from error
    try:
        _lock(descriptor, folder)
        _close_files(folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise FolderRefused(f"another node uses the folder {folder}") from error


def check_private(path: Path) -> None:
    """`FolderRefused` if a folder or file belongs to somebody else, or others may look into it."""
    found = path.stat()
    if found.st_uid != os.geteuid():
        raise FolderRefused(f"{path} belongs to another user")
    if found.st_mode & 0o077:
        wanted = "700" if stat.S_ISDIR(found.st_mode) else "600"
        raise FolderRefused(f"others may look into {path}: chmod {wanted} it, and think about who has looked already")


def _close_files(folder: Path) -> None:
    """The folder was closed all along, so nobody has looked: what libraries left open is only put right."""
    for path in folder.iterdir():
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            path.chmod(mode & 0o700)
