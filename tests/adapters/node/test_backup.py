"""Backups: made while the node runs, whole or refused when put back, and a restored node asks before it acts."""

import io
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from cfd_node.backup import BackupDamaged, BackupRefused, restore, save, trust
from cfd_node.backup.sealed import ENTROPY_BYTES, PIECE, TAG, Header, SealedReader, SealedWriter, read_header
from cfd_node.cli import main
from cfd_node.clock import ShiftableClock
from cfd_wallet.sealing import Stretching
from cfd_wallet.seed import SEAL_ENTROPY, SeedFile
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cfd_core.cfd import phases as p
from cfd_core.cfd.standing import Standing
from cfd_core.crypto.keys import Keychain
from cfd_core.values import CfdId, Network, Secret, Timestamp

OPEN = Secret(b"correct horse")
PHRASE = Secret(b"legal winner thank year wave sausage worth useful legal winner thank yellow")
ENTROPY = bytes(range(ENTROPY_BYTES))
NOW = Timestamp(1_700_000_000)
QUICK = 10
NET = Network.REGTEST


def _folder(path: Path) -> Path:
    path.mkdir(mode=0o700)
    SeedFile(path / "seed").create(PHRASE, NET, OPEN, bytes(SEAL_ENTROPY), log_n=QUICK)
    return path


def _save(folder: Path, target: Path, config: Path | None = None) -> int:
    return save(folder, config, target, NET, OPEN, NOW, ENTROPY, log_n=QUICK)


async def _restore(source: Path, folder: Path, passphrase: Secret = OPEN, network: Network = NET) -> Any:
    return await restore(source, folder, network, passphrase, ShiftableClock())


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- a whole node --------------------------------------------------------------------------------------------------


async def test_a_running_node_is_saved_and_goes_on_elsewhere_once_its_peer_has_spoken(
    world: Any, tmp_path: Path
) -> None:
    maker = await world.maker()
    keychain = Keychain.from_mnemonic(PHRASE, NET)
    taker = await world.taker(maker, folder=_folder(tmp_path / "first"), keychain=keychain)
    key = await world.set_up(maker, taker)
    await world.control.mine()
    for node in (maker, taker):
        await world.phase(node, key, p.Open)
    assert _save(taker.config.folder, tmp_path / "backup") >= 4
    await world.stop(taker)
    await world.stop(maker)
    doubted = await restore(tmp_path / "backup", tmp_path / "second", NET, OPEN, world.clock)
    assert doubted == (key,)
    taker = await world.start(_moved(taker.config, tmp_path / "second"))
    assert taker.engine.cfds[key].standing is Standing.UNSURE
    maker = await world.start(maker.config)
    taker_config = _moved(taker.config, tmp_path / "second", ((maker.address, maker.peer_id),))
    await world.stop(taker)
    taker = await world.start(taker_config)
    await world.until(taker, lambda: taker.engine.cfds[key].standing is Standing.CURRENT)
    assert (await taker.wallet.balance()).reserved >= 0
    await world.close(maker, taker, key)


def _moved(config: Any, folder: Path, makers: Any = None) -> Any:
    return evolve(config, folder=folder, **({} if makers is None else {"makers": makers}))


async def test_everything_in_the_folder_comes_back_but_locks_and_halves(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "node")
    for name in ("wallet.sqlite.reservations", "pins.json", "lock", "pins.json.new", "x-wal"):
        (folder / name).write_text(name)
    (folder / "link").symlink_to("/etc/passwd")
    config = tmp_path / "mine.toml"
    config.write_text('name = "mine"\n')
    with closing(sqlite3.connect(folder / "wallet.sqlite")) as writing:
        writing.execute("PRAGMA journal_mode=WAL")
        writing.execute("CREATE TABLE t (n)")
        writing.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(50_000)])
        writing.commit()  # still in the write-ahead log, which is not saved
        assert _save(folder, tmp_path / "backup", config) == 5
    await _restore(tmp_path / "backup", tmp_path / "other")
    found = {path.name for path in (tmp_path / "other").iterdir()}
    assert found == {"seed", "wallet.sqlite", "wallet.sqlite.reservations", "pins.json", "cfd.toml"}
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "other").iterdir()} == {0o600}
    with closing(sqlite3.connect(tmp_path / "other" / "wallet.sqlite")) as reading:
        assert reading.execute("SELECT count(*) FROM t").fetchone() == (50_000,)
    assert (tmp_path / "other" / "seed").read_bytes() == (folder / "seed").read_bytes()


async def test_a_folder_that_holds_anything_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "node")
    _save(folder, tmp_path / "backup")
    with pytest.raises(BackupRefused, match="not empty"):
        await _restore(tmp_path / "backup", folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "lock").touch()
    await _restore(tmp_path / "backup", empty)
    assert (empty / "seed").exists()
    with pytest.raises(BackupRefused, match="overwrites nothing"):
        _save(folder, tmp_path / "backup")


async def test_other_passphrases_and_networks_are_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "node")
    with pytest.raises(BackupRefused, match="does not open the seed"):
        save(folder, None, tmp_path / "backup", NET, Secret(b"wrong"), NOW, ENTROPY, log_n=QUICK)
    assert _names(tmp_path) == {"node"}
    _save(folder, tmp_path / "backup")
    for passphrase, network, told in (
        (Secret(b"wrong"), NET, "does not open"),
        (OPEN, Network.SIGNET, "not of signet"),
    ):
        with pytest.raises(BackupRefused, match=told):
            await _restore(tmp_path / "backup", tmp_path / "other", passphrase, network)
    assert _names(tmp_path) == {"node", "backup"}, "nothing is left lying around"


async def test_a_changed_or_cut_backup_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "node")
    (folder / "noise").write_bytes(os.urandom(3 * PIECE))
    _save(folder, tmp_path / "backup")
    whole = (tmp_path / "backup").read_bytes()
    head = whole.index(b"\n") + 1
    size = PIECE + TAG
    swapped = whole[:head] + whole[head + size : head + 2 * size] + whole[head : head + size] + whole[head + 2 * size :]
    broken = [whole[:cut] for cut in (0, 10, head, head + size, head + 2 * size, len(whole) - 1)]
    broken += [whole + b"x", swapped, whole.replace(b'"made_at":17', b'"made_at":16', 1), b"\x00" * 100]
    broken += [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(0, len(whole), 9_973)]
    for number, content in enumerate(broken):
        (tmp_path / "broken").write_bytes(content)
        with pytest.raises(BackupRefused):
            await _restore(tmp_path / "broken", tmp_path / "other")
        assert not (tmp_path / "other").exists(), number
    assert _names(tmp_path) == {"node", "backup", "broken"}


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"kind": "x"}, {"cipher": "x"}, {"kdf": {}}, {"more": 1}, {"network": 3}]
)
def test_other_first_lines_are_refused(change: dict[str, object]) -> None:
    header = Header(NET, NOW, Stretching(bytes(16), QUICK), bytes(7))
    assert read_header(io.BytesIO(header.dump())) == header
    with pytest.raises(BackupDamaged):
        read_header(io.BytesIO(json.dumps(json.loads(header.dump()) | change, separators=(",", ":")).encode() + b"\n"))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 3 * PIECE), max_size=4), st.integers(1, 2 * PIECE))
def test_what_goes_in_comes_out_whatever_the_sizes(sizes: list[int], step: int) -> None:
    header = Header(NET, NOW, Stretching(bytes(16), QUICK), bytes(7))
    file = io.BytesIO()
    writer = SealedWriter(file, header, OPEN)
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    for piece in pieces:
        assert writer.write(piece) == len(piece)
    writer.finish()
    file.seek(0)
    reader = SealedReader(file, read_header(file), OPEN)
    got = bytearray()
    while piece_read := reader.read(step):
        got += piece_read
    assert bytes(got) == b"".join(pieces)


async def test_a_human_trusts_a_backup_while_the_node_is_stopped(world: Any, tmp_path: Path) -> None:
    maker = await world.maker()
    keychain = Keychain.from_mnemonic(PHRASE, NET)
    taker = await world.taker(maker, folder=_folder(tmp_path / "regtest"), keychain=keychain)
    key = await world.set_up(maker, taker)
    _save(taker.config.folder, tmp_path / "backup")
    await world.stop(taker)
    await _restore(tmp_path / "backup", tmp_path / "new" / "regtest")
    trusted = await trust(tmp_path / "new" / "regtest", NET, OPEN, key, world.clock)
    assert trusted is Standing.TRUSTED
    with pytest.raises(BackupRefused, match="not in doubt"):
        await trust(tmp_path / "new" / "regtest", NET, OPEN, key, world.clock)
    with pytest.raises(BackupRefused, match="no CFD abab"):
        await trust(tmp_path / "new" / "regtest", NET, OPEN, CfdId("ab" * 16), world.clock)


def test_the_commands(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "data")
    folder.rename(tmp_path / "regtest")
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "regtest").rename(tmp_path / "data" / "regtest")
    environment = {"CFD_CONFIG": None, "XDG_CONFIG_HOME": str(tmp_path), "CFD_PASSPHRASE": "correct horse"}

    def run(data: str, *arguments: str) -> Any:
        return CliRunner().invoke(main, [*arguments, "--set", f"data={tmp_path / data}"], env=environment)

    saved = run("data", "backup", str(tmp_path / "b"))
    assert "1 files are in" in saved.output, saved.output
    assert "is in" in run("new", "restore", str(tmp_path / "b")).output
    assert SeedFile(tmp_path / "new" / "regtest" / "seed").phrase(OPEN) == PHRASE
    told = json.loads(run("data", "backup", str(tmp_path / "c"), "--json").stdout)
    assert told == {"file": str(tmp_path / "c"), "files": 1, "bytes": (tmp_path / "c").stat().st_size}
    told = json.loads(run("third", "restore", str(tmp_path / "c"), "--json").stdout)
    assert told == {"folder": str(tmp_path / "third" / "regtest"), "settings": None, "doubted": []}
    again = run("new", "restore", str(tmp_path / "b"))
    assert again.exit_code == 1
    assert "not empty" in again.output
