"""What can go wrong with a store. Each class asks for a different reaction of the operator."""


class StoreError(Exception):
    """Root of the errors of this package. Nothing of the refused call was written."""


class VersionConflict(StoreError):
    """Somebody else appended first: load the stream again and decide anew."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"stream {stream} is at version {actual}, not {expected}")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class RevisionMissing(StoreError):
    """No such DLC revision is stored (it may have been deleted on purpose)."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or written now: no directory, no permission, disk full, locked, closed."""


class StoreEmpty(StoreUnavailable):
    """A database without a store in it, where there should be one."""


class StoreCorrupt(StoreError):
    """What is stored is damaged. The file is left as it is, for repair or for comparison with a backup."""


class NotAStore(StoreError):
    """A healthy database, but not one of ours."""


class StoreTooNew(StoreError):
    """Written by a newer version of this program, which alone can read it."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(f"the store has format {found}; this program knows formats up to {known}")
        self.found = found
        self.known = known


class WrongStore(StoreError):
    """A store of ours that belongs to another node or another network."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"the store belongs to {found!r}, not to {wanted!r}")
        self.found = found
        self.wanted = wanted
