"""Keys in another process: a signer that judges what it signs, and a keyring that asks it over a Unix socket."""

from cfd_signer.memory import Memory
from cfd_signer.remote import RemoteKeyring
from cfd_signer.rules import Oracle, Rules
from cfd_signer.server import SignerServer

__all__ = ["Memory", "Oracle", "RemoteKeyring", "Rules", "SignerServer"]
