"""The news about watched outputs."""

from attrs import field, frozen

from cfd_core.values import OutPoint


@frozen
class Spend:
    """The transaction (network serialisation) that spends an output; `height` 0 means in the mempool."""

    transaction: bytes = field(repr=lambda raw: f"<{len(raw)} bytes>")
    height: int


@frozen
class OutpointReport:
    """The whole truth about one output as the server tells it now; a later report replaces it.

    `created`: None = does not exist (any more), 0 = in the mempool, above 0 = confirmed at that height.
    """

    outpoint: OutPoint
    created: int | None
    spend: Spend | None
