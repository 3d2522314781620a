"""What a person chose for a browser, and figures in the form that was chosen. Whatever a cookie says is judged."""

import json
from decimal import Decimal
from urllib.parse import quote

import pytest
from babel import Locale
from cfd_web.pages.wishes import ENGLISH, Unit, Wishes, checked_explorer, locale_for
from cfd_web.pages.wording import Wording, ahead

TXID = "ab" * 32
EXPLORER = "https://explorer.example/tx/{txid}?view=plain#top"


def in_locale(name: str, unit: Unit = Unit.SATS) -> Wording:
    return Wording(Wishes(unit=unit), Locale.parse(name))


@pytest.mark.parametrize(
    "wishes", [Wishes(), Wishes(unit=Unit.BTC, locale="de-DE", explorer=EXPLORER, toured=True), Wishes(locale="de-CH")]
)
def test_what_was_chosen_is_read_again(wishes: Wishes) -> None:
    assert Wishes.read(wishes.written()) == wishes
    assert not set(wishes.written()) & set(" ;,\"'\\")


@pytest.mark.parametrize(
    "cookie",
    ["", "x", "%", "[]", "null", "%7B", quote("[" * 900), quote(json.dumps({"unit": 1, "toured": "yes"})), "9" * 2_000],
)
def test_a_cookie_that_is_none_of_ours_changes_nothing(cookie: str) -> None:
    assert Wishes.read(cookie) == Wishes()


def test_what_is_not_valid_in_a_cookie_is_left_out() -> None:
    said = {
        "unit": "BTC",
        "locale": "../../etc/passwd",
        "explorer": "javascript:alert('{txid}')",
        "toured": 1,
        "more": 2,
    }
    assert Wishes.read(quote(json.dumps(said))) == Wishes(unit=Unit.BTC)


@pytest.mark.parametrize(
    "address",
    [EXPLORER, "http://umbrel.local:3006/tx/{txid}", "http://[::1]:3002/tx/{txid}", "https://x.onion/?q={txid}", ""],
)
def test_an_explorer_is_told_the_transaction_only(address: str) -> None:
    link = Wishes(explorer=checked_explorer(address)).link(TXID)
    assert link == address.replace("{txid}", TXID)


@pytest.mark.parametrize(
    "address",
    [
        "https://explorer.example/tx/",
        "https://explorer.example/{txid}/{txid}",
        "https://explorer.example/{txid}/{address}",
        "https://{txid}.example/",
        "https://user@explorer.example/{txid}",
        "https:///{txid}",
        "//explorer.example/{txid}",
        "javascript:alert(1)//{txid}",
        "data:text/html,{txid}",
        "ftp://explorer.example/{txid}",
        'https://explorer.example/"{txid}',
        "https://explorer.example/<{txid}",
        "https://explorer.example/ {txid}",
        "https://explorer.example/'{txid}",
        "https://ex\u0440lorer.example/{txid}",
        "https://[explorer/{txid}",
        "https://explorer.example/" + "x" * 300 + "{txid}",
        "https://explorer.example/{txid}\n",
        7,
    ],
)
def test_what_is_no_explorer_is_refused(address: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        checked_explorer(address)


@pytest.mark.parametrize("txid", ["", "ab", "AB" * 32, "ab" * 32 + "\n", "../" * 20])
def test_nothing_but_a_transactions_id_goes_into_a_link(txid: str) -> None:
    with pytest.raises(ValueError, match="transaction"):
        Wishes(explorer=EXPLORER).link(txid)


@pytest.mark.parametrize(
    ("chosen", "accepted", "found"),
    [
        ("", "de-CH, fr;q=0.9", "de_CH"),
        ("", "xx-YY, fr;q=0.3, pl;q=0.7", "pl"),
        ("", "../../etc, zh-Hant-TW", "zh_Hant_TW"),
        ("", "", "en_US"),
        ("", "*", "en_US"),
        ("", "q;q=x;;,,," * 1_000, "en_US"),
        ("de-DE", "fr", "de_DE"),
    ],
)
def test_the_browsers_locale_unless_another_was_chosen(chosen: str, accepted: str, found: str) -> None:
    assert str(locale_for(Wishes(locale=chosen), accepted)) == found


def test_figures_in_the_chosen_form() -> None:
    english, german = in_locale("en_US"), in_locale("de_DE")
    assert english.money(1_998_002) == "1,998,002 sats"
    assert english.money(0, sign=True) == "+0 sats"
    assert english.money(-48, sign=True) == "-48 sats"
    assert english.money(None) == english.usd(None) == "–"
    assert english.usd(Decimal("49990.25")) == "49,990.2 USD"
    assert english.percent(Decimal("0.00024")) == "+0.024 %"
    assert english.percent(Decimal("-0.33333"), digits=1) == "-33.3 %"
    assert german.money(1_998_002) == "1.998.002 sats"
    assert german.usd(Decimal(49_990)) == "49.990,0 USD"
    assert in_locale("en_US", Unit.BTC).money(-1_998_002, sign=True) == "-0.01998002 BTC"
    assert in_locale("de_DE", Unit.BTC).money(2_100_000_000_000_001) == "21.000.000,00000001 BTC"


@pytest.mark.parametrize("name", ["en_US", "de_DE", "fr_FR", "de_CH", "sv_SE", "en_IN", "pl_PL", "ja_JP"])
@pytest.mark.parametrize("figure", [Decimal("0.01"), Decimal("50000.5"), Decimal(1_234_567), Decimal(7)])
def test_what_is_shown_can_be_typed_again(name: str, figure: Decimal) -> None:
    say = in_locale(name)
    assert say.read(say.written(figure)) == figure
    assert say.read_money(say.money(1_234_567).removesuffix(" sats").strip()) == 1_234_567


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("de_DE", "50000.5"),
        ("de_DE", "0.01"),
        ("en_US", "50,5"),
        ("en_US", "50.000,5"),
        ("en_US", "NaN"),
        ("en_US", "Infinity"),
        ("en_US", "1e9"),
        ("en_US", "0x10"),
        ("en_US", ""),
        ("en_US", "9" * 41),
        ("en_US", "١٢"),
        ("en_US", "1.2.3"),
        ("en_US", "--1"),
    ],
)
def test_a_figure_that_could_mean_something_else_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        in_locale(name).read(text)


def test_amounts_are_read_in_the_chosen_unit() -> None:
    assert in_locale("en_US").read_money("5,000") == 5_000
    assert in_locale("de_DE").read_money("50.000") == 50_000
    assert in_locale("en_US", Unit.BTC).read_money("0.00005") == 5_000
    for unit, text in ((Unit.SATS, "0.5"), (Unit.BTC, "0.000000001")):
        with pytest.raises(ValueError, match="smaller than a sat"):
            in_locale("en_US", unit).read_money(text)


def test_times_ahead() -> None:
    found = [ahead(1_000 + seconds, 1_000) for seconds in (-5, 0, 5, 90, 3_600, 7_320, 90_000, 86_400 * 8)]
    assert found == ["now", "now", "in 5 s", "in 1 min", "in 1 h", "in 2 h 2 min", "in 1 d 1 h", "in 8 d"]


def test_english_is_what_is_left() -> None:
    assert locale_for(Wishes(), "") == ENGLISH
