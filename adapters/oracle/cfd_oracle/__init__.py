"""Oracles over HTTP: a client that trusts nothing it reads, and a small server for demos and tests."""

from cfd_oracle.client import OracleClient
from cfd_oracle.errors import Down, Forged, Malformed, NotYet, OracleError, UnknownEvent
from cfd_oracle.server import OracleServer

__all__ = ["Down", "Forged", "Malformed", "NotYet", "OracleClient", "OracleError", "OracleServer", "UnknownEvent"]
