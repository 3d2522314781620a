"""The data folder as a service: nothing is opened in it before the lock is ours."""

import asyncio
from pathlib import Path

from cfd_node.folder import FolderRefused, own_folder
from cfd_node.supervision import Level, ServiceFailed, Tell


class FolderService:
    """Holds the lock on the data folder."""

    name = "folder"
    needs = ()

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def run(self, tell: Tell) -> None:
        try:
            with own_folder(self._folder):
                tell(Level.RUNNING)
                await asyncio.Event().wait()
        except FolderRefused as error:
            raise ServiceFailed(str(error)) from error
