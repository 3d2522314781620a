"""Errors of the node's parts, in the three words that a user interface knows."""

from collections.abc import Iterator
from contextlib import contextmanager

from cfd_electrum import ElectrumError
from cfd_store import StoreError
from cfd_wallet import WalletError
from cfd_wallet.errors import WalletStopped
from cfd_web.desk import NotKnown, Refused, Unavailable

from cfd_core.cfd.aggregate import Cfd
from cfd_core.crypto.signer import SignerUnavailable
from cfd_core.errors import CfdError
from cfd_core.values import CfdId
from cfd_node.daemon.maker import OracleSilent
from cfd_node.daemon.peers import BlockedUnreadable
from cfd_node.daemon.taker import NotNow
from cfd_node.node import Node
from cfd_node.supervision import ServiceFailed

LATER = (
    ServiceFailed,
    StoreError,
    ElectrumError,
    SignerUnavailable,
    WalletStopped,
    OracleSilent,
    NotNow,
    BlockedUnreadable,
)
"""What passes."""


@contextmanager
def plain_refusals() -> Iterator[None]:
    """Whatever is refused inside is refused in the desk's words."""
    try:
        yield
    except LATER as error:
        raise Unavailable(str(error)) from error
    except (CfdError, WalletError) as error:
        raise Refused(str(error)) from error


def known_cfd(node: Node, key: str) -> Cfd:
    """The CFD of this id; `NotKnown`. `ServiceFailed` without an engine."""
    cfd = node.engine.cfds.get(CfdId(key))
    if cfd is None:
        raise NotKnown(f"there is no CFD {key}")
    return cfd
