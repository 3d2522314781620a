"""`python -m docs.site.offline FOLDER`: that no page in the folder loads anything from another host."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

_ELSEWHERE = r"(?:https?:)?//[^\s\"')>]+"
_LOADED = (
    re.compile(rf"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"']?({_ELSEWHERE})", re.IGNORECASE),
    re.compile(rf"<link\b(?![^>]*\brel=[\"']?(?:canonical|author))[^>]*\bhref=[\"']?({_ELSEWHERE})", re.IGNORECASE),
)
_STYLE = re.compile(rf"(?:url\([\"']?|@import\s+[\"'])({_ELSEWHERE})", re.IGNORECASE)


def foreign(folder: Path) -> Iterator[str]:
    """What would be fetched from elsewhere, with the file that asks for it."""
    for path in sorted(folder.rglob("*")):
        patterns = {".html": (*_LOADED, _STYLE), ".css": (_STYLE,), ".svg": (*_LOADED, _STYLE)}.get(path.suffix, ())
        for pattern in patterns:
            yield from (f"{path.relative_to(folder)}: {found}" for found in pattern.findall(path.read_text()))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    if not (folder / "index.html").exists():
        raise SystemExit(f"no pages in {folder}")
    found = list(foreign(folder))
    print("\n".join(found), end="\n" if found else "")
    raise SystemExit(bool(found))
