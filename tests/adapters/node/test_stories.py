"""Every story of `cfd demo`: it ends as told, and the raw transactions alone say that no sat is lost."""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import structlog
from attrs import frozen
from cfd_node.cli import main
from cfd_regtest import RealNode
from click.testing import CliRunner, Result
from embit.transaction import Transaction

ANCHOR = 240
POOL = 3_000_000
CET_PROOF = "refused one block before its timelock of 12 ends: non-BIP68-final"
CLOSE_PROOF = "refused, as it pays no more than the close: the commit"
REFUND_PROOF = "refused one block before its timelock of 216 ends: non-BIP68-final"


def long_payout(price: int, pool: int = POOL) -> Fraction:
    """The default contract: 1,000 contracts at 50,000, long 2x."""
    gain = Fraction(1_000 * 10**8, 50_000) - Fraction(1_000 * 10**8, price)
    return min(max(1_000_000 + gain, Fraction(0)), Fraction(pool))


@frozen
class Told:
    """How a story must end: the kinds of its transactions, the refused ones, and what the taker (long) gets."""

    ends: str
    kinds: tuple[str, ...]
    taker: Fraction
    within: Fraction = Fraction(1, 2)
    proofs: tuple[str, ...] = ()
    attested: int | None = None
    pool: int = POOL
    paid: int = POOL
    rollovers: int = 0


_TOLERANCE = Fraction(25, 10_000) * POOL
_SETTLED = long_payout(51_234)
_COMMIT = ("lock", "commit")
TOLD = {
    "cet": Told("CET", (*_COMMIT, "CET"), long_payout(48_935), _TOLERANCE, (CET_PROOF,), 48_935),
    "settle": Told("close", ("lock", "close"), _SETTLED),
    "rollover": Told("close", ("lock", "close"), _SETTLED, rollovers=24),
    "liquidate-long": Told("liquidation", (*_COMMIT, "liquidation"), Fraction(0), proofs=(CET_PROOF,), attested=33_000),
    "liquidate-short": Told(
        "liquidation",
        (*_COMMIT, "liquidation"),
        Fraction(2_000_000),
        proofs=(CET_PROOF,),
        attested=101_000,
        pool=2_000_000,
        paid=2_000_000,
    ),
    "refund": Told("refund", (*_COMMIT, "refund"), Fraction(1_000_000), proofs=(REFUND_PROOF,)),
    "punish": Told("punishment", (*_COMMIT, "punishment"), Fraction(0), rollovers=1, paid=2_999_974),
    "cancel": Told("cancellation", ("cancellation",), Fraction(0), paid=0),
    "reorg": Told("CET", (*_COMMIT, "CET"), long_payout(48_935), _TOLERANCE, (CET_PROOF,), 48_935),
    "stuck-close": Told("close", ("lock", "close", "fee bump", "fee bump"), _SETTLED, proofs=(CLOSE_PROOF,)),
    "fees": Told("CET", (*_COMMIT, "fee bump", "CET"), long_payout(48_935), _TOLERANCE, (CET_PROOF,), 48_935),
}


@pytest.fixture(autouse=True)
def _no_logger_on_a_closed_stream() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["demo", *map(str, arguments)])


def told(*arguments: object) -> dict[str, Any]:
    result = run("--json", *arguments)
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def check(report: dict[str, Any], expected: Told) -> None:
    assert report["disagreements"] == []
    assert report["ends"] == expected.ends
    assert tuple(shown["kind"] for shown in report["transactions"]) == expected.kinds
    assert tuple(report["proofs"]) == expected.proofs
    assert (report["attested_price"], report["revision"]) == (expected.attested, expected.rollovers)
    assert report["pool"] == expected.pool
    check_money(report, expected)
    check_heights({shown["kind"]: shown["height"] for shown in report["transactions"]})


def check_money(report: dict[str, Any], expected: Told) -> None:
    maker, taker = report["parties"]["maker"], report["parties"]["taker"]
    assert abs(taker["payout"] - expected.taker) <= expected.within
    assert maker["payout"] + taker["payout"] == expected.paid
    unspent, fees = spend_all(report)
    after = maker["wallet_after"] + taker["wallet_after"]
    untouched = maker["wallet_before"] if expected.ends == "cancellation" else 0
    anchors = [sats for sats in unspent if sats == ANCHOR]
    assert sum(unspent) - sum(anchors) + untouched == after, "all that is left is in the two wallets"
    assert maker["wallet_before"] + taker["wallet_before"] == after + fees + sum(anchors)
    assert len(anchors) == ("commit" in expected.kinds and "fee bump" not in expected.kinds)


def spend_all(report: dict[str, Any]) -> tuple[list[int], int]:
    """The outputs that nothing spends in the end, and all fees; from the raw bytes and what the wallets held."""
    coins: dict[tuple[bytes, int], int] = {}
    fees = 0
    for shown in report["transactions"]:
        tx = Transaction.from_string(shown["hex"])
        assert shown["txid"] == tx.txid().hex()
        if not coins:
            brought = first_coins(report, len(tx.vin))
        else:
            brought = sum(coins.pop((tx_in.txid, tx_in.vout)) for tx_in in tx.vin)
        fee = brought - sum(out.value for out in tx.vout)
        assert fee == shown["fee"] >= shown["vsize"]
        fees += fee
        coins.update({(tx.txid(), number): out.value for number, out in enumerate(tx.vout)})
    return list(coins.values()), fees


def first_coins(report: dict[str, Any], inputs: int) -> int:
    """Each wallet had one coin: the lock spends both, the taker's cancellation its own."""
    before = {role: party["wallet_before"] for role, party in report["parties"].items()}
    assert inputs == (1 if report["ends"] == "cancellation" else 2)
    return sum(before.values()) if inputs == 2 else int(before["taker"])


def check_heights(height: dict[str, int]) -> None:
    for kind, blocks in (("CET", 12), ("liquidation", 12), ("refund", 216)):
        if kind in height:
            assert height[kind] == height["commit"] + blocks
    if "punishment" in height:
        assert height["punishment"] < height["commit"] + 12
    if "fee bump" in height:
        assert height["fee bump"] == height["commit" if "commit" in height else "close"]


@pytest.mark.parametrize("name", TOLD)
def test_a_story(name: str) -> None:
    report = told("--story", name)
    assert (report["story"], report["chain"]) == (name, "embedded (regtest)")
    check(report, TOLD[name])


def test_with_a_selling_taker_and_fees() -> None:
    """The long is the maker at 1x: liquidated at 25,000. It got the opening fee and paid 24 h of funding."""
    report = told("--story", "liquidate-long", "--side", "sell", "--opening-fee", 777, "--funding-rate", "0.001")
    assert report["disagreements"] == []
    assert report["ends"] == "liquidation"
    assert report["attested_price"] < 25_000
    assert report["parties"]["maker"]["payout"] == 0
    assert report["parties"]["taker"]["payout"] == POOL


def test_rollovers_charge_each_hour_once() -> None:
    """Opening fee and a day of funding (2,000,000 x 0.00024 = 480 sats), then 24 times an hour of it (20 sats)."""
    report = told("--story", "rollover", "--opening-fee", 2, "--funding-rate", "0.00024")
    assert report["disagreements"] == []
    assert report["parties"]["taker"]["payout"] == round(_SETTLED) - 2 - 480 - 24 * 20


def one_line(result: Result) -> str:
    assert result.exit_code not in (0, None)
    assert isinstance(result.exception, SystemExit)
    complaints = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(complaints) == 1
    assert result.stderr.rstrip().endswith(complaints[0])
    assert result.stdout == ""
    return complaints[0]


IMPOSSIBLE = {
    "nobody tells that": (("--story", "fairy-tale"), "--story"),
    "a short without leverage": (("--story", "liquidate-short", "--side", "sell", "--leverage", "1"), "never"),
    "a price above all digits": (("--story", "liquidate-short", "--price", "600000"), "cannot attest"),
    "all, one of them impossible": (("--story", "all", "--price", "600000"), "cannot attest"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_stories_are_refused_before_anything_is_started(name: str) -> None:
    options, text = IMPOSSIBLE[name]
    result = run("--json", *options)
    assert text in one_line(result)
    assert "sats arrive" not in result.stderr


# --- kept folders ----------------------------------------------------------------------------------------------------


def test_a_kept_demo_is_explained_and_not_told_over(tmp_path: Path) -> None:
    told("--keep", tmp_path)
    for role, gain in (("maker", 39_852), ("taker", -39_852)):
        shown = CliRunner().invoke(main, ["explain", "", "--folder", str(tmp_path / "cet" / role), "--json"])
        assert shown.exit_code == 0, shown.stderr
        found = json.loads(shown.stdout)
        assert (found["role"], found["state"], found["realised"]) == (role, "closed", gain)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert "an earlier demo left" in one_line(run("--json", "--keep", tmp_path))
    assert "an earlier demo left" in one_line(run("--json", "--story", "all", "--keep", tmp_path))
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot use the folder" in one_line(run("--json", "--keep", tmp_path / "file"))


# --- a real node -----------------------------------------------------------------------------------------------------


@pytest.mark.realnode
def test_all_stories_on_a_real_node(real_node: RealNode) -> None:
    electrum = "{}:{}".format(*real_node.electrum)
    found = told("--story", "all", "--electrum", electrum, "--bitcoind", real_node.rpc_url)
    reports = {report["story"]: report for report in found["stories"]}
    assert reports.keys() == TOLD.keys()
    for name, report in reports.items():
        assert report["chain"] == "bitcoind (regtest)"
        check(report, TOLD[name])
