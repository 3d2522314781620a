"""`cfd payouts`: the JSON, the tables, the chart, and one line for each bad input."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cfd_node.commands.payouts import payouts
from click.testing import CliRunner, Result

C1 = {"--price": "54000", "--quantity": "3500", "--long-leverage": "5", "--short-leverage": "1"}


def run(*flags: str, **changes: str) -> Result:
    options = {**C1, **{"--" + name.replace("_", "-"): text for name, text in changes.items()}}
    words = [word for pair in options.items() for word in pair]
    return CliRunner().invoke(payouts, [*words, *flags])


def answer(*flags: str, **changes: str) -> dict[str, Any]:
    result = run("--json", *flags, **changes)
    assert (result.exit_code, result.stderr) == (0, "")
    parsed = json.loads(result.stdout)
    assert isinstance(parsed, dict)
    return parsed


def refusal(*flags: str, **changes: str) -> str:
    result = run(*flags, **changes)
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_json_of_the_canonical_contract() -> None:
    parsed = answer(tolerance="0.0035")
    assert parsed["count"] == len(parsed["intervals"]) == 201
    assert parsed["worst_error"] <= 0.0035
    assert parsed["worst_error_sats"] <= 0.0035 * parsed["pool"]
    expected = {
        "product": "BTCUSD-inverse",
        "price": 54_000,
        "quantity": 3_500,
        "long_leverage": 5,
        "short_leverage": 1,
        "digits": 20,
        "tolerance": 0.0035,
        "pool": 7_777_777,
        "long_margin": 1_296_296,
        "short_margin": 6_481_481,
        "long_liquidation_price": 45_000,
        "short_liquidation_price": None,
    }
    assert {name: parsed[name] for name in expected} == expected


def test_json_intervals_are_whole_and_gapless() -> None:
    parsed = answer()
    following = 0
    for interval in parsed["intervals"]:
        assert interval["start"] == following
        assert interval["long"] + interval["short"] == parsed["pool"]
        following = interval["end"] + 1
    assert following == 2**20


def test_the_default_tolerance_is_a_quarter_percent() -> None:
    assert answer() == answer(tolerance="0.25%") == answer(tolerance="0.0025") == answer(tolerance=" 0.25 % ")
    assert answer()["tolerance"] == 0.0025


def test_prices_may_have_decimals_and_events_other_digits() -> None:
    parsed = answer(price="54000.5", digits="17")
    assert parsed["price"] == 54_000.5
    assert parsed["intervals"][-1]["end"] == 2**17 - 1


def test_the_report_is_short_and_has_the_numbers() -> None:
    result = run(tolerance="0.35%")
    assert result.exit_code == 0
    for text in ("1,296,296", "6,481,481", "7,777,777", "45,000.00", "never", "201 CETs", "0.3473 %", "--all"):
        assert text in result.stdout
    assert len(result.stdout.splitlines()) < 40
    assert max(len(line) for line in result.stdout.splitlines()) <= 100


def test_all_prints_every_interval() -> None:
    result = run("--all", tolerance="0.35%")
    assert sum(line.count(" - ") for line in result.stdout.splitlines()) == 201
    assert "--all" not in result.stdout


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("price", "0"),
        ("price", "-5"),
        ("price", "NaN"),
        ("price", "sNaN"),
        ("price", "inf"),
        ("price", "1e999999999"),
        ("price", "cheap"),
        ("price", ""),
        ("quantity", "0"),
        ("quantity", "-1"),
        ("quantity", "1.5"),
        ("quantity", "1000000001"),
        ("quantity", "9" * 5000),
        ("long-leverage", "0"),
        ("long-leverage", "101"),
        ("short-leverage", "0"),
        ("short-leverage", "two"),
        ("tolerance", "0"),
        ("tolerance", "-0.1"),
        ("tolerance", "0.51"),
        ("tolerance", "51%"),
        ("tolerance", "NaN"),
        ("tolerance", "sNaN%"),
        ("tolerance", "1e-999999999"),
        ("tolerance", "1e-999999999%"),
        ("tolerance", "1e999999999%"),
        ("tolerance", "%"),
        ("tolerance", "0.1" + "0" * 100),
        ("digits", "0"),
        ("digits", "33"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_option(option: str, text: str) -> None:
    message = refusal(**{option: text})
    assert f"--{option}: " in message
    assert len(message) < 250


def test_contracts_that_cannot_be_are_one_line() -> None:
    assert "cannot attest" in refusal(digits="15")
    assert "more than 4096 CETs" in refusal(tolerance="0.0001")
    assert "finer than whole sats" in refusal(quantity="1", tolerance="0.0001")
    assert "no whole sat" in refusal(quantity="1", price="999999999999")
    assert "more than all bitcoin" in refusal(quantity="1000000000", price="0.01")


@pytest.mark.parametrize("name", ["chart.png", "chart.svg", "CHART.PNG"])
def test_the_chart_is_a_picture(tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib")
    target = tmp_path / name
    result = run("--plot", str(target))
    assert result.exit_code == 0, result.output
    assert "Chart written to" in result.stdout
    start = target.read_bytes()[:200]
    assert start.startswith(b"\x89PNG") if name.lower().endswith("png") else b"<?xml" in start


def test_a_chart_leaves_json_alone(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    target = tmp_path / "chart.svg"
    assert answer("--plot", str(target)) == answer()
    svg = target.read_text()
    assert "</svg>" in svg


@pytest.mark.parametrize(
    "terms",
    [
        {"price": "1", "quantity": "1", "digits": "1"},
        {"price": "60000", "long_leverage": "100", "short_leverage": "100"},
        {"price": "1000000", "short_leverage": "3"},
    ],
)
def test_unusual_contracts_can_be_drawn(tmp_path: Path, terms: dict[str, str]) -> None:
    pytest.importorskip("matplotlib")
    target = tmp_path / "chart.png"
    result = run("--plot", str(target), **terms)
    assert result.exit_code == 0, result.output
    assert target.stat().st_size > 10_000


@pytest.mark.parametrize("name", ["chart.pdf", "chart", "png", ""])
def test_another_suffix_is_refused(name: str) -> None:
    assert "--plot: a chart's file name must end in .png or .svg" in refusal("--plot", name)


def test_an_unwritable_chart_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    message = refusal("--plot", str(tmp_path / "missing" / "chart.png"))
    assert "cannot write the chart" in message
    assert "No such file" in message
    folder = tmp_path / "folder.png"
    folder.mkdir()
    assert "Is a directory" in refusal("--plot", str(folder))


def test_without_matplotlib_only_the_chart_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    target = tmp_path / "chart.png"
    assert "pip install" in refusal("--plot", str(target))
    assert not target.exists()
    assert answer()["count"] == 278
