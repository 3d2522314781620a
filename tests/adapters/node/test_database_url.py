"""The books in PostgreSQL: where the URL may stand, that nobody sees its password, and what a node refuses."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cfd_node.cli import main
from cfd_node.commands.run import node_config
from cfd_node.config import Config, ConfigError, database_url, example, load_config
from cfd_node.config.reading import options
from cfd_node.services.database import DATABASE_FILE, IDENTITY_FILE, DatabaseService
from cfd_node.supervision import Level, ServiceFailed
from cfd_store import SqlStore, sqlite_url
from click.testing import CliRunner

from cfd_core.crypto.keys import Keychain
from cfd_core.values import Network, Secret
from tests.postgres.server import Server

WORD = "hunter2-of-the-books"
URL = f"postgresql://cfd:{WORD}@127.0.0.1:1/books"
IDENTITY = "regtest/maker"
VARIABLE = "CFD_DATABASE_URL"


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file, for its owner only unless told otherwise."""

    def write(name: str, text: str, mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def problem(read: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        read()
    assert WORD not in str(caught.value)
    return str(caught.value)


# --- where it may stand --------------------------------------------------------------------------------------------


def test_it_is_read_from_a_variable_a_private_settings_file_or_a_file_of_its_own(told: Callable[..., Path]) -> None:
    secret = Secret(URL.encode())
    settings = told("cfd.toml", f'[database]\nurl = "{URL}"\n')
    own = told("url", f"{URL}\nand whatever\n")

    assert database_url(Config()) is None
    assert database_url(load_config(None, {VARIABLE: URL})) == secret
    assert database_url(load_config(settings)) == secret
    assert database_url(load_config(None, {"CFD_DATABASE_URL_FILE": str(own)})) == secret


def test_a_settings_file_that_others_can_read_holds_no_secret(told: Callable[..., Path]) -> None:
    settings = told("cfd.toml", f'[database]\nurl = "{URL}"\n', 0o644)

    assert "others can read this file" in problem(lambda: load_config(settings))
    settings.write_text('[database]\nurl = ""\n')
    assert database_url(load_config(settings)) is None


def test_no_flag_holds_a_secret() -> None:
    assert "CFD_DATABASE_URL" in problem(lambda: load_config(None, {}, {"database.url": URL}))


@pytest.mark.parametrize(
    "wrong",
    [f"sqlite:///{WORD}", f"postgresql://cfd:{WORD}@host", f"{WORD}://host/books", WORD, f"postgresql://{WORD}@:x/y"],
)
def test_what_is_no_url_of_a_database_is_refused_and_not_quoted(wrong: str, told: Callable[..., Path]) -> None:
    own = told("url", wrong)

    assert "database.url cannot be used" in problem(lambda: load_config(None, {VARIABLE: wrong}))
    assert "database.url cannot be used" in problem(lambda: load_config(told("c", f"[database]\nurl = '{wrong}'")))
    assert "is not the URL" in problem(lambda: database_url(load_config(None, {f"{VARIABLE}_FILE": str(own)})))


def test_a_value_of_another_type_is_not_quoted_either(told: Callable[..., Path]) -> None:
    assert "database.url cannot be used" in problem(lambda: load_config(told("c", f'[database]\nurl = ["{WORD}"]')))


def test_its_file_must_be_there_private_and_the_only_source(told: Callable[..., Path], tmp_path: Path) -> None:
    def read(path: Path, **more: str) -> str:
        return problem(lambda: database_url(load_config(None, {f"{VARIABLE}_FILE": str(path), **more})))

    assert "No such file" in read(tmp_path / "none")
    assert "others may look into" in read(told("open", URL, 0o640))
    assert "both set" in read(told("url", URL), CFD_DATABASE_URL=URL)
    path = told("binary", "")
    path.write_bytes(b"\xff\xfe")
    assert "is not the URL" in read(path)


# --- who sees it ---------------------------------------------------------------------------------------------------


def test_no_repr_shows_it() -> None:
    config = load_config(None, {VARIABLE: URL})

    assert WORD not in repr(config)
    assert WORD not in str(config.database)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_checking_the_settings_says_only_that_there_is_one(flags: list[str], tmp_path: Path) -> None:
    environment = {VARIABLE: URL, "XDG_CONFIG_HOME": str(tmp_path)}
    shown = CliRunner().invoke(main, ["config", "check", *flags], env=environment)

    assert shown.exit_code == 0, shown.output
    assert WORD not in shown.output
    assert "set, and not shown" in shown.output
    if flags:
        assert json.loads(shown.output)["settings"]["database.url"] == "set, and not shown"


def test_checking_the_settings_reads_the_file_with_the_url(tmp_path: Path) -> None:
    environment = {f"{VARIABLE}_FILE": str(tmp_path / "none"), "XDG_CONFIG_HOME": str(tmp_path)}
    shown = CliRunner().invoke(main, ["config", "check"], env=environment)

    assert shown.exit_code == 1
    assert "database.url_file" in shown.output


def test_a_secret_is_never_written_into_an_example() -> None:
    with pytest.raises(TypeError, match="written nowhere"):
        example({"database.url": Secret(URL.encode())})
    assert options()["database.url"].kind.secret


# --- what a node does with it --------------------------------------------------------------------------------------


def refusal(service: DatabaseService) -> str:
    with pytest.raises(ServiceFailed) as caught:
        asyncio.run(service.run(lambda _level, _reason="": None))
    assert WORD not in str(caught.value)
    return str(caught.value)


def test_a_node_whose_books_are_in_its_folder_does_not_begin_new_ones_elsewhere(tmp_path: Path) -> None:
    SqlStore(sqlite_url(tmp_path / DATABASE_FILE), IDENTITY).close()

    assert "would know none" in refusal(DatabaseService(tmp_path, IDENTITY, Secret(URL.encode())))


def test_a_server_that_cannot_be_reached_is_told_without_the_password(tmp_path: Path) -> None:
    assert "books" in refusal(DatabaseService(tmp_path, IDENTITY, Secret(URL.encode())))
    assert not (tmp_path / IDENTITY_FILE).exists()


def test_the_node_is_told_and_does_not_show_it(tmp_path: Path) -> None:
    config = load_config(None, {VARIABLE: URL, "CFD_DATA": str(tmp_path)})
    told = node_config(config, Keychain.from_seed(Secret(bytes(32)), Network.REGTEST))

    assert told.database == Secret(URL.encode())
    assert WORD not in repr(told)


@pytest.mark.parametrize("words", [["backup", "{new}"], ["restore", "{old}"], ["trust", "--yes", "ab"]])
def test_backups_say_that_they_do_not_reach_there(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    environment = {VARIABLE: URL, "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    spelled = [word.format(new=tmp_path / "new", old=tmp_path / "old") for word in words]
    told = CliRunner().invoke(main, spelled, env=environment)

    assert told.exit_code == 1
    assert "PostgreSQL" in told.output
    assert WORD not in told.output


@pytest.mark.postgres
async def test_the_books_live_through_restarts_of_node_and_server(server: Server, tmp_path: Path) -> None:
    url = server.database()
    secret = Secret(url.render_as_string(hide_password=False).encode())
    heard: list[tuple[Level, str]] = []
    service = DatabaseService(tmp_path, IDENTITY, secret)

    async def until(level: Level) -> None:
        async with asyncio.timeout(60):
            while not heard or heard[-1][0] is not level:  # noqa: ASYNC110 - nobody signals it
                await asyncio.sleep(0.01)

    for _ in range(2):
        heard.clear()
        life = asyncio.create_task(service.run(lambda level, reason="": heard.append((level, reason))))
        await until(Level.RUNNING)
        assert service.store.streams() == {}
        server.stop()
        await until(Level.FAILED)
        server.start()
        await until(Level.RUNNING)
        life.cancel()
        with suppress(asyncio.CancelledError):
            await life
    assert not (tmp_path / DATABASE_FILE).exists()
    assert server.password not in str(heard)


@pytest.mark.postgres
def test_an_empty_database_in_the_place_of_the_books_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / IDENTITY_FILE).write_text(IDENTITY)
    secret = Secret(server.database().render_as_string(hide_password=False).encode())

    assert "would forget every position" in refusal(DatabaseService(tmp_path, IDENTITY, secret))
