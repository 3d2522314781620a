"""Public oracles we can name without being told."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from cfd_core.oracle.dialect import OracleKeys

KNOWN_ORACLES: Final[Mapping[str, OracleKeys]] = MappingProxyType(
    {"olivia": OracleKeys(bytes.fromhex("ddd4636845a90185991826be5a494cde9f4a6947b1727217afedc6292fa4caf7"))}
)
"""Name -> keys. Olivia's announcement key is not public knowledge of ours, so its announcements go unchecked."""
