"""What is asked of an implementation. Collected by the plugin; each test runs over the cases of its file.

A case with `"bad": "why"` must be refused: by False where the answer is yes or no, else by `Invalid`.
"""

from collections.abc import Callable
from typing import Any

import pytest

from cfd_conformance.implementation import Implementation, Invalid

Case = dict[str, Any]


def _answer(case: Case, ask: Callable[..., Any], *asked: Any) -> Any:
    """The answer to a good case; None if a bad one was refused, as it must be."""
    if "bad" not in case:
        return ask(*asked)
    try:
        answer = ask(*asked)
    except Invalid:
        return None
    assert answer is False, f"this is bad ({case['bad']}), and the answer was {answer!r:.200}"
    return None


@pytest.mark.vectors("ecdsa_adaptor")
def test_adaptor_signature(implementation: Implementation, case: Case) -> None:
    if case["kind"] == "recovery":
        recovery = (case["adaptor_sig"], case["signature"], case["encryption_key"])
        secret = _answer(case, implementation.recover_adaptor, *recovery)
        assert secret in (None, case.get("decryption_key"))
        return
    asked = (case["adaptor_sig"], case["public_signing_key"], case["encryption_key"], case["message_hash"])
    valid = _answer(case, implementation.verify_adaptor, *asked)
    assert valid in (None, True)
    if valid:
        compact = implementation.decrypt_adaptor(case["adaptor_sig"], case["decryption_key"])
        assert compact == case["signature"]
        recovered = implementation.recover_adaptor(case["adaptor_sig"], compact, case["encryption_key"])
        assert recovered == case["decryption_key"]


@pytest.mark.vectors("dlc_schnorr")
def test_attestation_point(implementation: Implementation, case: Case) -> None:
    asked = (case["pubKey"], case["signature"][:64], case["inputs"]["msgHash"])
    assert implementation.attestation_point(*asked) == case["sigPoint"]


@pytest.mark.vectors("schedule")
def test_schedule(implementation: Implementation, case: Case) -> None:
    assert _answer(case, implementation.schedule, case["terms"]) == case.get("entries")


@pytest.mark.vectors("liquidation")
def test_liquidation(implementation: Implementation, case: Case) -> None:
    assert _answer(case, implementation.liquidation, case["terms"]) == case.get("entries")


@pytest.mark.vectors("contract", "rollover")
def test_transactions(implementation: Implementation, case: Case) -> None:
    derived = implementation.contract(case["facts"])
    for part, expected in case["derived"].items():
        assert derived[part] == expected, f"the {part} is another one"


@pytest.mark.vectors("rollover")
def test_revocation(implementation: Implementation, case: Case) -> None:
    for revocation in case["revocations"]:
        asked = (revocation["point"], revocation["secret"])
        assert _answer(revocation, implementation.revokes, *asked) in (None, True)


@pytest.mark.vectors("close")
def test_close(implementation: Implementation, case: Case) -> None:
    assert implementation.close(case["facts"], case["price"]) == case["close"]


@pytest.mark.vectors("punish")
def test_punishment(implementation: Implementation, case: Case) -> None:
    facts, role = case["facts"], case["role"]
    for commit in case["published"]:
        asked = (facts, role, case["own_commit"], commit["transaction"])
        secret = _answer(commit, implementation.publish_secret, *asked)
        assert secret in (None, case["publish_secret"])
    punished = implementation.punish(facts, role, case["sats"])
    assert (punished["transaction"], punished["digest"]) == (case["punish"], case["digest"])
