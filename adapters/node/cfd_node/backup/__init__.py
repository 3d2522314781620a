"""Backups of a node: everything in its folder, sealed with its passphrase, and the way back."""

from cfd_node.backup.restoring import restore, trust
from cfd_node.backup.saving import save
from cfd_node.backup.sealed import BackupDamaged, BackupRefused

__all__ = ["BackupDamaged", "BackupRefused", "restore", "save", "trust"]
