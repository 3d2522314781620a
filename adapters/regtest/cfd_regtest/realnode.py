"""A real bitcoind and a real Electrum server (e-x) on loopback, for the tests that ask for them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final, Self

import httpx
from attrs import frozen

from cfd_regtest.bitcoind import BitcoindControl
from cfd_regtest.errors import NodeFailed, NotAvailable

ELECTRUMX_VERSION: Final = "1.20."
"""Of the package e-x: the next major version asks for a newer bitcoind than Debian has."""
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.05
LOG_TAIL: Final = 2_000


def find_or_get_bitcoind(prefix: Path | None = None) -> Path:
    """Where bitcoind is: $BITCOIND, else on the PATH, else `prefix`/bin, fetched there from Debian if need be.

    Without `prefix` nothing is fetched. `NotAvailable` says what is missing.
    """
    named = os.environ.get("BITCOIND")
    if named:
        return _program(Path(named), "BITCOIND")
    found = shutil.which("bitcoind")
    if found:
        return Path(found)
    if prefix is None:
        raise NotAvailable("no bitcoind: BITCOIND is not set and none is on the PATH")
    if not (prefix / "bin" / "bitcoind").exists():
        _fetch(prefix)
    return _program(prefix / "bin" / "bitcoind", "the unpacked bitcoind")


def find_electrumx_python() -> Path:
    """A Python that has e-x: $ELECTRUMX_PYTHON, else this one. `NotAvailable` if it has not."""
    python = Path(os.environ.get("ELECTRUMX_PYTHON") or sys.executable)
    question = "import importlib.metadata as m; print(m.version('e-x'))"
    try:
        answer = _run([str(python), "-c", question])
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotAvailable(f"no Electrum server: {python} has no package e-x (wanted: {ELECTRUMX_VERSION}x)") from error
    if not answer.startswith(ELECTRUMX_VERSION):
        raise NotAvailable(f"e-x {answer.strip()} instead of {ELECTRUMX_VERSION}x")
    return python


class RealNode:
    """bitcoind (-regtest, Core's relay policy) with e-x behind it, in a temporary folder, on free loopback ports.

    A context manager; blocking, so that a test session can hold one. `NodeFailed` if either does not come up.
    """

    def __init__(self, bitcoind: Path, electrumx_python: Path) -> None:
        self._bitcoind, self._python = bitcoind, electrumx_python
        self._folder = Path(tempfile.mkdtemp(prefix="cfd-realnode-"))
        self._running: list[_Process] = []
        self._rpc_port, self._electrum_port, self._admin_port = _free_ports(3)

    @classmethod
    def find(cls, prefix: Path | None = None) -> Self:
        """With the programs this machine has, or can fetch into `prefix`; else `NotAvailable`."""
        bitcoind = find_or_get_bitcoind(prefix)
        return cls(bitcoind, find_electrumx_python())

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def rpc_url(self) -> str:
        """With the cookie's user and password; only while the node runs."""
        cookie = (self._folder / "bitcoind" / "regtest" / ".cookie").read_text()
        return f"http://{cookie}@127.0.0.1:{self._rpc_port}/"

    @property
    def electrum(self) -> tuple[str, int]:
        return "127.0.0.1", self._electrum_port

    def control(self) -> BitcoindControl:
        """A `ChainControl` to enter: `async with node.control() as control`."""
        return BitcoindControl(self.rpc_url, *self.electrum)

    def start(self) -> None:
        """Start both and return when both answer."""
        node = self._spawn("bitcoind", self._bitcoind_arguments(), os.environ)
        self._await(node, self._node_answers)
        launcher = files("cfd_regtest") / "data" / "ex_launch.py"
        with as_file(launcher) as path:
            server = self._spawn("electrumx", [str(self._python), str(path)], self._electrumx_environment())
            self._await(server, self._server_listens)

    def stop(self) -> None:
        """Stop both, the server first, and remove the folder. Stopping twice is fine."""
        while self._running:
            self._running.pop().stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _bitcoind_arguments(self) -> list[str]:
        folder = self._folder / "bitcoind"
        folder.mkdir(parents=True)
        switches = "-regtest -server -corepolicy -listen=0 -dnsseed=0 -fixedseeds=0 -natpmp=0 -txindex=1"
        rpc = f"-rpcport={self._rpc_port} -rpcbind=127.0.0.1 -rpcallowip=127.0.0.1"
        rest = "-fallbackfee=0.00002 -printtoconsole=0"
        return [str(self._bitcoind), f"-datadir={folder}", *switches.split(), *rpc.split(), *rest.split()]

    def _electrumx_environment(self) -> dict[str, str]:
        folder = self._folder / "electrumx"
        folder.mkdir()
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "COIN": "Bitcoin",
            "NET": "regtest",
            "DB_DIRECTORY": str(folder),
            "DB_ENGINE": "memdb",
            "DAEMON_URL": self.rpc_url,
            "SERVICES": f"tcp://127.0.0.1:{self._electrum_port},rpc://127.0.0.1:{self._admin_port}",
            "PEER_DISCOVERY": "off",
            "PEER_ANNOUNCE": "",
            "CACHE_MB": "50",
            "COST_SOFT_LIMIT": "0",
            "COST_HARD_LIMIT": "0",
            "REQUEST_SLEEP": "0",
            "INITIAL_CONCURRENT": "100",
            "DAEMON_POLL_INTERVAL_BLOCKS": "100",
            "DAEMON_POLL_INTERVAL_MEMPOOL": "100",
            "ALLOW_ROOT": "1",
        }

    def _node_answers(self) -> bool:
        try:
            url = httpx.URL(self.rpc_url)
            bare, login = url.copy_with(userinfo=b""), (url.username, url.password)
            body = {"method": "getblockcount", "params": []}
            return httpx.post(bare, auth=login, json=body, timeout=5, trust_env=False).status_code == httpx.codes.OK
        except (OSError, httpx.HTTPError):
            return False

    def _server_listens(self) -> bool:
        try:
            with socket.create_connection(self.electrum, 1):
                return True
        except OSError:
            return False

    def _spawn(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> "_Process":
        process = _Process.start(arguments, self._folder / f"{name}.log", environment)
        self._running.append(process)
        return process

    def _await(self, process: "_Process", ready: Callable[[], bool]) -> None:
        end = time.monotonic() + START_SECONDS
        while not ready():
            if process.ended or time.monotonic() > end:
                raise NodeFailed(f"{process.log.stem} did not come up:\n{process.tail()}")
            time.sleep(POLL_SECONDS)


@frozen
class _Process:
    popen: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, arguments: list[str], log: Path, environment: Mapping[str, str]) -> "_Process":
        with log.open("ab") as out:
            # a session of its own: the terminal's Ctrl-C reaches us, and we stop it in order
            popen = subprocess.Popen(  # noqa: S603
                arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True
            )
        return cls(popen, log)

    @property
    def ended(self) -> bool:
        return self.popen.poll() is not None

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-LOG_TAIL:]

    def stop(self) -> None:
        if not self.ended:
            self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def _program(path: Path, what: str) -> Path:
    try:
        _run([str(path), "-version"])
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotAvailable(f"{what} does not run: {path}: {error}") from error
    return path


def _fetch(prefix: Path) -> None:
    if not all(shutil.which(tool) for tool in ("sh", "apt-get", "dpkg-deb")):
        raise NotAvailable("no bitcoind on the PATH, and no apt-get to fetch one from Debian")
    with as_file(files("cfd_regtest") / "data" / "get-bitcoind.sh") as script:
        try:
            _run(["sh", str(script), str(prefix)])
        except subprocess.CalledProcessError as error:
            raise NotAvailable(f"bitcoind could not be fetched: {error.stderr[-LOG_TAIL:]}") from error


def _run(arguments: list[str]) -> str:
    done = subprocess.run(arguments, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)  # noqa: S603
    return done.stdout


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
