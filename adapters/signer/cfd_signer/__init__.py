"""Keys in another process: a signer that judges what it signs, and a keyring that asks it over a Unix socket."""

from cfd_signer.memory import Memory
from cfd_signer.remote import Holder, RemoteKeyring, Watch
from cfd_signer.rules import Oracle, Rules
from cfd_signer.server import SignerServer

__all__ = ["Holder", "Memory", "Oracle", "RemoteKeyring", "Rules", "SignerServer", "Watch"]
