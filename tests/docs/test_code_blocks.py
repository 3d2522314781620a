"""Every code block runs, or is read by the program that it is for.

Python is executed by `test_docs_run.py`; the README's marked commands are the ones that CI runs. What is left is a
person's session with a node, or settings: their words go through the program's own parser, nothing is run.
"""

import configparser
import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest
import yaml  # type: ignore[import-untyped]  # no types come with it
from cfd_node.cli import main
from cfd_node.config.reading import parse_config

from tests.docs.documents import DOCUMENTS, ROOT, Block, blocks, has_indented_code

OURS = ("cfd", "nox")
"""Other programs are not ours to judge; these letters in another order are a slip of the pen."""
SCRIPTS, SESSIONS_TYPED = ("sh", "bash"), ("text", "console")
SESSIONS = set(re.findall(r"^def (\w+)\(session: nox.Session\)", (ROOT / "noxfile.py").read_text(), re.MULTILINE))


def commands(block: Block) -> Iterator[str]:
    """The commands of a session: lines behind a prompt, or all lines of a block that is a script."""
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        if block.language in SCRIPTS:
            yield from re.split(r" && |; ", line) if line.strip() else ()
        elif line.startswith(("$ ", "# ")):
            yield from line[2:].split(" && ")
        elif re.match(r"cfd [a-z]", line):
            yield from re.split(r" {2,}", line)[0].split(", ")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which the placeholders of the documents exist."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").touch()
    (tmp_path / "FOLDER").mkdir()


def check_command(command: str) -> None:
    """`AssertionError` or click's complaint unless the program is known and takes these words."""
    words = shlex.split(command, comments=True)
    if words[:1] == ["sudo"]:
        words = words[3:] if words[1] == "-u" else words[1:]
    if not words:
        return
    program = words[0].rpartition("/")[2]
    if program == "cfd":
        check_cfd(words[1:])
    elif program == "nox":
        check_nox(words[1:])
    elif program in ("python", "python3") and words[1:2] == ["-m"]:
        module = words[2]
        here = ROOT / module.replace(".", "/")
        assert here.with_suffix(".py").exists() or "." not in module, f"no module {module}"
    else:
        assert sorted(program) not in map(sorted, OURS), f"what is {program!r}? ({command})"


def check_cfd(words: list[str]) -> None:
    """Parse as `cfd` would: every command, option and argument, with their types."""
    with suppress(click.exceptions.Exit):  # --version and --help say something and end
        parse_cfd(words)


def parse_cfd(words: list[str]) -> None:
    here: click.Command = main
    context: click.Context | None = None
    rest = ["x" if word == "..." else word for word in words]
    while True:
        context = here.make_context(here.name, rest, parent=context)
        if not isinstance(here, click.Group):
            return
        left = [*context._protected_args, *context.args]
        _, found, rest = here.resolve_command(context, left)
        assert found is not None
        here = found


def check_nox(words: list[str]) -> None:
    ours = words[: words.index("--")] if "--" in words else words
    named = {word for word in ours if not word.startswith("-")}
    assert named <= SESSIONS, f"no such session: {named - SESSIONS}"


SESSIONS_OF_PEOPLE = [b for b in blocks() if b.language in (*SCRIPTS, *SESSIONS_TYPED)]


@pytest.mark.parametrize("block", SESSIONS_OF_PEOPLE, ids=lambda b: b.name)
@pytest.mark.usefixtures("place")
def test_the_commands_of_a_session_exist(block: Block) -> None:
    for command in commands(block):
        check_command(command)


@pytest.mark.usefixtures("place")
def test_what_people_type_is_found_and_judged() -> None:
    block = Block(ROOT / "x.md", "text", "$ cd x && cfd take O long --quantity 5\ncfd demo   what it is\nwords\n")
    assert list(commands(block)) == ["cd x", "cfd take O long --quantity 5", "cfd demo"]
    check_command(".nox/workshop/bin/cfd take O long --quantity 1000 --leverage 2 --folder FOLDER")
    for wrong in ("cfd tke", "cfd demo --nothing", "cfd demo --leverage two", "nox -s nothing", "cdf list", "nxo -l"):
        with pytest.raises((click.ClickException, AssertionError)):
            check_command(wrong)


@pytest.mark.parametrize("block", [b for b in blocks() if b.language == "toml"], ids=lambda b: b.name)
def test_settings_are_settings(block: Block) -> None:
    parse_config(block.text, block.path.name, {}, {})


@pytest.mark.parametrize("block", [b for b in blocks() if b.language == "ini"], ids=lambda b: b.name)
@pytest.mark.usefixtures("place")
def test_units_start_our_program(block: Block) -> None:
    unit = configparser.RawConfigParser(strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # configparser's documented way
    unit.read_string(block.text)
    assert set(unit.sections()) == {"Unit", "Service", "Install"}
    check_command(unit["Service"]["ExecStart"])


def test_the_hooks_fetch_nothing_and_start_what_the_workshop_has() -> None:
    hooks = yaml.safe_load((ROOT / "docs" / "pre-commit.yaml").read_text())
    assert [each["repo"] for each in hooks["repos"]] == ["local"]
    for hook in hooks["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        program = hook["entry"].split()[0]
        assert program.startswith(".nox/workshop/bin/")
        assert program.rpartition("/")[2] in {"python", "ruff", "lint-imports"}


@pytest.mark.parametrize(("language", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_data_is_data(language: str, read: Callable[[str], object]) -> None:
    for block in blocks():
        if block.language == language:
            assert read(block.text) is not None


CHECKED = {"python", "toml", "ini", "json", "yaml", *SCRIPTS, *SESSIONS_TYPED}
"""`{...}` is a directive for Sphinx, which checks it when the pages are made."""


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    strange = [block.name for block in blocks() if not block.language.startswith("{") and block.language not in CHECKED]
    assert strange == [], f"give it one of {sorted(CHECKED)}, or a check here"


def test_no_code_hides_in_an_indentation() -> None:
    assert [str(path.relative_to(ROOT)) for path in DOCUMENTS if has_indented_code(path)] == []
