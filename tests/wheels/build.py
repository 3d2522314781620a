"""Build every distribution twice, compare, and install the files for each Python afresh (`nox -s wheels`).

A wheel is built from the tree and once more from the unpacked sdist, in another folder: the same bytes show that the
build depends on neither time nor place, and that the sdist lacks nothing. The sdist is built twice from the tree.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECTS = [ROOT, *sorted(path.parent for path in ROOT.glob("adapters/*/pyproject.toml"))]
VERSIONS = ("3.11", "3.12", "3.13")
EPOCH = "1633384800"
"""2021-10-04T22:00:00Z, when nothing else is said: the time that all files in the archives have."""


class BuildsDiffer(Exception):
    """Two builds of the same source are not the same bytes."""


def build(project: Path, target: str, folder: Path) -> Path:
    """One distribution file, by the project's own backend, which must be installed here."""
    folder.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", EPOCH)}
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    before = set(folder.iterdir())
    subprocess.run(command, cwd=project, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (made,) = set(folder.iterdir()) - before
    return made


def same(first: Path, second: Path) -> str:
    """The SHA-256 that both files have; `BuildsDiffer` if they have not."""
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
    if first.name != second.name or digests[0] != digests[1]:
        raise BuildsDiffer(f"{first.name} and {second.name}: {digests[0]} and {digests[1]}")
    return digests[0]


def build_twice(project: Path, work: Path) -> Iterator[tuple[Path, str]]:
    """The project's sdist and wheel, each with its SHA-256."""
    sdist = build(project, "sdist", work / "first")
    yield sdist, same(sdist, build(project, "sdist", work / "second"))
    unpacked = work / "unpacked" / project.name
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (source,) = unpacked.iterdir()
    wheel = build(project, "wheel", work / "first")
    yield wheel, same(wheel, build(source, "wheel", work / "second"))


def interpreter(version: str) -> str | None:
    """A Python of this minor version that really runs, or None."""
    found = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))]
    for candidate in filter(None, found):
        told = subprocess.run([candidate, "-c", "import venv, ensurepip"], capture_output=True, check=False)
        if told.returncode == 0:
            return candidate
    return None


def install_and_check(python: str, wheels: Sequence[Path], folder: Path) -> None:
    """A fresh environment with these files and what they ask for, looked over from inside."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    inside = str(folder / "bin" / "python")
    pip = [inside, "-m", "pip", "--disable-pip-version-check", "-q"]
    files = [str(wheel) for wheel in wheels]
    subprocess.run([*pip, "install", "-c", str(ROOT / "constraints.txt"), *files], check=True)
    subprocess.run([*pip, "check"], check=True)
    looks = [inside, "-I", str(ROOT / "tests" / "wheels" / "look.py"), *files]
    subprocess.run(looks, check=True, cwd=folder)


def main(versions: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        wheels = []
        for project in PROJECTS:
            for made, digest in build_twice(project, work):
                print(f"{digest}  {made.name}", flush=True)
                wheels += [made] if made.suffix == ".whl" else []
        missing = []
        for version in versions:
            if (python := interpreter(version)) is None:
                missing.append(version)
                continue
            install_and_check(python, wheels, work / f"python{version}")
            print(f"Python {version}: {len(wheels)} distributions installed from the built files, all modules import")
    if missing:
        print(f"!!! SKIPPED: no Python {', '.join(missing)} here, so nothing was installed with it. !!!")
    if len(missing) == len(versions):
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:] or VERSIONS)
