"""A passphrase turned into a key (scrypt), and small secrets sealed with it (ChaCha20-Poly1305).

A sealed file is JSON: what it is, how the key is made, and the sealed bytes. All but the last is authenticated too.
"""

import json
from typing import Any, Final, Self

from attrs import asdict, field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cfd_core.values import Secret
from cfd_wallet.errors import WalletError

KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
MAX_SEALED: Final = 64 * 1024
"""Bytes of a whole sealed file."""


class WrongPassphrase(WalletError):
    """The passphrase does not open this, or the file was changed: cryptography cannot tell which."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the passphrase does not open {what} (or the file is damaged)")


class NotSealed(WalletError):
    """This is no sealed file of ours, or one of a later version."""


def _within(low: int, high: int) -> Any:
    def check(_instance: Any, attribute: Any, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise NotSealed(f"{attribute.name} of the key derivation is not from {low} to {high}")

    return check


def _salt(_instance: Any, _attribute: Any, value: Any) -> None:
    if not isinstance(value, bytes) or len(value) != SALT_BYTES:
        raise NotSealed(f"a salt has {SALT_BYTES} bytes")


@frozen
class Stretching:
    """How a passphrase becomes a key: scrypt (RFC 7914) with a cost of 2^`log_n`; memory is 1 kB * 2^`log_n`.

    Bounded, so that a forged file cannot take the machine's memory: at most 1 GB.
    """

    salt: bytes = field(validator=_salt)
    log_n: int = field(default=17, validator=_within(10, 20))

    def key(self, passphrase: Secret) -> Secret:
        """32 bytes; takes about half a second at the default cost."""
        kdf = Scrypt(salt=self.salt, length=KEY_BYTES, n=1 << self.log_n, r=8, p=1)
        return Secret(kdf.derive(passphrase.reveal()))

    def dump(self) -> dict[str, Any]:
        return {"name": "scrypt", "log_n": self.log_n, "r": 8, "p": 1, "salt": self.salt.hex()}

    @classmethod
    def load(cls, stored: Any) -> Self:
        """`NotSealed` for anything that `dump` has not made."""
        try:
            made = cls(bytes.fromhex(stored["salt"]), stored["log_n"])
        except (KeyError, TypeError, ValueError) as error:
            raise NotSealed("the key derivation is not understood") from error
        if made.dump() != stored:
            raise NotSealed("the key derivation is not understood")
        return made


@frozen
class Header:
    """What a sealed file says about itself, in the open."""

    kind: str
    version: int
    network: str


def seal(header: Header, secret: Secret, passphrase: Secret, entropy: bytes, log_n: int = 17) -> bytes:
    """The content of a sealed file. `entropy`: 28 fresh random bytes, for salt and nonce."""
    if len(entropy) != SALT_BYTES + NONCE_BYTES:
        raise WalletError(f"sealing takes {SALT_BYTES + NONCE_BYTES} random bytes")
    stretching, nonce = Stretching(entropy[:SALT_BYTES], log_n), entropy[SALT_BYTES:]
    head = {**asdict(header), "kdf": stretching.dump(), "cipher": "chacha20-poly1305", "nonce": nonce.hex()}
    sealed = ChaCha20Poly1305(stretching.key(passphrase).reveal()).encrypt(nonce, secret.reveal(), _bound(head))
    return json.dumps({**head, "sealed": sealed.hex()}, indent=1).encode() + b"\n"


def read_header(raw: bytes, kind: str, version: int) -> Header:
    """What `raw` says it is; `NotSealed` unless it is of this kind, and of this version or an earlier one."""
    return _parsed(raw, kind, version)[0]


def unseal(raw: bytes, kind: str, version: int, passphrase: Secret) -> tuple[Header, Secret]:
    """The header and the secret; `NotSealed`, or `WrongPassphrase`."""
    header, stretching, nonce, sealed, head = _parsed(raw, kind, version)
    try:
        opened = ChaCha20Poly1305(stretching.key(passphrase).reveal()).decrypt(nonce, sealed, _bound(head))
    except InvalidTag:
        raise WrongPassphrase(f"the {kind}") from None
    return header, Secret(opened)


def _bound(head: dict[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()


def _parsed(raw: bytes, kind: str, version: int) -> tuple[Header, Stretching, bytes, bytes, dict[str, Any]]:
    if len(raw) > MAX_SEALED:
        raise NotSealed(f"a sealed {kind} has at most {MAX_SEALED:,} bytes")
    try:
        stored = json.loads(raw)
        sealed, nonce = bytes.fromhex(stored.pop("sealed")), bytes.fromhex(stored["nonce"])
        kind_found, version_found, network = stored["kind"], stored["version"], stored["network"]
        stretching = Stretching.load(stored["kdf"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotSealed(f"this is no sealed {kind}") from error
    known = {"kind", "version", "network", "kdf", "cipher", "nonce"}
    if kind_found != kind or set(stored) != known or stored["cipher"] != "chacha20-poly1305":
        raise NotSealed(f"this is no sealed {kind}")
    if type(version_found) is not int or not 1 <= version_found <= version or len(nonce) != NONCE_BYTES:
        raise NotSealed(f"a {kind} of version {version_found!r:.20}; this program knows versions up to {version}")
    return Header(kind, version_found, str(network)), stretching, nonce, sealed, stored
