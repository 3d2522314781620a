"""Each rule of the signer, broken alone: what an honest node never asks for, and a broken one might."""

from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from attrs import evolve
from cfd_signer import Memory, Oracle, Rules
from cfd_signer import requests as r
from cfd_signer.desk import Desk
from cfd_signer.requests import encode, read_request

from cfd_core.contract.close import build_close
from cfd_core.contract.draft import Draft
from cfd_core.contract.purpose import Action, Purpose
from cfd_core.crypto import adaptor
from cfd_core.crypto.keys import Keychain
from cfd_core.crypto.secp import Point
from cfd_core.crypto.signer import SignerRefused
from cfd_core.errors import DecodeError, RuleViolation
from cfd_core.oracle import Dialect, IssuedEvent, OracleSecrets, read_announcement, sign_announcement
from cfd_core.testing import SECRETS
from cfd_core.values import CfdId, Network, Sats, Secret
from tests.adapters.signer.conftest import EVENT, SEED, Duo

AUX = bytes(32)
FINGERPRINT = bytes(32)
KEYCHAIN = Keychain.from_seed(SEED, Network.REGTEST)
RULES = Rules(
    network=Network.REGTEST,
    max_loss=Sats(1_000_000),
    oracles=(Oracle(SECRETS.public.attestation, SECRETS.public.announcement),),
)


@pytest.fixture(scope="module")
def drafts() -> tuple[CfdId, Draft, Draft]:
    """A CFD's revision 0 and, after a rollover, 1."""
    duo = Duo()
    duo.open()
    first: Draft = duo.taker.held.live.draft
    duo.roll_over()
    return duo.taker.cfd.id, first, duo.taker.held.live.draft


@pytest.fixture
def cfd(drafts: Any) -> CfdId:
    found: CfdId = drafts[0]
    return found


@pytest.fixture
def draft(drafts: Any) -> Draft:
    found: Draft = drafts[1]
    return found


Ask = Callable[..., Any]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with closing(Memory(tmp_path / "memory.jsonl")) as opened:
        yield opened


@pytest.fixture
def ask(memory: Memory) -> Ask:
    """Ask a signer with these rules, through the wire's form; what it tells, or `SignerRefused`."""

    def asking(request: r.Request, **rules: Any) -> bytes:
        frame = iter(encode(request))
        decoded = read_request(lambda length: bytes(next(frame) for _ in range(length)))
        answer = Desk(KEYCHAIN, evolve(RULES, **rules), memory).answer(decoded)
        if isinstance(answer, r.Refused):
            raise SignerRefused(answer.reason)
        assert isinstance(answer, r.Told)
        return answer.data

    return asking


def refund(cfd: CfdId, draft: Draft, revision: int = 0) -> r.AskSignature:
    return r.AskSignature(cfd, revision, draft.refund_digest, Purpose(action=Action.REFUND, draft=draft))


def test_what_the_rules_allow_is_signed(ask: Ask, cfd: CfdId, draft: Draft) -> None:
    keys = KEYCHAIN.cfd_keys(cfd, 0)
    assert ask(refund(cfd, draft)) == keys.sign(draft.refund_digest, None)
    commit = ask(r.AskCommit(cfd, 0, AUX, Purpose(action=Action.COMMIT, draft=draft)))
    point = Point.parse(draft.maker.points.publish)
    assert adaptor.verify(commit, Point.parse(keys.public.identity), point, draft.commit_digest)
    cets = Purpose(action=Action.CETS, draft=draft)
    count = len(draft.entries)
    whole = ask(r.AskCets(cfd, 0, 0, count, AUX, cets))
    assert whole == keys.cets_job(draft.cet_digests, draft.cet_points, AUX, None).run()
    assert ask(r.AskCets(cfd, 0, 1, 3, AUX, cets)) == whole[162 : 3 * 162]
    for start, stop in ((0, count + 1), (-1, 1), (2, 1)):
        with pytest.raises(SignerRefused, match=f"has {count} CETs"):
            ask(r.AskCets(cfd, 0, start, stop, AUX, cets))


def test_the_owner_s_limits(ask: Ask, cfd: CfdId, draft: Draft) -> None:
    stranger = (Oracle(bytes(31) + b"\x01"),)
    script = draft.taker.funder.payout_script
    limits: list[tuple[dict[str, Any], str]] = [
        ({"max_loss": Sats(999_999)}, "risks 1,000,000 sats"),
        ({"oracles": stranger}, "oracle that is not allowed"),
        ({"oracles": (Oracle(SECRETS.public.attestation),)}, "not signed by the oracle"),
        ({"payout_scripts": frozenset()}, "script that is not allowed"),
    ]
    for rules, told in limits:
        with pytest.raises(SignerRefused, match=told):
            ask(refund(cfd, draft), **rules)
    assert ask(refund(cfd, draft), payout_scripts=frozenset({script}))
    with pytest.raises(RuleViolation, match="keys for regtest"):
        ask(refund(cfd, draft), network=Network.SIGNET)


def test_limits_are_for_what_is_not_signed_yet(ask: Ask, cfd: CfdId, draft: Draft) -> None:
    narrow: dict[str, Any] = {"max_loss": Sats(1), "oracles": (), "payout_scripts": frozenset()}
    publish = Purpose(action=Action.PUBLISH, draft=draft)
    close = Purpose(action=Action.CLOSE, draft=draft, price=Decimal(50_000))
    carried_out = [
        refund(cfd, draft),
        r.AskSignature(cfd, 0, draft.commit_digest, publish),
        r.AskSignature(cfd, 0, build_close(draft, Decimal(50_000)).digest, close),
        r.AskSignature(cfd, 0, draft.cet_digests[:32], Purpose(action=Action.CET, draft=draft)),
    ]
    for request in carried_out:
        with pytest.raises(SignerRefused, match="risks 1,000,000 sats"):
            ask(request, **narrow)
    commit = r.AskCommit(cfd, 0, AUX, Purpose(action=Action.COMMIT, draft=draft))
    ask(commit)
    for request in carried_out:
        assert ask(request, **narrow)
    for anew in (commit, r.AskCets(cfd, 0, 0, 1, AUX, Purpose(action=Action.CETS, draft=draft))):
        with pytest.raises(SignerRefused, match="risks 1,000,000 sats"):
            ask(anew, **narrow)
    other = evolve(
        draft, maker=evolve(draft.maker, points=evolve(draft.maker.points, publish=draft.maker.funder.identity))
    )
    with pytest.raises(SignerRefused, match="risks 1,000,000 sats"):
        ask(refund(cfd, other), **narrow)


def test_a_contract_that_is_not_ours(ask: Ask, cfd: CfdId, drafts: Any) -> None:
    _, draft, rolled = drafts
    foreign = CfdId("0f" * 16)
    with pytest.raises(SignerRefused, match="neither party"):
        ask(refund(foreign, draft))
    with pytest.raises(SignerRefused, match="another revision"):
        ask(refund(cfd, draft, revision=1))
    swapped = evolve(draft, taker=evolve(draft.taker, points=rolled.taker.points))
    with pytest.raises(SignerRefused, match="our points"):
        ask(refund(cfd, swapped))
    with pytest.raises(SignerRefused, match="not those of the contract's events"):
        ask(refund(cfd, evolve(draft, announcements=())))


def test_an_announcement_with_nonces_of_somebody_else(ask: Ask, cfd: CfdId, draft: Draft) -> None:
    """The right oracle's key, and nonces to which a thief knows the scalars."""
    thief = OracleSecrets(Secret(b"t" * 32), Secret(b"u" * 32))
    forged = sign_announcement(thief, IssuedEvent.price(Dialect.OLIVIA_V1, EVENT))
    real = draft.announcements[0]
    lie = evolve(read_announcement(Dialect.OLIVIA_V1, forged, thief.public), oracle_key=real.oracle_key)
    with pytest.raises(SignerRefused, match="signature is wrong"):
        ask(refund(cfd, evolve(draft, announcements=(lie,))))


def test_a_digest_must_follow_from_its_purpose(ask: Ask, cfd: CfdId, draft: Draft) -> None:
    for action in (Action.REFUND, Action.PUBLISH, Action.CET):
        with pytest.raises(SignerRefused, match="not the digest"):
            ask(r.AskSignature(cfd, 0, bytes(32), Purpose(action=action, draft=draft)))
    close = Purpose(action=Action.CLOSE, draft=draft, price=Decimal(50_000))
    with pytest.raises(SignerRefused, match="not the digest"):
        ask(r.AskSignature(cfd, 0, build_close(draft, Decimal(50_001)).digest, close))
    for action in (Action.CLOSE, Action.PUNISH):
        with pytest.raises(SignerRefused, match=r"a close has a price|a punishment takes"):
            ask(r.AskSignature(cfd, 0, bytes(32), Purpose(action=action, draft=draft)))
    with pytest.raises(SignerRefused, match="half of it at most"):
        ask(r.AskSignature(cfd, 0, bytes(32), Purpose(action=Action.PUNISH, draft=draft, sats=Sats(1))))


def test_commit_and_cets_are_never_signed_in_the_clear(ask: Ask, cfd: CfdId, draft: Draft) -> None:
    for action, digest in ((Action.CETS, draft.cet_digests[:32]), (Action.COMMIT, draft.commit_digest)):
        with pytest.raises(SignerRefused, match="not signed in the clear"):
            ask(r.AskSignature(cfd, 0, digest, Purpose(action=action, draft=draft)))
    wrong = Purpose(action=Action.REFUND, draft=draft)
    for request in (
        r.AskCommit(cfd, 0, AUX, wrong),
        r.AskCets(cfd, 0, 0, 1, AUX, wrong),
        r.AskDecryption(cfd, 0, bytes(162), wrong),
    ):
        with pytest.raises(SignerRefused, match="no request for"):
            ask(request)


def test_a_second_close_price_is_refused(ask: Ask, cfd: CfdId, draft: Draft) -> None:
    def close(price: int) -> r.AskSignature:
        purpose = Purpose(action=Action.CLOSE, draft=draft, price=Decimal(price))
        return r.AskSignature(cfd, 0, build_close(draft, Decimal(price)).digest, purpose)

    assert ask(close(50_000)) == ask(close(50_000))
    with pytest.raises(SignerRefused, match="a close at 50000 is signed already"):
        ask(close(49_000))


def test_revocation_comes_after_the_next_commit_and_ends_the_revision(
    ask: Ask, drafts: Any, cfd: CfdId, tmp_path: Path
) -> None:
    _, draft, rolled = drafts
    commits = [r.AskCommit(cfd, n, AUX, Purpose(action=Action.COMMIT, draft=d)) for n, d in enumerate((draft, rolled))]
    publish = r.AskSignature(cfd, 0, draft.commit_digest, Purpose(action=Action.PUBLISH, draft=draft))
    decrypt = r.AskDecryption(cfd, 0, bytes(162), publish.purpose)
    ask(commits[0])
    ask(publish)
    with pytest.raises(SignerRefused, match="no revision after 0"):
        ask(r.AskRevocation(cfd, 0))
    ask(commits[1])
    secret = ask(r.AskRevocation(cfd, 0))
    assert secret == KEYCHAIN.cfd_keys(cfd, 0).revocation.reveal() == ask(r.AskRevocation(cfd, 0))
    copy(tmp_path / "memory.jsonl", tmp_path / "after")
    with closing(Memory(tmp_path / "after")) as after_a_restart:
        for request in (publish, decrypt, commits[0]):
            with pytest.raises(SignerRefused, match="is revoked"):
                ask(request)
            answer = Desk(KEYCHAIN, RULES, after_a_restart).answer(request)
            assert isinstance(answer, r.Refused)
            assert "is revoked" in answer.reason
    with pytest.raises(SignerRefused, match="no revision after 1"):
        ask(r.AskRevocation(cfd, 1))


def test_a_memory_survives_a_torn_line_and_not_a_damaged_one(tmp_path: Path, cfd: CfdId) -> None:
    path = tmp_path / "memory.jsonl"
    with closing(Memory(path)) as first:
        first.commit(cfd, 0, FINGERPRINT)
        kept = path.read_bytes()
        first.commit(cfd, 1, FINGERPRINT)
    whole = path.read_bytes()
    for cut in range(len(kept), len(whole)):
        path.write_bytes(whole[:cut])
        with closing(Memory(path)) as again:
            with pytest.raises(SignerRefused):
                again.revoke(cfd, 0)
            assert path.read_bytes() == kept
    path.write_bytes(kept + b"{}\n")
    with pytest.raises(DecodeError, match="line 2"):
        Memory(path)
    assert path.stat().st_mode & 0o077 == 0
