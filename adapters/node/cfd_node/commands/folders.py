"""Which folder was meant, where the one that was named is not a node's."""

from pathlib import Path


def meant(folder: Path, file: str) -> str:
    """After a complaint: the folder below this one that has such a file, a taker's first; empty: none has."""
    found = sorted((each.parent for each in folder.glob(f"*/{file}")), key=lambda each: (each.name != "taker", each))
    return f"; did you mean {found[0]}?" if found else ""
