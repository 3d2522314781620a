"""The conversations with the counterparty, each a machine without IO. They do not know each other."""

from cfd_core.protocols.step import Step

__all__ = ["Step"]
