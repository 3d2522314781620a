"""The active Rust peer, DDK, measured live: its npm package, driven by `ddk_peer.cjs`.

Nothing of it is kept in this repository. `Ddk.start` raises `NotHere` with the reason where it cannot be had; then no
figure of it is shown but the design's, marked as such.
"""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from attrs import frozen

from cfd_core.values import DigitPrefix

PACKAGE: Final = "@bennyblader/ddk-ts"
VERSION: Final = "0.3.35"
FOLDER: Final = Path(__file__).parents[2] / ".nox" / "ddk"
DESIGN_US: Final = 850.0 + 1_000.0
"""To create and verify one CET's signature, on the reference machine, as the design's table has it."""


class NotHere(Exception):
    """DDK cannot be measured here, and why."""


@frozen
class CetSet:
    """What DDK is to sign: one CET per prefix."""

    digits: int
    pool: int
    cets: Sequence[tuple[DigitPrefix, int]]
    """The prefix, and the sats of one side."""

    def record(self) -> dict[str, Any]:
        cets = [[paid, f"{prefix.value:0{prefix.length}b}"] for prefix, paid in self.cets]
        return {"digits": self.digits, "pool": self.pool, "cets": cets}


def module() -> Path:
    """The native module, installed if it is not here yet."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotHere("there is no node and npm")
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise NotHere(f"its package has no module for {sys.platform} on {platform.machine()}")
    found = FOLDER / "node_modules" / PACKAGE / "dist" / "ddk-ts.linux-x64-gnu.node"
    if not found.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        install = [npm, "install", "--prefix", str(FOLDER), "--ignore-scripts", "--no-audit", "--no-fund"]
        command = [*install, f"{PACKAGE}@{VERSION}"]
        try:
            subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        except subprocess.TimeoutExpired as error:
            raise NotHere("npm did not answer") from error
        except subprocess.CalledProcessError as error:
            raise NotHere(f"npm could not install {PACKAGE}: {' '.join(error.stderr.split())[:200]}") from error
        if not found.exists():
            raise NotHere(f"{PACKAGE} {VERSION} has no native module for this machine")
    return found


class Ddk(AbstractContextManager["Ddk"]):
    """A node process with DDK in it."""

    def __init__(self, sets: Mapping[str, CetSet]) -> None:
        command = ["node", str(Path(__file__).with_name("ddk_peer.cjs")), str(module())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.version = self._ask(json.dumps({name: one.record() for name, one in sets.items()}))["version"]
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def seconds(self, name: str) -> float:
        """Of processor time, to create and verify all adaptor signatures of that set, one party's."""
        took = self._ask(name)
        return float(took["create"] + took["verify"])

    def _ask(self, line: str) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the process was started without pipes")
        try:
            stdin.write(line + "\n")
            stdin.flush()
            answer = stdout.readline()
        except BrokenPipeError as error:
            raise NotHere("its module does not run here") from error
        if not answer:
            raise NotHere("its module does not run here")
        result: dict[str, Any] = json.loads(answer)
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
