"""Finding a real node, or saying plainly why there is none. Nothing here starts one."""

import stat
import sys
from pathlib import Path

import pytest
from cfd_regtest import NodeFailed, NotAvailable, RealNode, find_or_get_bitcoind
from cfd_regtest.realnode import find_electrumx_python


def program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("BITCOIND", "ELECTRUMX_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def test_nothing_to_be_found() -> None:
    with pytest.raises(NotAvailable, match="BITCOIND is not set"):
        find_or_get_bitcoind()


def test_nothing_to_fetch_with(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="no apt-get"):
        find_or_get_bitcoind(tmp_path / "prefix")


def test_the_environment_names_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = program(tmp_path / "mine" / "bitcoind", "exit 0")
    monkeypatch.setenv("BITCOIND", str(named))
    assert find_or_get_bitcoind() == named


@pytest.mark.parametrize("body", [None, "exit 1"])
def test_the_named_one_does_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str | None) -> None:
    path = tmp_path / "mine" / "bitcoind"
    if body is not None:
        program(path, body)
    monkeypatch.setenv("BITCOIND", str(path))
    with pytest.raises(NotAvailable, match="BITCOIND does not run"):
        find_or_get_bitcoind()


def test_one_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_path = program(tmp_path / "bin" / "bitcoind", "exit 0")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_or_get_bitcoind() == on_path


def test_one_fetched_before(tmp_path: Path) -> None:
    fetched = program(tmp_path / "prefix" / "bin" / "bitcoind", "exit 0")
    assert find_or_get_bitcoind(tmp_path / "prefix") == fetched


@pytest.mark.parametrize(
    ("body", "reason"),
    [("exit 1", "has no package e-x"), ("echo 2.0.0", "e-x 2.0.0 instead of"), (None, "has no package e-x")],
)
def test_no_electrum_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str | None, reason: str) -> None:
    python = tmp_path / "python"
    if body is not None:
        program(python, body)
    monkeypatch.setenv("ELECTRUMX_PYTHON", str(python))
    with pytest.raises(NotAvailable, match=reason):
        find_electrumx_python()


def test_a_python_with_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = program(tmp_path / "python", "echo 1.20.0")
    monkeypatch.setenv("ELECTRUMX_PYTHON", str(python))
    assert find_electrumx_python() == python


def test_a_node_that_dies_tells_its_log(tmp_path: Path) -> None:
    dying = program(tmp_path / "bitcoind", "echo no space left on the moon >&2; exit 3")
    node = RealNode(dying, Path(sys.executable))
    with pytest.raises(NodeFailed, match="no space left on the moon"), node:
        raise AssertionError("entered")
    assert not node._folder.exists()
    node.stop()
