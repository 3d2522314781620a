"""A PostgreSQL server of our own for tests: on a socket in a temporary folder, gone with it. Not a test.

As a program (`python -m tests.postgres.server`) it prints `postgres=FOLDER`, where the server's programs are, once one
has started and ended well; before that it installs Debian's package if need be and possible. Exit code 77, with the
reason: it cannot be had here.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.exc import OperationalError

NOT_AVAILABLE: Final = 77
START_SECONDS: Final = 120
NETWORK_SECONDS: Final = 120
"""For lists and packages; a slow or silent network is as good as none."""
PLACES: Final = ("/usr/local/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin", "/usr/bin")


class NotAvailable(Exception):
    """No server's programs are here."""


def find_programs() -> Path:
    """The folder that holds `initdb` and `postgres`: $POSTGRES_BIN, the newest Debian has, on the path."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name.zfill(4), reverse=True)
    path = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep) if part]
    told = [Path(os.environ["POSTGRES_BIN"])] if os.environ.get("POSTGRES_BIN") else []
    for folder in told or [*debian, *path, *(Path(place) for place in PLACES)]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NotAvailable("there is no PostgreSQL server here (initdb and postgres)")


class Server:
    """A running server. `database()` makes an empty database and gives its URL, with a password in it."""

    def __init__(self, programs: Path) -> None:
        self._programs, self._password, self._made = programs, secrets.token_hex(16), 0
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path must be short
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            user = _unprivileged()
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._admin: Engine | None = None

    def __enter__(self) -> Self:
        try:
            self._init()
            self.start()
            self._admin = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._admin is not None:
            self._admin.dispose()
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def password(self) -> str:
        return self._password

    def url(self, database: str, password: str | None = None) -> URL:
        query = {"host": str(self._folder)}
        return URL.create("postgresql+psycopg", "cfd", password or self._password, database=database, query=query)

    def database(self, options: str = "") -> URL:
        """An empty database; `options` as SQL's CREATE DATABASE takes them."""
        assert self._admin is not None
        self._made += 1
        name = f"store{self._made}"
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def execute(self, url: URL, statement: str) -> None:
        """Run one statement in a database, beside whatever store is open there."""
        engine = create_engine(url)
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(statement)
        finally:
            engine.dispose()

    def start(self) -> None:
        """Start the server on its data and wait until it answers."""
        command = [f"{self._programs}/postgres", "-D", f"{self._folder}/data", "-k", f"{self._folder}"]
        command += ["-c", "listen_addresses=", "-c", "max_connections=100", "-c", "fsync=off"]
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, **self._user)
            self._process = process
        engine = create_engine(self.url("postgres"))
        limit = time.monotonic() + START_SECONDS
        try:
            while not _answers(engine):
                if process.poll() is not None or time.monotonic() > limit:
                    raise NotAvailable(f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-2000:]}")
                time.sleep(0.05)
        finally:
            engine.dispose()

    def stop(self) -> None:
        """End the server at once, as a power cut would; what it had acknowledged is in its log."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)
            self._process = None

    def _init(self) -> None:
        secret = self._folder / "password"
        secret.write_text(self._password)
        if self._user:
            os.chown(secret, self._user["user"], self._user["group"])
        command = [f"{self._programs}/initdb", "-D", f"{self._folder}/data", "-U", "cfd", "-A", "scram-sha-256"]
        command += [f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._folder, **self._user)
        if done.returncode != 0:
            raise NotAvailable(f"initdb failed: {done.stderr[-2000:]}")


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NotAvailable("the server does not run as root, and there is no other user here")


def _answers(engine: Engine) -> bool:
    try:
        with engine.connect():
            return True
    except OperationalError:
        return False


def _install() -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    package = ["install", "-y", "--no-install-recommends", "postgresql"]
    try:
        _apt("update", seconds=NETWORK_SECONDS)
        _apt("--download-only", *package, seconds=NETWORK_SECONDS)
        _apt("--no-download", *package, seconds=None)  # never cut short: that would leave the machine half done
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise NotAvailable(f"Debian's package postgresql cannot be installed: {error}") from error


def _apt(*words: str, seconds: float | None) -> None:
    command = ["apt-get", "-qq", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20", *words]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=seconds)


def main() -> int:
    try:
        try:
            programs = find_programs()
        except NotAvailable:
            _install()
            programs = find_programs()
        with Server(programs):
            pass
    except NotAvailable as error:
        print(f"not available: {' '.join(str(error).split())}")
        return NOT_AVAILABLE
    print(f"postgres={programs}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
