"""What peers send each other: one JSON object per line, with its type and version.

Decoding takes one whole message or raises `DecodeError`; nothing is skipped and nothing is guessed.
"""

from typing import Any, Final

from cfd_core.cfd.offer import Offer
from cfd_core.errors import DecodeError
from cfd_core.inputs import Message
from cfd_core.protocols.contract_setup import messages as m
from cfd_core.protocols.rollover import messages as r
from cfd_core.protocols.settlement import messages as t
from cfd_core.serial.conversion import decode_object, encode_object, structure, unstructure

MAX_MESSAGE: Final = 1024 * 1024
"""Bytes in one line."""
MAX_OFFERS: Final = 100
OFFERS_PROTOCOL: Final = "cfd-offers@1"
_VERSION: Final = 1
_OFFERS: Final = "offers"

_NAMES: Final[dict[type[Message], str]] = {
    r.Propose: "rollover-propose",
    r.Accept: "rollover-accept",
    r.Reject: "rollover-reject",
    r.Points: "rollover-points",
    r.Agreement: "rollover-agreement",
    r.Exits: "rollover-exits",
    r.CommitSignature: "commit-signature",
    r.Revocation: "revocation",
    r.Holding: "holding",
    t.Propose: "settle-propose",
    t.Accept: "settle-accept",
    t.Reject: "settle-reject",
    t.CloseSignature: "close-signature",
    m.Order: "order",
    m.Accept: "accept",
    m.Reject: "reject",
    m.Params: "params",
    m.Agreement: "agreement",
    m.Signatures: "signatures",
    m.LockSignatures: "lock-signatures",
}
_TYPES: Final = {name: kind for kind, name in _NAMES.items()}


def encode_message(message: Message) -> bytes:
    """One line, without the newline."""
    return _seal(_NAMES[type(message)], unstructure(message))


def decode_message(raw: bytes) -> Message:
    """The message in one line (at most `MAX_MESSAGE` bytes, without the newline)."""
    name, fields = _open(raw)
    if name not in _TYPES:
        raise DecodeError(f"unknown message type {name!r:.40}")
    message: Message = structure(fields, _TYPES[name], f"{name} message")
    return message


def encode_offers(offers: tuple[Offer, ...]) -> bytes:
    """All present offers of a maker in one line; each line replaces the one before."""
    return _seal(_OFFERS, {"offers": [unstructure(offer) for offer in offers]})


def decode_offers(raw: bytes) -> tuple[Offer, ...]:
    """The offers in one line."""
    name, fields = _open(raw)
    if name != _OFFERS or set(fields) != {"offers"} or not isinstance(fields["offers"], list):
        raise DecodeError("not an offers message")
    if len(fields["offers"]) > MAX_OFFERS:
        raise DecodeError(f"more than {MAX_OFFERS} offers")
    return tuple(structure(item, Offer, "offer") for item in fields["offers"])


def _seal(name: str, fields: dict[str, Any]) -> bytes:
    return encode_object({"type": name, "v": _VERSION, **fields})


def _open(raw: bytes) -> tuple[str, dict[str, Any]]:
    fields = decode_object(raw, "message", MAX_MESSAGE)
    version, name = fields.pop("v", None), fields.pop("type", None)
    if type(version) is not int or version != _VERSION:
        raise DecodeError(f"message version {version!r:.20} is not {_VERSION}")
    if not isinstance(name, str):
        raise DecodeError("a message without a type")
    return name, fields
