"""`cfd demo`: every figure held against arithmetic of its own, every mistake told in one line."""

import json
import math
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from attrs import field, frozen
from cfd_node.cli import main
from cfd_regtest import RealNode
from click.testing import CliRunner, Result
from embit.script import Witness
from embit.transaction import Transaction

VECTOR = Path(__file__).parents[2] / "vectors" / "olivia_bxbt_2021-10-04T22.json"
OUTCOME = 48_935
COIN = 10**8
ANCHOR = 240


@pytest.fixture(autouse=True)
def _no_logger_on_a_closed_stream() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["demo", *map(str, arguments)])


def figures(*arguments: object) -> dict[str, Any]:
    result = run("--json", *arguments)
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def installed(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command as people run it, in a process of its own."""
    command = [str(Path(sys.executable).with_name("cfd")), "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    done = installed("--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def tell(request: pytest.FixtureRequest, report: dict[str, Any]) -> None:
    """Time and memory, for who reads the results (at most 15 s and 400 MB are promised); no test fails on a clock."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    request.node.user_properties += [("seconds", report["seconds"]), ("peak_memory_mb", peak)]
    print(f"{report['chain']}: {report['seconds']} s, at most {peak} MB")


# --- what it must show -----------------------------------------------------------------------------------------------


def test_the_promised_keys(report: dict[str, Any], request: pytest.FixtureRequest) -> None:
    promised = {"chain", "contract", "attested_price", "pool", "parties", "cets", "transactions", "seconds"}
    assert promised <= report.keys()
    assert {"story", "ends", "revision", "proofs", "disagreements"} <= report.keys()
    wanted = {"price", "quantity", "position", "long_leverage", "short_leverage", "tolerance", "digits"}
    assert wanted <= report["contract"].keys()
    assert report["parties"].keys() == {"maker", "taker"}
    for party in report["parties"].values():
        assert {"position", "margin", "payout", "exact_payout"} <= party.keys()
    for shown in report["transactions"]:
        assert shown.keys() == {"kind", "txid", "hex", "vsize", "fee", "height"}
    tell(request, report)


def test_the_default_contract(report: dict[str, Any]) -> None:
    assert report["chain"] == "embedded (regtest)"
    contract = report["contract"]
    assert (contract["price"], contract["quantity"], contract["position"]) == (50_000, 1_000, "long")
    assert (contract["long_leverage"], contract["short_leverage"], contract["digits"]) == (2, 1, 20)
    assert contract["tolerance"] == 0.0025
    assert (report["attested_price"], report["pool"]) == (OUTCOME, 3_000_000)
    assert [shown["kind"] for shown in report["transactions"]] == ["lock", "commit", "CET"]
    lock, commit, cet = (shown["height"] for shown in report["transactions"])
    assert lock < commit
    assert cet == commit + 12
    assert report["disagreements"] == []


@frozen(kw_only=True)
class Expected:
    """The textbook's answer, in exact fractions."""

    price: Decimal = Decimal(50_000)
    quantity: int = 1_000
    long: int = 2
    short: int = 1
    taker: str = "long"
    tolerance: Decimal = Decimal("0.0025")
    opening_fee: int = 0
    funding_rate: Decimal = Decimal(0)
    outcome: int = OUTCOME
    value: Fraction = field(init=False)

    @value.default
    def _value(self) -> Fraction:
        return Fraction(self.quantity * COIN) / Fraction(self.price)

    def margin(self, position: str) -> int:
        return math.floor(self.value / (self.long if position == "long" else self.short) + Fraction(1, 2))

    @property
    def pool(self) -> int:
        return self.margin("long") + self.margin("short")

    @property
    def long_pays(self) -> int:
        """Fees so far: the taker's for opening, and a day of funding on the receiver's margin."""
        receiver = "short" if self.funding_rate > 0 else "long"
        funding = math.ceil(self.margin(receiver) * abs(Fraction(self.funding_rate)))
        return self.opening_fee * (1 if self.taker == "long" else -1) + funding * (1 if receiver == "short" else -1)

    def payout(self, position: str) -> Fraction:
        gain = self.value - Fraction(self.quantity * COIN, self.outcome)
        long = min(max(self.margin("long") + gain - self.long_pays, Fraction(0)), Fraction(self.pool))
        return long if position == "long" else self.pool - long


def check(report: dict[str, Any], expected: Expected) -> None:
    """Figures and transactions, from the contract and the raw bytes alone."""
    check_parties(report, expected)
    check_transactions(report)


def check_parties(report: dict[str, Any], expected: Expected) -> None:
    assert report["pool"] == expected.pool
    assert report["parties"]["taker"]["position"] == expected.taker
    assert {party["position"] for party in report["parties"].values()} == {"long", "short"}
    for party in report["parties"].values():
        exact = expected.payout(party["position"])
        assert party["margin"] == expected.margin(party["position"])
        assert party["exact_payout"] == pytest.approx(float(exact), abs=0.01)
        assert abs(party["payout"] - exact) <= Fraction(expected.tolerance) * expected.pool
        assert party["wallet_after"] == party["wallet_before"] - party["put_in"] + party["payout"]
    assert sum(party["payout"] for party in report["parties"].values()) == expected.pool


def check_transactions(report: dict[str, Any]) -> None:
    lock, commit, cet = (Transaction.from_string(shown["hex"]) for shown in report["transactions"])
    parties = report["parties"]
    # each wallet had one coin, and the lock spends both
    assert len(lock.vin) == 2
    brought = {"lock": parties["maker"]["wallet_before"] + parties["taker"]["wallet_before"]}
    brought["commit"], brought["CET"] = spent(commit, lock), spent(cet, commit)
    for shown, tx in zip(report["transactions"], (lock, commit, cet), strict=True):
        assert shown["txid"] == tx.txid().hex()
        assert shown["vsize"] == vsize(tx)
        assert brought[shown["kind"]] == sum(out.value for out in tx.vout) + shown["fee"]
        assert shown["fee"] >= shown["vsize"]
    paid = sorted(party["payout"] for party in parties.values() if party["payout"])
    assert sorted(out.value for out in cet.vout) == paid
    fees = sum(shown["fee"] for shown in report["transactions"])
    assert sum(party["put_in"] for party in parties.values()) == report["pool"] + fees + ANCHOR


def spent(tx: Any, previous: Any) -> int:
    (only,) = tx.vin
    assert only.txid == previous.txid()
    return int(previous.vout[only.vout].value)


def vsize(tx: Any) -> int:
    whole = len(tx.serialize())
    bare = Transaction.parse(tx.serialize())
    for tx_in in bare.vin:
        tx_in.witness = Witness([])
    return -(-(3 * len(bare.serialize()) + whole) // 4)


def test_every_figure_of_the_default_contract(report: dict[str, Any]) -> None:
    check(report, Expected())
    paid = {party["position"]: party["payout"] for party in report["parties"].values()}
    assert paid["long"] < 1_000_000 < 2_000_000 < paid["short"], "the price fell, so the long lost"


VARIANTS = {
    "the taker sells": (("--side", "sell"), Expected(long=1, short=2, taker="short")),
    "another contract": (
        ("--price", "61234.5", "--quantity", "350", "--leverage", "5", "--tolerance", "1%"),
        Expected(price=Decimal("61234.5"), quantity=350, long=5, tolerance=Decimal("0.01")),
    ),
    "the long is liquidated": (
        ("--price", "54000", "--leverage", "50", "--tolerance", "0.0035"),
        Expected(price=Decimal(54_000), long=50, tolerance=Decimal("0.0035")),
    ),
    "fees, the long pays": (
        ("--opening-fee", "1000", "--funding-rate", "0.001"),
        Expected(opening_fee=1_000, funding_rate=Decimal("0.001")),
    ),
    "fees, the short pays": (
        ("--side", "short", "--opening-fee", "777", "--funding-rate", "-0.00033"),
        Expected(long=1, short=2, taker="short", opening_fee=777, funding_rate=Decimal("-0.00033")),
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_other_contracts(name: str) -> None:
    options, expected = VARIANTS[name]
    found = figures(*options)
    check(found, expected)
    assert found["contract"]["position"] == expected.taker


def test_a_liquidated_long_gets_nothing() -> None:
    options, expected = VARIANTS["the long is liquidated"]
    assert expected.payout("long") == 0
    assert expected.payout("short") == expected.pool
    found = figures(*options)
    (shown,) = [shown for shown in found["transactions"] if shown["kind"] == "CET"]
    assert len(Transaction.from_string(shown["hex"]).vout) == 1


def test_a_table_that_a_trader_understands() -> None:
    result = run("--event", VECTOR)
    assert result.exit_code == 0, result.stderr
    for text in (
        "Every figure agrees",
        "48,935",
        "due, exactly",
        "paid - exact",
        "profit on margin",
        "Peak memory",
        "lock",
        "CET",
    ):
        assert text in result.stdout


# --- mistakes --------------------------------------------------------------------------------------------------------


def one_line(result: Result) -> str:
    """The complaint, which must be one line and all that stands on standard error besides the progress."""
    assert result.exit_code not in (0, None)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    complaints = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(complaints) == 1
    assert result.stderr.rstrip().endswith(complaints[0])
    return complaints[0]


BAD_OPTIONS = {
    "a zero price": (("--price", "0"), "--price: a price must be positive"),
    "a price that is no number": (("--price", "NaN"), "--price"),
    "an infinite price": (("--price", "Infinity"), "--price"),
    "text for a price": (("--price", "cheap"), "--price"),
    "no contracts": (("--quantity", "0"), "--quantity"),
    "part of a contract": (("--quantity", "1.5"), "--quantity: not a whole number"),
    "too much leverage": (("--leverage", "101"), "--leverage"),
    "no leverage": (("--leverage", "0"), "--leverage"),
    "no tolerance": (("--tolerance", "0"), "--tolerance"),
    "a negative tolerance": (("--tolerance", "-1%"), "--tolerance"),
    "half the pool": (("--tolerance", "0.4"), "within 0.1 of the pool or better"),
    "too many CETs": (("--tolerance", "0.000001"), "needs more than 4096 CETs"),
    "a negative fee": (("--opening-fee", "-1"), "--opening-fee"),
    "a funding rate of all": (("--funding-rate", "1"), "--funding-rate"),
    "no side": (("--side", "up"), "--side"),
    "an unknown option": (("--leverages", "2"), "--leverages"),
    "an option without its value": (("--price",), "--price"),
    "an argument too many": (("now",), "now"),
    "no such file": (("--event", "/no/such/file.json"), "No such file"),
    "an endless file": (("--event", "/dev/zero"), "longer than"),
    "a folder": (("--event", "/"), "directory"),
    "a server without its node": (("--electrum", "127.0.0.1:50001"), "belong together"),
    "a node without its server": (
        ("--bitcoind", "http://u:p@127.0.0.1:1"),
        "belong together",
    ),
    "no port": (("--electrum", "localhost", "--bitcoind", "http://u:p@127.0.0.1:1"), "host:port"),
    "nobody at home": (("--electrum", "127.0.0.1:1", "--bitcoind", "http://u:hush@127.0.0.1:1"), "bitcoind"),
    "no URL": (("--electrum", "127.0.0.1:1", "--bitcoind", "bitcoind"), "bitcoind"),
    "a URL that is none": (("--electrum", "127.0.0.1:1", "--bitcoind", "http://127.0.0.1:port"), ""),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options(name: str) -> None:
    options, text = BAD_OPTIONS[name]
    complaint = one_line(run(*options))
    assert text in complaint
    assert "hush" not in complaint


def test_with_json_a_mistake_leaves_standard_output_empty() -> None:
    result = run("--json", "--quantity", "0")
    assert one_line(result)
    assert result.stdout == ""


def event_file(folder: Path, change: Any) -> Path:
    """The recorded event, changed."""
    event = json.loads(VECTOR.read_bytes())
    path = folder / "event.json"
    path.write_text(change(event))
    return path


def _forged_scalar(event: dict[str, Any]) -> str:
    scalars = event["attestation"]["schemes"]["olivia-v1"]["scalars"]
    scalars[3] = scalars[3][:-1] + ("0" if scalars[3][-1] != "0" else "1")
    return json.dumps(event)


def _other_outcome(event: dict[str, Any]) -> str:
    event["attestation"]["outcome"] = str(OUTCOME + 1)
    return json.dumps(event)


def _no_attestation(event: dict[str, Any]) -> str:
    return json.dumps({**event, "attestation": None})


BAD_FILES = {
    "no JSON": (lambda _event: "price: 48935", "is not a recorded event of olivia"),
    "nothing": (lambda _event: "", "is not a recorded event of olivia"),
    "no object": (lambda _event: "[1, 2]", "is not a recorded event of olivia"),
    "something else": (lambda _event: '{"price": 48935}', "is not a recorded event of olivia"),
    "nested too deep": (lambda _event: "[" * 50_000, "is not a recorded event of olivia"),
    "a forged scalar": (_forged_scalar, ""),
    "another outcome": (_other_outcome, ""),
    "no attestation": (_no_attestation, "has no attestation"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_event_files(name: str, tmp_path: Path) -> None:
    change, text = BAD_FILES[name]
    complaint = one_line(run("--event", event_file(tmp_path, change)))
    assert text in complaint
    assert len(complaint) < 500


# --- an outside node that is not what it should be -------------------------------------------------------------------


class FakeBitcoind(BaseHTTPRequestHandler):
    """Answers as `server.answers` says, by method; (401, "") without a known method."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers: dict[str, Any] = self.server.answers  # type: ignore[attr-defined]
        if body["method"] in answers:
            self._reply(200, json.dumps({"result": answers[body["method"]], "error": None, "id": body["id"]}))
        else:
            self._reply(401, "")

    def _reply(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def bitcoind() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), FakeBitcoind) as server:
        server.answers = {}  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_wrong_rpc_password(bitcoind: HTTPServer) -> None:
    url = f"http://user:hush@127.0.0.1:{bitcoind.server_port}"
    complaint = one_line(run("--electrum", "127.0.0.1:1", "--bitcoind", url))
    assert "bitcoind" in complaint
    assert "hush" not in complaint


def test_an_unreachable_electrum_server(bitcoind: HTTPServer) -> None:
    bitcoind.answers = {"listwallets": ["cfd-miner"], "getnewaddress": "bcrt1q"}  # type: ignore[attr-defined]
    url = f"http://user:hush@127.0.0.1:{bitcoind.server_port}"
    complaint = one_line(run("--electrum", "127.0.0.1:1", "--bitcoind", url))
    assert "Electrum" in complaint
    assert "hush" not in complaint


# --- a real node -----------------------------------------------------------------------------------------------------


@pytest.mark.realnode
def test_a_real_node_makes_the_same_contract(
    report: dict[str, Any], real_node: RealNode, request: pytest.FixtureRequest
) -> None:
    done = installed("--json", "--electrum", "{}:{}".format(*real_node.electrum), "--bitcoind", real_node.rpc_url)
    assert done.returncode == 0, done.stderr
    real = json.loads(done.stdout)
    check(real, Expected())
    assert real["chain"] == "bitcoind (regtest)"
    for key in ("contract", "attested_price", "pool", "cets"):
        assert real[key] == report[key]
    assert real["parties"] == report["parties"]
    # not the sizes: a signature in DER may be a byte shorter
    kinds_and_fees = [[(s["kind"], s["fee"]) for s in found["transactions"]] for found in (real, report)]
    assert kinds_and_fees[0] == kinds_and_fees[1]
    tell(request, real)
