"""The data: published vectors, marked where they are bad, and our own for what nobody publishes."""

import json
from importlib import resources
from typing import Any, Final

FILES: Final = ("ecdsa_adaptor", "dlc_schnorr", "schedule", "liquidation", "contract", "close", "rollover", "punish")


def load(name: str) -> list[dict[str, Any]]:
    """The cases of one file, each with a `name`."""
    text = resources.files(__name__).joinpath(f"{name}.json").read_text()
    cases: list[dict[str, Any]] = json.loads(text)
    for number, case in enumerate(cases):
        case.setdefault("name", f"{name} {number}")
    return cases
