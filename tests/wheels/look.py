"""Run inside an environment that holds our distributions' built files: are they all there, whole, and from the files?

python -I look.py FILE.whl ...
"""

import importlib
import json
import pkgutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any


def look_over(name: str, wheel: Path) -> int:
    """Check one distribution; how many of its modules were imported."""
    found = metadata.distribution(name)
    origin: dict[str, Any] = json.loads(found.read_text("direct_url.json") or "{}")
    assert origin.get("url", "").endswith(wheel.name), f"{name} was not installed from {wheel.name}: {origin}"
    package = name.replace("-", "_")
    files = {str(file) for file in found.files or ()}
    assert f"{package}/py.typed" in files, f"{name} does not say that it is typed"
    module = importlib.import_module(package)
    names = [info.name for info in pkgutil.walk_packages(module.__path__, f"{package}.")]
    for inner in names:
        if not inner.endswith("__main__"):
            importlib.import_module(inner)
    return len(names) + 1


def main(wheels: list[Path]) -> None:
    versions = set()
    for wheel in wheels:
        name, version, *_ = wheel.name.split("-")
        name = name.replace("_", "-")
        look_over(name, wheel)
        versions.add(version)
        assert metadata.version(name) == version
    assert len(versions) == 1, f"the distributions have different versions: {sorted(versions)}"
    program = Path(sys.executable).parent / "cfd"
    told = subprocess.run([str(program), "--version"], check=True, capture_output=True, text=True).stdout
    assert told.split()[-1] in versions, told


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
