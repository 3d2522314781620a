"""The conformance kit: what two implementations must agree on to the byte, as data, and a pytest plugin that asks."""

from cfd_conformance.implementation import Implementation, Invalid
from cfd_conformance.vectors import FILES, load

__all__ = ["FILES", "Implementation", "Invalid", "load"]
