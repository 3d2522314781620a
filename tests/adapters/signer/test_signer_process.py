"""A node whose keys are in another process does what every node does, and cannot make that process do more."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cfd_signer import requests as r
from cfd_signer.server import reader

from cfd_core.cfd import commands as c
from cfd_core.cfd.events import ExitKind
from cfd_core.cfd.phases import Closed, Open, SetupFailed
from cfd_core.crypto.keys import Keychain
from cfd_core.crypto.signer import SignerUnavailable
from cfd_core.testing import contents
from cfd_core.values import Network, cfd_id
from tests.adapters.signer.conftest import SEED, Duo

CFD = cfd_id("0f" * 16)


def settled(duo: Duo) -> None:
    duo.open()
    duo.roll_over()
    duo.settle(51_000)


def forced(duo: Duo) -> None:
    duo.open()
    duo.force_close(52_000)


def punished(duo: Duo) -> None:
    """The maker publishes the commit that it has revoked."""
    duo.open()
    maker = duo.maker
    old = maker.held.live.sign_commit(maker.settings.keychain.cfd_keys(maker.cfd.key_id, 0))
    duo.roll_over()
    duo.taker.conscience.may_punish = maker.conscience.cheated = True
    duo.broadcast(old)
    duo.mine(6)


STORIES = [(settled, ExitKind.CLOSE), (forced, ExitKind.CET), (punished, ExitKind.PUNISH)]


@pytest.mark.parametrize(("story", "kind"), STORIES, ids=[kind.value for _, kind in STORIES])
def test_the_chain_cannot_tell_where_the_keys_are(
    story: Callable[[Duo], None], kind: ExitKind, rules: dict[str, Any], start: Any
) -> None:
    near = Duo()
    story(near)
    with start(rules) as signer:
        far = Duo(signer.keyring)
        story(far)
    assert isinstance(far.taker.phase, Closed)
    assert far.taker.phase.kind is kind
    assert set(far.broadcasts) == set(near.broadcasts)
    assert far.taker.phase == near.taker.phase
    far.taker.check_replay()


def test_a_contract_that_risks_too_much_is_not_made(rules: dict[str, Any], start: Any) -> None:
    with start({**rules, "max_loss": 999_999}) as signer:
        duo = Duo(signer.keyring)
        duo.open()
    assert isinstance(duo.taker.phase, SetupFailed)
    assert "risks 1,000,000 sats, and 999,999 are allowed" in duo.taker.phase.reason
    assert isinstance(duo.maker.phase, SetupFailed)
    assert not duo.broadcasts


def test_without_its_signer_a_node_changes_nothing_and_goes_on_when_it_is_back(
    rules: dict[str, Any], start: Any
) -> None:
    with start(rules) as signer:
        duo = Duo(signer.keyring)
        duo.open()
    assert isinstance(duo.taker.phase, Open)
    before, stored = contents(duo.taker.engine), len(duo.taker.records)
    with pytest.raises(SignerUnavailable, match="does not answer"):
        duo.taker.give(c.ForceClose(duo.taker.cfd.id))
    assert (contents(duo.taker.engine), len(duo.taker.records)) == (before, stored)
    with start(rules):
        duo.force_close(52_000)
    assert isinstance(duo.taker.phase, Closed)
    assert duo.taker.phase.kind is ExitKind.CET


def test_the_public_keys_are_those_of_the_seed(rules: dict[str, Any], start: Any) -> None:
    keys = Keychain.from_seed(SEED, Network.REGTEST).cfd_keys(CFD, 7)
    with start(rules) as signer:
        assert signer.keyring.network is Network.REGTEST
        assert signer.keyring.cfd_keys(CFD, 7).public == keys.public


# --- what comes over the socket


def answer_to(path: Path, data: bytes) -> r.Answer | None:
    """What the signer says to these bytes and their end; None: nothing."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        try:
            return r.read_answer(reader(connection))
        except EOFError:
            return None


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def test_what_is_no_request_is_refused_and_the_signer_lives_on(rules: dict[str, Any], start: Any) -> None:
    good = r.encode(r.AskKeys(CFD, 0))
    bad = [
        (r.MAX_FRAME + 1).to_bytes(4, "big") + b"x",
        framed(b"hello"),
        framed(b"[]"),
        framed(b'{"kind":"keys"}'),
        framed(b'{"kind":"seed","fields":{}}'),
        framed(b'{"kind":"keys","fields":{"cfd":"' + CFD.encode() + b'","revision":"0"}}'),
        framed(b'{"kind":"keys","fields":{"cfd":"' + CFD.encode() + b'","revision":0,"more":1}}'),
    ]
    with start(rules) as signer:
        for data in bad:
            answer = answer_to(signer.path, data)
            assert isinstance(answer, r.Refused)
            assert answer.reason.startswith("not a request")
        for length in range(0, len(good), 7):
            assert answer_to(signer.path, good[:length]) is None
        refused = answer_to(signer.path, r.encode(r.AskKeys(CFD, -1)))
        assert isinstance(refused, r.Refused)
        assert isinstance(answer_to(signer.path, good), r.ToldKeys)
        assert signer.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"network": "moon"}, "network cannot be 'moon'"),
        ({"oracles": [{}]}, "oracles cannot be"),
        ({"oracles": [{"attestation": "00" * 32}]}, "oracles cannot be"),
        ({"seed": "nothing"}, "No such file"),
        ({"max_loss": None}, "max_loss cannot be None"),
        ({"max_los": 5}, "max_los is no rule"),
        ({"socket": ""}, "socket cannot be ''"),
        ({"group": "no such group"}, "no such group"),
    ],
)
def test_a_signer_with_bad_rules_says_so_and_ends(
    change: dict[str, Any], told: str, rules: dict[str, Any], start: Any
) -> None:
    with pytest.raises(AssertionError, match=rf"Error: .*rules\.json: .*{told}"), start({**rules, **change}):
        pass


def test_a_seed_that_others_may_read_is_refused(rules: dict[str, Any], start: Any, tmp_path: Path) -> None:
    (tmp_path / "seed").chmod(0o644)
    with pytest.raises(AssertionError, match="others may read"), start(rules):
        pass
