"""The kit asks our own implementation, as anybody would run it; and it finds one that is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cfd_conformance import FILES, Implementation, load

from tests.conformance.make import FOLDER, everything, text_of
from tests.conformance.ours import Json, Ours

ROOT = Path(__file__).parents[2]
OURS: Implementation = Ours()


class Generous(Ours):
    """Gives the long a sat more, and believes in every signature."""

    def schedule(self, terms: Json) -> list[list[int]]:
        return [[length, value, long + 1, short - 1] for length, value, long, short in super().schedule(terms)]

    def verify_adaptor(self, *_asked: str) -> bool:
        return True


class Silent:
    """Offers nothing yet."""

    def __getattr__(self, name: str) -> object:
        def method(*_: object) -> object:
            raise NotImplementedError(name)

        return method


def ask(name: str, folder: Path, *words: str) -> tuple[int, str]:
    """The kit's exit code and last line for a class of this module, run from another folder."""
    command = [sys.executable, "-m", "cfd_conformance", f"tests.conformance.{name}", "-q", "-p", "no:xdist", *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_our_implementation_conforms(tmp_path: Path) -> None:
    code, told = ask("ours:Ours", tmp_path)
    assert code == 0, told
    assert f"{sum(len(load(name)) for name in FILES) + 1} passed" in told  # a rollover is asked two things


def test_a_wrong_implementation_does_not(tmp_path: Path) -> None:
    code, told = ask("test_conformance:Generous", tmp_path, "-k", "schedule or adaptor")
    assert code == 1
    for case in ("canonical", "few digits"):
        assert f"test_schedule[{case}]" in told
    bad = [case["name"] for case in load("ecdsa_adaptor") if "bad" in case and case["kind"] == "verification"]
    assert bad
    assert all(f"test_adaptor_signature[{name}]" in told for name in bad)


def test_what_is_not_offered_is_skipped_and_said(tmp_path: Path) -> None:
    code, told = ask("test_conformance:Silent", tmp_path, "-k", "close")
    assert code == 0
    assert "skipped" in told
    assert "passed" not in told


def test_the_vectors_are_as_released() -> None:
    """They are data that others rely on: whoever changes them must change this test, and say why."""
    assert {path.stem for path in FOLDER.glob("*.json")} == set(FILES)
    for name, cases in everything().items():
        assert (FOLDER / f"{name}.json").read_text() == text_of(cases), f"the {name} vectors are other ones"


@pytest.mark.parametrize("name", FILES)
def test_each_file_has_good_cases_with_names_of_their_own(name: str) -> None:
    cases = load(name)
    assert len({case["name"] for case in cases}) == len(cases)
    assert any("bad" not in case for case in cases)
