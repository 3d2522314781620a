"""The command line as a whole: its commands are loaded one by one, and listed without loading any."""

import subprocess
import sys
from decimal import Decimal

import click
import pytest
from cfd_node.cli import COMMANDS, main
from cfd_node.commands import tables
from cfd_web import models as m
from cfd_web.testing import samples
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from rich.console import Console


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_list_says_what_each_command_says_of_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert (command.name, command.get_short_help_str(200)) == (name, COMMANDS[name][2])


def test_the_help_names_all() -> None:
    shown = CliRunner().invoke(main, ["--help"], terminal_width=200)
    assert shown.exit_code == 0
    for name, (_, _, text) in COMMANDS.items():
        assert name in shown.stdout
        assert text in shown.stdout


def test_names_and_options_are_completed() -> None:
    def completed(typed: list[str], incomplete: str) -> list[str]:
        return [
            each.value for each in ShellComplete(main, {}, "cfd", "_CFD_COMPLETE").get_completions(typed, incomplete)
        ]

    assert completed([], "o") == ["offer", "offers", "oracle"]
    assert "--verbose" in completed([], "--v")
    assert "--quantity" in completed(["take"], "--q")


def test_an_unknown_command_is_told_in_one_line() -> None:
    told = CliRunner().invoke(main, ["tkae"])
    assert told.exit_code == 2
    assert "No such command 'tkae'" in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_help_loads_no_command_and_a_command_that_asks_a_node_loads_no_server() -> None:
    program = (
        "import sys, click.testing, cfd_node.cli\n"
        "click.testing.CliRunner().invoke(cfd_node.cli.main, ['--help'])\n"
        "assert not [m for m in sys.modules if m.startswith(('cfd_core', 'cfd_web', 'cfd_node.commands'))]\n"
        "import cfd_node.commands.trade\n"
        "assert not {'fastapi', 'bdkpython', 'nicegui'} & set(sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_offers_of_usual_size_need_no_second_line_on_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    quote = samples.offer().model_copy(update={"bid": Decimal("99950.5"), "ask": Decimal("100050.5"), "obstacle": "no"})
    maker = m.Maker(peer=samples.MAKER, name="pU2bLyqP", address="", connected=True, reason="", offers=(quote,))
    tables.offers(Console(width=80), m.Offers(makers=(maker,), at=samples.NOW))
    shown = capsys.readouterr().out.splitlines()
    assert [line.split() for line in shown[2:]] == [
        ["00000000", "pU2bLyqP", "99,950.5", "100,050.5", "100-10,000", "1,2,5x", "250", "+0.024%", "11-15", "22:13"],
        ["!", "00000000:", "no"],
    ]
