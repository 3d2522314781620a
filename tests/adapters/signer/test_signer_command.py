"""`cfd-signer`: a folder of its own, a process that can be killed, and plain words for what is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cfd_signer.cli import main
from cfd_signer.memory import Memory
from cfd_signer.rules_file import read_orders

from cfd_core.crypto.keys import Keychain
from cfd_core.testing import SECRETS
from cfd_core.values import CfdId, Network, Secret
from tests.adapters.signer.conftest import Running

ATTESTATION = SECRETS.public.attestation.hex()
ANNOUNCEMENT = (SECRETS.public.announcement or SECRETS.public.attestation).hex()
CFD = CfdId("0f" * 16)


def new(folder: Path, *more: str) -> int:
    words = ("--network", "regtest", "--max-loss", "5000", "--oracle", f"{ATTESTATION}:{ANNOUNCEMENT}")
    return main(["new", str(folder), *words, *more])


def test_a_new_signer_is_for_its_owner_and_signs_by_the_words_that_it_showed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "signer"
    assert new(folder, "--oracle", ATTESTATION) == 0
    shown = capsys.readouterr().out
    words = [line.split()[1] for line in shown.splitlines() if line[:4].strip().isdecimal()]
    assert len(words) == 24
    assert f'socket = "{folder / "signer.sock"}"' in shown
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    orders = read_orders(folder / "rules.json")
    keys = Keychain.from_mnemonic(Secret(" ".join(words).encode()), Network.REGTEST).cfd_keys(CFD, 0)
    assert orders.keychain.cfd_keys(CFD, 0) == keys
    assert (orders.rules.max_loss, orders.rules.network) == (5000, Network.REGTEST)
    assert [x.announcement and x.announcement.hex() for x in orders.rules.oracles] == [ANNOUNCEMENT, None]
    seed = (folder / "seed").read_bytes()
    assert new(folder) == 1
    assert "File exists" in capsys.readouterr().err
    assert (folder / "seed").read_bytes() == seed


@pytest.mark.parametrize(
    "wrong", [("--max-loss", "-1"), ("--max-loss", "much"), ("--oracle", "00"), ("--network", "x")]
)
def test_a_signer_is_not_made_of_nonsense(wrong: tuple[str, str], tmp_path: Path, capsys: Any) -> None:
    try:
        code = new(tmp_path / "signer", *wrong)
    except SystemExit as ended:  # as argparse has it
        code = int(str(ended.code))
    assert code in (1, 2)
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "signer").exists()


def test_a_signer_that_was_killed_is_started_again_and_two_never_share_a_memory(
    rules: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    first = Running(tmp_path)
    command = [sys.executable, "-m", "cfd_signer", "run", str(tmp_path)]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert second.returncode == 1
    assert f"another signer uses {tmp_path / 'memory.jsonl'}" in second.stderr
    first.process.kill()
    first.stop()
    assert first.path.is_socket(), "it had no time to take it away"
    again = Running(tmp_path)
    try:
        assert again.keyring.cfd_keys(CFD, 0).public.identity
    finally:
        again.stop()
    assert not again.path.exists()


def test_a_socket_at_which_somebody_listens_is_left_alone(rules: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    first = Running(tmp_path)
    try:
        (tmp_path / "rules.json").write_text(json.dumps({**rules, "memory": "other"}))
        command = [sys.executable, "-m", "cfd_signer", "run", str(tmp_path)]
        second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert f"cannot listen at {first.path}" in second.stderr
        assert first.keyring.cfd_keys(CFD, 0).public.identity
    finally:
        first.stop()


def test_a_memory_is_locked_for_as_long_as_it_is_open(tmp_path: Path) -> None:
    first = Memory(tmp_path / "memory")
    with pytest.raises(OSError, match="another signer uses"):
        Memory(tmp_path / "memory")
    first.close()
    Memory(tmp_path / "memory").close()
