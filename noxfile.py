"""The gates, the same here and in CI. `nox -l` lists them; words after `--` go to the program a session runs.

Most sessions share one environment, `.nox/workshop`, made when first needed and brought up to date when a
distribution's or this file's or the constraints' text changes. Only `core_alone` and `regtest` have their own.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO, NoReturn

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "types", "tests", "core_alone", "docs"]

HERE = Path(__file__).parent
CONSTRAINTS = HERE / "constraints.txt"
WORKSHOP = HERE / ".nox" / "workshop"
ADAPTERS = sorted(path.parent for path in HERE.glob("adapters/*/pyproject.toml"))
CODE = ["cfd_core", *(f"adapters/{path.name}/cfd_{path.name}" for path in ADAPTERS)]
CODE += ["tests", "docs", "noxfile.py"]

BUILDERS = ["hatchling", "editables"]
PROGRAM = [argument for path in [HERE, *ADAPTERS] for argument in ("-e", str(path))]
TOOLS = ["pytest", "pytest-asyncio", "pytest-xdist", "hypothesis", "mypy", "ruff", "import-linter", "nox", "pyperf"]
TOOLS += ["coverage"]
TOOLS += ["schemathesis"]  # what the API's own description is held against
TOOLS += ["distributed"]  # a cluster's executor for the crypto jobs, as a large maker would bring one
TOOLS += ["matplotlib"]  # what `cfd payouts --plot` and examples draw with
TOOLS += ["trio"]  # the other runtime that an example wraps the core in
TOOLS += ["psycopg[binary]"]  # the driver of `cfd-store[postgres]`
TOOLS += ["playwright", "axe-playwright-python"]  # what walks through the pages
ELECTRUM_SERVER = ["e-x==1.20.0"]
SITE = ["sphinx", "myst-parser", "furo"]  # what makes the pages of the documents

NOT_AVAILABLE = 77
"""Exit code of `regtest`, `postgres` and `ui` when what they need cannot be had here; not a failure of ours."""


@nox.session(venv_backend="none")
def demo(session: nox.Session) -> None:
    """Two nodes open a CFD and settle it on the recorded oracle event."""
    _prepare(session, "program")
    _run(session, "cfd", "demo", *session.posargs)


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Every test that needs no outside node."""
    _prepare(session, "program", "tools")
    here = ["-m", "not realnode and not postgres and not browser", *session.posargs]
    try:
        _run(session, "pytest", "-n", "2", *here)
    except nox.command.CommandFailed as failure:
        if failure.return_code != 1:  # pytest was stopped or could not run, so some tests never ran
            raise
        # Nodes, chains and servers share a busy machine here. What fails again alone has failed.
        session.warn("!!! Tests failed. They get one more try, alone: look at them even if they pass now. !!!")
        _run(session, "pytest", "--last-failed", "--last-failed-no-failures", "none", *here)


@nox.session(venv_backend="none")
def postgres(session: nox.Session) -> None:
    """The store on a PostgreSQL server that the tests start; exit code 77 if none can be had."""
    _prepare(session, "program", "tools")
    python = str(WORKSHOP / "bin" / "python")
    find = [python, "-m", "tests.postgres.server"]
    answer = session.run(*find, silent=True, success_codes=[0, NOT_AVAILABLE], external=True)
    session.env["POSTGRES_BIN"] = _found(session, "postgres", answer)
    _run(session, "pytest", "-m", "postgres", *(session.posargs or ["tests/adapters"]))


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Strict types of code, tests and this file."""
    _prepare(session, "program", "tools")
    _run(session, "mypy", "--strict", *(session.posargs or CODE))


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Style, and who may import whom."""
    _prepare(session, "program", "tools")
    _run(session, "ruff", "check", ".")
    _run(session, "ruff", "format", "--check", ".")
    _run(session, "lint-imports", "--no-logo")


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """The documents' links resolve, their code runs, and they become pages in build/docs without a warning."""
    _prepare(session, "program", "tools", "site")
    _run(session, "pytest", "-W", "error", "tests/docs", *session.posargs)
    pages = HERE / "build" / "docs"
    _run(session, "python", "-m", "sphinx", "-W", "--keep-going", "-q", "-j", "2", "-b", "html", "docs", str(pages))
    _run(session, "python", "-m", "docs.site.offline", str(pages))


@nox.session(venv_backend="none")
def ui(session: nox.Session) -> None:
    """Walk through the pages in Chromium, pictures of them in `ui-pictures/`; exit code 77 without a Chromium."""
    if not (os.environ.get("CHROMIUM") or shutil.which("chromium")):
        _give_up(session, "no Chromium here: install Debian's package chromium, or name one in $CHROMIUM")
    _prepare(session, "program", "tools")
    _run(session, "pytest", "-m", "browser", "tests/ui", *session.posargs)


@nox.session(venv_backend="none")
def mutation(session: nox.Session) -> None:
    """Change the core's rooms in small wrong ways and see that their tests notice; words after `--` name the rooms."""
    _prepare(session, "program", "tools")
    _run(session, "python", "-m", "tests.mutation.mutate", *(session.posargs or ["payouts", "contract", "protocols"]))


@nox.session(venv_backend="none")
def coverage(session: nox.Session) -> None:
    """Which of the core's lines and branches its own tests run; below 97 and 95 % it fails. `-- PATH` for less."""
    _prepare(session, "program", "tools")
    folder = HERE / "build" / "coverage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _run(
        session,
        "coverage",
        "run",
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        *(session.posargs or ["tests/core", "tests/upgrades"]),
    )
    _run(session, "coverage", "combine", "-q")
    _run(session, "coverage", "json", "-q", "-o", str(folder / "core.json"))
    _run(session, "coverage", "html", "-q", "-d", str(folder / "pages"))
    _run(session, "python", "-m", "tests.coverage.uncovered", str(folder / "core.json"), str(folder / "uncovered.txt"))


@nox.session(venv_backend="none")
def chaos(session: nox.Session) -> None:
    """Two node processes killed at random while they trade: `-- --rounds 200 --seed 1`, or on an outside node."""
    _prepare(session, "program", "tools")
    _run(session, "python", "-m", "tests.chaos.campaign", *session.posargs)


@nox.session(venv_backend="none")
def crashes(session: nox.Session) -> None:
    """Every crash point of every story (about twenty minutes of processor time); nox -s tests tries a fixed share."""
    _prepare(session, "program", "tools")
    _run(session, "python", "-m", "tests.core.crashes.campaign", *session.posargs)


@nox.session(venv_backend="none")
def faults(session: nox.Session) -> None:
    """Kill or freeze what a node depends on, one at a time, in each phase of a CFD; words after `--` choose cells."""
    _prepare(session, "program", "tools")
    _run(session, "python", "-m", "tests.faults.campaign", *session.posargs)


@nox.session(venv_backend="none")
def endurance(session: nox.Session) -> None:
    """Two makers and three takers for compressed hours, with random restarts of services: `-- --hours 200 --seed 1`."""
    _prepare(session, "program", "tools")
    _run(session, "python", "-m", "tests.endurance.campaign", *session.posargs)


@nox.session(venv_backend="none")
def load(session: nox.Session) -> None:
    """One maker process and many takers over SSH, all rolling over in one hour's window: `-- --takers 1000`."""
    _prepare(session, "program", "tools")
    _run(session, "python", "-m", "tests.load.campaign", *session.posargs)


@nox.session(venv_backend="none")
def properties(session: nox.Session) -> None:
    """The random histories of two nodes, long; nox -s tests tries eighty of them."""
    _prepare(session, "program", "tools")
    session.env["CFD_PROPERTIES"] = "long"
    _run(session, "pytest", "tests/core/histories", *session.posargs)


@nox.session(venv_backend="none")
def bench(session: nox.Session) -> None:
    """All benchmark programs in one run, then one table over them and plots; words after `--` go to each program."""
    _prepare(session, "program", "tools")
    folder = HERE / "bench-results"
    folder.mkdir(exist_ok=True)
    for program in sorted(HERE.glob("tests/bench/bench_*.py")):
        result = folder / f"{program.stem}.json"
        result.unlink(missing_ok=True)
        if any(word in program.read_text() for word in ("tests.bench.report", 'metavar="FILE"')):
            _run(session, "python", "-m", f"tests.bench.{program.stem}", "--json", str(result), *session.posargs)
        else:  # prints either a table of its own or one JSON object
            _run(session, "python", "-m", f"tests.bench.{program.stem}")
            with result.open("w") as file:
                _run(session, "python", "-m", f"tests.bench.{program.stem}", "--json", stdout=file)
    _run(session, "python", "-m", "tests.bench.plots", str(folder), str(folder))
    _run(session, "python", "-m", "tests.bench.summary", str(folder))
    session.log(f"results are in {folder}")


@nox.session(venv_backend="none")
def fuzz(session: nox.Session) -> None:
    """The long fuzzing profile: mutations of everything that comes in, then atheris where it can be installed."""
    _prepare(session, "program", "tools")
    _run(session, "python", "-m", "tests.fuzz.campaign", *session.posargs)
    try:
        _pip(session, WORKSHOP / "bin", "atheris")
    except nox.command.CommandFailed:
        session.warn("atheris cannot be installed here: no run guided by coverage")
        return
    _run(session, "python", "-m", "tests.fuzz.campaign", "--guided", *session.posargs)


@nox.session(venv_backend="none")
def adversaries(session: nox.Session) -> None:
    """Every liar in every story, on both sides, at every moment: about an hour. `-- --share 10` takes a tenth."""
    _prepare(session, "program", "tools")
    _run(session, "python", "-m", "tests.adversaries.campaign", *session.posargs)


@nox.session(reuse_venv=False)
def core_alone(session: nox.Session) -> None:
    """The core's wheel, in an environment with nothing else, imports and brought no IO along."""
    folder = Path(session.create_tmp())
    session.env["PIP_CONSTRAINT"] = str(CONSTRAINTS)  # reaches the isolated build environment too
    session.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(HERE))
    (wheel,) = folder.glob("cfd_core-*.whl")
    session.install(str(wheel))
    with session.chdir(tempfile.gettempdir()):
        session.run("python", "-I", str(HERE / "tests/core_alone/check_core_alone.py"))


@nox.session(venv_backend="none")
def wheels(session: nox.Session) -> None:
    """Every wheel and sdist, built twice to the same bytes, installed on each Python there is: `-- 3.13` for one."""
    _prepare(session, "program")
    _run(session, "python", "-m", "tests.wheels.build", *session.posargs)


@nox.session
def regtest(session: nox.Session) -> None:
    """The adapters' tests and the demo against a real bitcoind and ElectrumX; exit code 77 if they cannot be had."""
    _pip(session, session.bin, *BUILDERS)
    _pip(session, session.bin, "--no-build-isolation", *PROGRAM, *TOOLS)
    try:
        _pip(session, session.bin, *ELECTRUM_SERVER)
    except nox.command.CommandFailed:
        _give_up(session, "ElectrumX cannot be installed here")
    real_node = ["python", str(HERE / "tests/realnode/real_node.py")]
    answer = session.run(*real_node, "find", ".tools/bitcoind", silent=True, success_codes=[0, NOT_AVAILABLE])
    session.env.update({"BITCOIND": _found(session, "bitcoind", answer), "CFD_REALNODE": "1"})
    session.run("pytest", "-m", "realnode", *session.posargs)
    outside = ["--electrum", "{electrum}", "--bitcoind", "{bitcoind}"]
    session.run(*real_node, "run", "cfd", "demo", *outside)
    session.run(*real_node, "run", "python", "-m", "tests.chaos.campaign", "--rounds", "3", *outside)


def _found(session: nox.Session, what: str, answer: object) -> str:
    """The path in `what=PATH`, the last line that a search said; else it said why there is none."""
    last = str(answer).strip().splitlines()[-1]
    if not last.startswith(f"{what}="):
        _give_up(session, f"!!! SKIPPED: {last} !!!")
    session.log(last)
    return last.removeprefix(f"{what}=")


def _give_up(session: nox.Session, reason: str) -> NoReturn:
    session.warn(reason)
    sys.exit(NOT_AVAILABLE)


def _prepare(session: nox.Session, *groups: str) -> None:
    """Bring the workshop's groups up to date; what is up to date costs nothing."""
    if not (WORKSHOP / "bin" / "python").exists():
        session.run(sys.executable, "-m", "virtualenv", "-q", str(WORKSHOP), external=True)
    wanted = _fingerprint()
    for group in groups:
        stamp = WORKSHOP / f"has-{group}"
        if stamp.exists() and stamp.read_text() == wanted:
            continue
        if group == "program":
            _pip(session, WORKSHOP / "bin", *BUILDERS)
            _pip(session, WORKSHOP / "bin", "--no-build-isolation", *PROGRAM)
        else:
            _pip(session, WORKSHOP / "bin", *{"tools": TOOLS, "site": SITE}[group])
        stamp.write_text(wanted)


def _fingerprint() -> str:
    """What the workshop depends on; another value means that it must be looked over."""
    files = [HERE / "pyproject.toml", *(path / "pyproject.toml" for path in ADAPTERS), CONSTRAINTS, Path(__file__)]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def _pip(session: nox.Session, binaries: str | Path, *arguments: str) -> None:
    command = [str(Path(binaries) / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    session.run(*command, "-c", str(CONSTRAINTS), *arguments, external=True)


def _run(session: nox.Session, program: str, *arguments: str, stdout: IO[str] | None = None) -> None:
    """Run a program of the workshop, and let programs that it starts find their siblings."""
    path = os.pathsep.join([str(WORKSHOP / "bin"), os.environ.get("PATH", os.defpath)])
    command = str(WORKSHOP / "bin" / program)
    if stdout is None:
        session.run(command, *arguments, env={"PATH": path}, external=True)
    else:
        session.run(command, *arguments, env={"PATH": path}, external=True, stdout=stdout, stderr=None)
