"""What is asked and answered, as one JSON object in a frame: four bytes of length, most significant first, then text.

A frame is bounded before it is read, and decoded wholly: unknown fields, other types and a tail are refused.
"""

from collections.abc import Callable
from typing import Any, Final

from attrs import field, frozen

from cfd_core.contract.purpose import Purpose
from cfd_core.crypto.signer import PublicKeys
from cfd_core.errors import DecodeError
from cfd_core.serial.conversion import decode_object, encode_object, structure, unstructure
from cfd_core.values import CfdId, Network

MAX_FRAME: Final = 4 << 20
"""Bytes; a revision with 24 liquidation events and their announcements takes about a tenth of it."""
HEADER: Final = 4
Read = Callable[[int], bytes]
"""Exactly so many bytes from the other side, or `EOFError`."""


@frozen
class AskNetwork:
    """For which network the keys are."""


@frozen
class AskKeys:
    """The public keys of a CFD at a revision."""

    cfd: CfdId
    revision: int


@frozen
class AskSignature:
    """Sign `digest` with the identity key, for this purpose."""

    cfd: CfdId
    revision: int
    digest: bytes = field(repr=False)
    purpose: Purpose = field(repr=False)


@frozen
class AskCommit:
    """The adaptor signature on the commit for the counterparty."""

    cfd: CfdId
    revision: int
    aux: bytes = field(repr=False)
    purpose: Purpose = field(repr=False)


@frozen
class AskCets:
    """The adaptor signatures on the CETs from `start` up to `stop`, which is not included."""

    cfd: CfdId
    revision: int
    start: int
    stop: int
    aux: bytes = field(repr=False)
    purpose: Purpose = field(repr=False)


@frozen
class AskDecryption:
    """The counterparty's signature on our commit, decrypted: we mean to publish it."""

    cfd: CfdId
    revision: int
    signature: bytes = field(repr=False)
    purpose: Purpose = field(repr=False)


@frozen
class AskRevocation:
    """The revocation secret: this revision is over."""

    cfd: CfdId
    revision: int


Request = AskNetwork | AskKeys | AskSignature | AskCommit | AskCets | AskDecryption | AskRevocation


@frozen
class Told:
    """The answer's bytes: a signature, signatures, or a secret for the counterparty."""

    data: bytes = field(repr=False)


@frozen
class ToldKeys:
    """Public keys."""

    keys: PublicKeys


@frozen
class ToldNetwork:
    """The network."""

    network: Network


@frozen
class Refused:
    """The signer's rules forbid it, or it could not make sense of what was asked."""

    reason: str


Answer = Told | ToldKeys | ToldNetwork | Refused

_REQUESTS: Final[dict[str, type]] = {
    "network": AskNetwork,
    "keys": AskKeys,
    "sign": AskSignature,
    "commit": AskCommit,
    "cets": AskCets,
    "decrypt": AskDecryption,
    "revoke": AskRevocation,
}
_ANSWERS: Final[dict[str, type]] = {"told": Told, "keys": ToldKeys, "network": ToldNetwork, "refused": Refused}


def encode(message: Request | Answer) -> bytes:
    """The whole frame."""
    kinds = {kind: name for name, kind in (*_REQUESTS.items(), *_ANSWERS.items())}
    body = encode_object({"kind": kinds[type(message)], "fields": unstructure(message)})
    if len(body) > MAX_FRAME:
        raise DecodeError(f"a message of {len(body):,} bytes is too long for a signer")
    return len(body).to_bytes(HEADER, "big") + body


def read_request(read: Read) -> Request:
    """One request; `DecodeError` for anything else, `EOFError` at the end."""
    found: Request = _read(read, _REQUESTS)
    return found


def read_answer(read: Read) -> Answer:
    """One answer; `DecodeError` for anything else, `EOFError` at the end."""
    found: Answer = _read(read, _ANSWERS)
    return found


def _read(read: Read, kinds: dict[str, type]) -> Any:
    length = int.from_bytes(read(HEADER), "big")
    if length > MAX_FRAME:
        raise DecodeError(f"a message of {length:,} bytes is longer than {MAX_FRAME:,}")
    message = decode_object(read(length), "a message", MAX_FRAME)
    kind = kinds.get(str(message.get("kind")))
    if kind is None or set(message) != {"kind", "fields"}:
        raise DecodeError("a message of an unknown kind")
    return structure(message["fields"], kind, "a message")
