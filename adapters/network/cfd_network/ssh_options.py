"""What our SSH speaks and what it refuses. Nothing is read from the user's own ssh files, agent or environment."""

from typing import Any, Final

import asyncssh
from asyncssh.kex import get_kex_algs

from cfd_network.limits import Limits

SESSION_NAME: Final = "cfd"
"""The user name we log in with; a listener ignores it, the key is the identity."""

_KEY_EXCHANGE = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
)
"""Post-quantum hybrids first. AsyncSSH has ML-KEM where its `cryptography` has, sntrup only with liboqs installed;
OpenSSH clients know sntrup since 8.5 and ML-KEM since 9.9, so an older one meets us at curve25519."""

KEEPALIVES: Final = 2
"""Unanswered keepalives before a link is given up, at a third of `Limits.silence` each."""


def key_exchanges() -> list[str]:
    """Those of our list that this installation has, most wanted first."""
    available = {name.decode() for name in get_kex_algs()}
    return [name for name in _KEY_EXCHANGE if name in available]


def both_sides(limits: Limits) -> dict[str, Any]:
    return {
        "config": None,
        "kex_algs": key_exchanges(),
        "encryption_algs": ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com"],
        "mac_algs": ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"],
        "compression_algs": None,
        "signature_algs": ["ssh-ed25519"],
        "x509_trusted_certs": None,
        "public_key_auth": True,
        "password_auth": False,
        "kbdint_auth": False,
        "host_based_auth": False,
        "gss_host": None,
        "gss_kex": False,
        "gss_auth": False,
        "login_timeout": limits.login,
        "keepalive_interval": limits.silence / (KEEPALIVES + 1),
        "keepalive_count_max": KEEPALIVES,
        "encoding": None,
        "window": limits.window,
    }


def listener(key: asyncssh.SSHKey, limits: Limits) -> dict[str, Any]:
    """Options for accepting: any Ed25519 key, subsystems only."""
    return both_sides(limits) | {
        "server_version": SESSION_NAME,
        "server_host_keys": [key],
        "authorized_client_keys": None,
        "allow_pty": False,
        "line_editor": False,
        "x11_forwarding": False,
        "agent_forwarding": False,
        "sftp_factory": None,
        "allow_scp": False,
        "rdns_lookup": False,
    }


def dialler(key: asyncssh.SSHKey, limits: Limits) -> dict[str, Any]:
    """Options for dialling: our one key, and no host key trusted but by the pin that the client object checks."""
    return both_sides(limits) | {
        "client_version": SESSION_NAME,
        "username": SESSION_NAME,
        "client_keys": [key],
        "known_hosts": lambda _host, _addr, _port: ([], [], []),
        "server_host_key_algs": ["ssh-ed25519"],
        "preferred_auth": "publickey",
        "disable_trivial_auth": True,
        "agent_path": None,
        "agent_forwarding": False,
        "pkcs11_provider": None,
        "x11_forwarding": False,
        "request_pty": False,
        "env": None,
        "send_env": None,
    }
