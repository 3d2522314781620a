"""The signer as a service: asked often whether it is there, and whether it is the one that this node has lived with."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from cfd_signer import RemoteKeyring, Watch
from cfd_wallet.files import write_whole

from cfd_core.cfd.aggregate import Cfd
from cfd_core.crypto.signer import SignerUnavailable
from cfd_node.supervision import Level, ServiceFailed, Tell

SIGNER_FILE: Final = "signer"
"""Whose keys this node's CFDs have: the fingerprint of the signer that it met first."""
LOOK_SECONDS: Final = 1.0
"""Between two looks at what those who asked the signer met with, and between two questions while it is away."""
PROBE_LOOKS: Final = 4
"""Looks between two questions whether it is there."""


class SignerService:
    """Looks after the way to the signer. Nothing is asked on it before the signer was met, nor after it was missed."""

    name = "signer"
    needs = ("protocols",)

    def __init__(self, keyring: RemoteKeyring, folder: Path, open_cfds: Callable[[], Iterable[Cfd]]) -> None:
        """A keyring with a watch. `open_cfds` are those that may yet need their keys."""
        if keyring.road.watch is None:
            raise ValueError("nobody could be told that the signer is away")
        self._keyring, self._watch = keyring, keyring.road.watch
        self._file, self._open_cfds = folder / SIGNER_FILE, open_cfds

    async def run(self, tell: Tell) -> None:
        try:
            while True:
                await self._look()
                for _ in range(PROBE_LOOKS):
                    _say(tell, self._watch)
                    await asyncio.sleep(LOOK_SECONDS)
                    if self._watch.trouble:  # told before it is over, so that what it put off is taken up again
                        _say(tell, self._watch)
                        break
        finally:
            self._watch.trouble = "the signer is not asked: its service is stopped"

    async def _look(self) -> None:
        before = self._watch.trouble
        cfds = () if self._file.exists() else tuple(self._open_cfds())
        try:
            trouble = await asyncio.to_thread(self._obstacle, cfds)
        except SignerUnavailable as error:
            trouble = str(error)
        except (OSError, UnicodeDecodeError) as error:
            raise ServiceFailed(f"{self._file} cannot be used: {error}") from error
        if trouble or self._watch.trouble == before:  # else somebody was not answered meanwhile
            self._watch.trouble = trouble

    def _obstacle(self, cfds: tuple[Cfd, ...]) -> str:
        """Why this signer must not sign for this node; empty: it may."""
        holder, network = self._keyring.meet(), self._keyring.network
        if holder.network is not network:
            return f"the signer's keys are for {holder.network.value}, and this node is on {network.value}"
        if self._file.exists():
            same = self._file.read_text().strip() == holder.fingerprint
            return "" if same else "the signer holds other keys than the one whose keys this node's CFDs have"
        strange = sum(not self._has(cfd) for cfd in cfds)
        if strange:
            return (
                f"the signer does not have the keys of {strange} open CFDs, which were made without it: take "
                "signer.socket out of the settings until they have ended"
            )
        write_whole(self._file, f"{holder.fingerprint}\n".encode())
        return ""

    def _has(self, cfd: Cfd) -> bool:
        if cfd.held is None:
            return True  # nothing was signed yet
        return self._keyring.has(cfd.key_id, cfd.held.live.draft.party(cfd.role).funder.identity)


def _say(tell: Tell, watch: Watch) -> None:
    tell(Level.FAILED if watch.trouble else Level.RUNNING, watch.trouble)
