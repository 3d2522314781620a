"""`cfd init` as people run it, and the folder it makes."""

import json
import os
import re
from pathlib import Path

import pytest
from cfd_node.cli import main
from cfd_node.config import load_config
from cfd_node.folder import FolderRefused, own_folder
from cfd_wallet import WrongPassphrase
from cfd_wallet.seed import SeedFile
from click.testing import CliRunner, Result

from cfd_core.crypto.keys import Keychain
from cfd_core.values import Network, Secret

PHRASE = "abandon " * 11 + "about"
OPEN = Secret(b"correct horse")


def _init(tmp_path: Path, *flags: str, typed: str = "", passphrase: str | None = OPEN.reveal().decode()) -> Result:
    arguments = ["init", "--set", f"data={tmp_path / 'data'}", *flags]
    environment = {"CFD_CONFIG": None, "XDG_CONFIG_HOME": str(tmp_path / "xdg"), "CFD_PASSPHRASE": passphrase}
    return CliRunner().invoke(main, arguments, input=typed, env=environment)


def test_a_phrase_is_taken_over_and_sealed_and_the_settings_name_the_folder(tmp_path: Path) -> None:
    result = _init(tmp_path, "--network", "signet", "--import", typed=PHRASE.upper() + "\n")
    assert result.exit_code == 0, result.output
    assert "abandon" not in result.output
    config = load_config(tmp_path / "xdg" / "cfd" / "cfd.toml")
    assert (config.network, config.folder) == (Network.SIGNET, tmp_path / "data" / "signet")
    seed = SeedFile(config.folder / "seed")
    assert seed.path.stat().st_mode & 0o777 == 0o600
    assert config.folder.stat().st_mode & 0o777 == 0o700
    wanted = Keychain.from_mnemonic(Secret(PHRASE.encode()), Network.SIGNET)
    assert seed.keychain(Network.SIGNET, OPEN) == wanted
    with pytest.raises(WrongPassphrase):
        seed.keychain(Network.SIGNET, Secret(b"correct house"))


def test_a_new_phrase_is_shown_and_three_words_are_asked_for(tmp_path: Path) -> None:
    """The words are random, so a first run that types wrong ones only shows what is refused."""
    wrong = _init(tmp_path, typed="zoo\n" * 9)
    assert wrong.exit_code == 1
    assert "is another one: look at what you wrote down" in wrong.output
    assert not (tmp_path / "data" / "regtest" / "seed").exists()
    made = _init(tmp_path, "--unconfirmed", "--words", "12")
    assert made.exit_code == 0, made.output
    words = re.findall(r"^ +\d+  ([a-z]+)$", made.output, re.MULTILINE)
    assert len(words) == 12
    seed = SeedFile(tmp_path / "data" / "regtest" / "seed")
    assert seed.phrase(OPEN) == Secret(" ".join(words).encode())


def test_a_seed_is_never_overwritten(tmp_path: Path) -> None:
    assert _init(tmp_path, "--unconfirmed").exit_code == 0
    before = (tmp_path / "data" / "regtest" / "seed").read_bytes()
    again = _init(tmp_path, "--unconfirmed")
    assert again.exit_code == 1
    assert "already; it stays as it is" in again.output
    assert (tmp_path / "data" / "regtest" / "seed").read_bytes() == before


def test_a_bad_phrase_a_short_passphrase_and_mainnet_unconfirmed_are_refused(tmp_path: Path) -> None:
    bad = _init(tmp_path, "--import", typed="abandon " * 12 + "\n")
    assert "wrong checksum" in bad.output
    assert "abandon" not in bad.output
    assert "at least 8" in _init(tmp_path, "--unconfirmed", passphrase="short").output
    assert "must be confirmed" in _init(tmp_path, "--network", "mainnet", "--unconfirmed").output
    assert not list((tmp_path / "data").rglob("seed"))


def test_the_passphrase_is_asked_for_twice_or_read_from_a_closed_file(tmp_path: Path) -> None:
    unlike = _init(tmp_path, "--unconfirmed", typed="correct horse\ncorrect house\n", passphrase=None)
    assert unlike.exit_code == 1
    file = tmp_path / "passphrase"
    file.write_text("correct horse\nnot this\n")
    file.chmod(0o644)
    flag = ("--unconfirmed", "--set", f"wallet.passphrase_file={file}")
    assert "others may look into" in _init(tmp_path, *flag, passphrase=None).output
    file.chmod(0o600)
    assert _init(tmp_path, *flag, passphrase=None).exit_code == 0
    assert SeedFile(tmp_path / "data" / "regtest" / "seed").phrase(OPEN) != Secret(b"")


def test_the_settings_go_where_they_are_wanted(tmp_path: Path) -> None:
    named = tmp_path / "etc" / "mine.toml"
    assert _init(tmp_path, "--unconfirmed", "--config", str(named)).exit_code == 0
    assert load_config(named).data == tmp_path / "data"
    assert named.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_others_may_enter_is_refused_and_open_files_in_a_closed_one_are_closed(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(FolderRefused, match="chmod 700"), own_folder(folder):
        pass
    folder.chmod(0o700)
    (folder / "wallet.sqlite").write_text("")
    (folder / "wallet.sqlite").chmod(0o644)
    (folder / "link").symlink_to("/etc/passwd")
    with own_folder(folder), pytest.raises(FolderRefused, match="another node"), own_folder(folder):
        pass
    assert (folder / "wallet.sqlite").stat().st_mode & 0o777 == 0o600
    assert os.stat("/etc/passwd").st_mode & 0o044


def test_another_certificate_is_accepted_by_hand(tmp_path: Path) -> None:
    server, pin = "ssl://electrum.example:50002", "ab" * 32
    flags = ["--set", f"data={tmp_path / 'data'}", "--set", f"electrum.servers={server},tcp://127.0.0.1:1"]
    environment = {"CFD_CONFIG": None, "XDG_CONFIG_HOME": str(tmp_path)}

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["server", *arguments, *flags], env=environment)

    assert "not met yet" in run("list").output
    assert "not encrypted" in run("list").output
    assert "must show" in run("accept", server, "--fingerprint", pin).output
    assert f"{server}  {pin}" in run("list").output
    assert json.loads(run("list", "--json").output) == {server: pin, "tcp://127.0.0.1:1": ""}
    assert "known already" in run("accept", server, "--fingerprint", pin).output
    for bad, told in (("electrum.example", "not an Electrum server"), ("tcp://127.0.0.1:1", "not encrypted")):
        refused = run("accept", bad)
        assert refused.exit_code == 1
        assert told in refused.output
    assert "cannot be reached" in run("accept", "ssl://127.0.0.1:1").output
