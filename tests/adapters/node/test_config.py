"""Settings: the example, file under environment under flags, and what every mistake is told."""

import json
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from cfd_node.cli import main
from cfd_node.commands.run import node_config
from cfd_node.config import ACKNOWLEDGEMENT, Config, ConfigError, check_mainnet, example, load_config, parse_config
from cfd_node.config.reading import options
from cfd_node.config.settings import MakerAddress, Traffic, default_data
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cfd_core.crypto.keys import Keychain
from cfd_core.engine import Policy
from cfd_core.oracle import Dialect
from cfd_core.values import Network, Secret

DOCS = Path(__file__).parents[3] / "docs"
PEER = "SHA256:" + "a" * 43


def _read(text: str, environment: dict[str, str] | None = None, flags: dict[str, str] | None = None) -> Config:
    return parse_config(text, "cfd.toml", environment or {}, flags or {})


def _problems(text: str = "", environment: dict[str, str] | None = None, flags: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        _read(text, environment, flags)
    return str(caught.value)


def test_the_example_in_the_documents_is_the_one_that_is_printed_and_changes_nothing() -> None:
    text = (DOCS / "cfd.toml").read_text()
    assert text == example()
    assert _read(text) == Config()


def test_every_line_of_the_example_that_shows_a_default_can_be_uncommented() -> None:
    uncommented = example({option.key: option.default for option in options().values()})
    assert set(tomllib.loads(uncommented)) >= {"network", "electrum", "api"}
    assert _read(uncommented) == Config()


def test_values_of_every_kind_are_read_from_the_file() -> None:
    config = _read(
        f"""
        network = "signet"
        data = "/srv/cfd"
        [electrum]
        servers = ["ssl://one.example:50002", "tcp://[::1]:50001"]
        [proxy]
        socks5 = "127.0.0.1:9050"
        use_for = ["electrum", "oracle"]
        [oracle]
        dialect = "dlc-v0"
        [peers]
        makers = ["{PEER}@maker.example:9735"]
        [limits]
        max_funding_rate = 0.005
        auto_rollover = true
        max_fee_rate = 50
        """
    )
    assert config.network is Network.SIGNET
    assert config.folder == Path("/srv/cfd/signet")
    assert [str(server) for server in config.electrum.servers] == ["ssl://one.example:50002", "tcp://[::1]:50001"]
    assert config.oracle.dialect is Dialect.DLC_V0
    assert config.peers.makers == (MakerAddress.parse(f"{PEER}@maker.example:9735"),)
    assert (config.limits.max_funding_rate, config.limits.auto_rollover) == (Decimal("0.005"), True)
    assert config.proxy_for(Traffic.ELECTRUM) == config.proxy.socks5
    assert config.proxy_for(Traffic.PEERS) is None


def test_variables_count_more_than_the_file_and_flags_more_than_both() -> None:
    file = "[limits]\nmax_fee_rate = 10\naccept_up_to = 1\nmax_cfds_per_peer = 5"
    variables = {"CFD_LIMITS_MAX_FEE_RATE": "20", "CFD_LIMITS_ACCEPT_UP_TO": "2", "HOME": "/root", "CFD_CONFIG": "x"}
    limits = _read(file, variables, {"limits.max_fee_rate": "30"}).limits
    assert (limits.max_fee_rate, limits.accept_up_to, limits.max_cfds_per_peer) == (30, 2, 5)


def test_the_limits_are_the_engines_policy() -> None:
    """Without any setting too: the defaults of both are the same."""
    keychain = Keychain.from_seed(Secret(bytes(32)), Network.REGTEST)
    assert node_config(Config(), keychain).policy == Policy()
    text = "[limits]\nrollover_spread = 60\nmax_failed_orders_per_hour = 7\nmax_cfds_per_peer = 3\nauto_rollover = true"
    policy = node_config(_read(text), keychain).policy
    assert (policy.rollover_spread, policy.max_failed_orders_per_hour) == (60, 7)
    assert (policy.max_cfds_per_peer, policy.auto_rollover) == (3, True)


def test_a_list_in_a_variable_is_separated_by_commas() -> None:
    servers = _read("", {"CFD_ELECTRUM_SERVERS": "tcp://a:1, ssl://b:2"}).electrum.servers
    assert [str(server) for server in servers] == ["tcp://a:1", "ssl://b:2"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[electrum]\n\nserver = ["x"]',
            "cfd.toml, line 3: there is no setting 'electrum.server'; did you mean electrum.servers?",
        ),
        ("[electrun]\n", "line 1: there is no section 'electrun'; did you mean electrum?"),
        ('netwrok = "signet"', "line 1: there is no setting 'netwrok'; did you mean network?"),
        ('network = "bitcoin"', "line 1: network is 'bitcoin'; allowed is \"regtest\" or"),
        ("electrum = 3", "line 1: there is no setting 'electrum'"),
        ("[network]\nx = 1", "there is no section 'network'"),
        (
            "[limits]\nmax_fee_rate = 2001",
            "line 2: limits.max_fee_rate is 2001; allowed is a whole number from 1 to 2000",
        ),
        ("[limits]\nmax_fee_rate = true", "limits.max_fee_rate is True"),
        ("[limits]\nmax_fee_rate = 1.5", "limits.max_fee_rate is"),
        ("[limits]\nmax_funding_rate = inf", "limits.max_funding_rate is"),
        ("[limits]\nmax_funding_rate = nan", "limits.max_funding_rate is"),
        ('[limits]\nauto_rollover = "true"', "limits.auto_rollover is 'true'; allowed is true or false"),
        ("[limits]\n'max_fee_rate' = 0", "line 2: limits.max_fee_rate is 0"),
        ('[electrum]\nservers = ["http://x:1"]', "electrum.servers is 'http://x:1'; allowed is a list of at most 16"),
        ('[electrum]\nservers = "tcp://x:1"', "electrum.servers is 'tcp://x:1'"),
        ('[electrum.servers]\nfirst = "tcp://x:1"', "electrum.servers is {'first'"),
        ('[oracle]\nattestation_key = "00"', "oracle.attestation_key is '00'; allowed is 64 hex digits"),
        ('[oracle]\nurl = "https://me:secret@x"', "oracle.url is"),
        ('[peers]\nmakers = ["maker.example:9735"]', "peers.makers is 'maker.example:9735'"),
        ('data = "relative"', "data is 'relative'; allowed is an absolute path"),
        ("a = 1\na = 2", "cfd.toml: not TOML:"),
        ("[limits", "cfd.toml: not TOML:"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place_and_what_is_allowed(text: str, told: str) -> None:
    assert told in _problems(text)


def test_all_mistakes_are_told_at_once() -> None:
    told = _problems("[limits]\nx = 1\nmax_fee_rate = 0", {"CFD_NETWROK": "signet"}, {"api.listen": "nowhere"})
    assert len(told.splitlines()) == 4
    assert "environment: there is no setting 'CFD_NETWROK'; did you mean CFD_NETWORK?" in told
    assert "flags: api.listen is 'nowhere'" in told


@given(st.dictionaries(st.text(max_size=12), st.recursive(st.integers() | st.text() | st.booleans(), st.lists)))
def test_no_value_of_a_wrong_type_gets_through_or_escapes(section: dict[str, object]) -> None:
    text = "[limits]\n" + "".join(f"{json.dumps(k)} = {json.dumps(v)}\n" for k, v in section.items())
    try:
        config = _read(text)
    except ConfigError:
        return
    assert isinstance(config.limits.max_fee_rate, int)


def test_a_missing_unreadable_or_odd_file_is_told(tmp_path: Path) -> None:
    for content, told in (
        (None, "No such file"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b"#" * (1 << 20) + b"#", "longer"),
    ):
        file = tmp_path / "cfd.toml"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ConfigError, match=told):
            load_config(file)
    assert load_config(None).data == default_data()


def test_real_coins_need_the_sentence_and_the_flag() -> None:
    check_mainnet(_read(""), flag=False)
    with pytest.raises(ConfigError, match="network is regtest"):
        check_mainnet(_read(""), flag=True)
    bare = _read('network = "mainnet"')
    with pytest.raises(ConfigError) as caught:
        check_mainnet(bare, flag=False)
    assert len(caught.value.problems) == 2
    told = _read(f'network = "mainnet"\n[mainnet]\nacknowledge = "{ACKNOWLEDGEMENT}"')
    with pytest.raises(ConfigError, match="the flag --mainnet"):
        check_mainnet(told, flag=False)
    with pytest.raises(ConfigError, match="acknowledge"):
        check_mainnet(_read('network = "mainnet"\n[mainnet]\nacknowledge = "yes"'), flag=True)
    check_mainnet(told, flag=True)


def test_the_command_checks_and_shows_everything(tmp_path: Path) -> None:
    file = tmp_path / "cfd.toml"
    file.write_text('network = "signet"\n')
    shown = CliRunner().invoke(main, ["config", "check", "--config", str(file), "--json"], env={"CFD_NAME": "mine"})
    answer = json.loads(shown.stdout)
    assert (answer["file"], answer["settings"]["network"], answer["settings"]["name"]) == (
        str(file),
        '"signet"',
        '"mine"',
    )
    assert set(answer["settings"]) == set(options())
    refused = CliRunner().invoke(main, ["config", "check", "--config", str(file), "--network", "mainnet"])
    assert refused.exit_code == 1
    assert ACKNOWLEDGEMENT in refused.stderr
    assert CliRunner().invoke(main, ["config", "example"]).stdout == example()
