"""Transport keys and the peer ids made of them."""

import asyncssh
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cfd_core.errors import RuleViolation
from cfd_core.values import PeerId, Secret


def ssh_key(seed: Secret) -> asyncssh.SSHKey:
    """The Ed25519 key whose RFC 8032 seed is the 32 bytes of `seed`."""
    if len(seed.reveal()) != 32:
        raise RuleViolation("a transport key seed has 32 bytes")
    private = Ed25519PrivateKey.from_private_bytes(seed.reveal())
    return asyncssh.import_private_key(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def fingerprint(key: asyncssh.SSHKey) -> PeerId:
    """The peer id of a key: OpenSSH's SHA-256 fingerprint, as `ssh-keygen -l` prints it."""
    return PeerId(key.get_fingerprint("sha256"))


def peer_id(seed: Secret) -> PeerId:
    """The peer id of the node whose transport key has this seed."""
    return fingerprint(ssh_key(seed))
