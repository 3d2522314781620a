"""Run by an interpreter whose environment holds cfd-core's wheel and what that pulled in (`nox -s core_alone`).

Checks that every module of the core imports, that nothing but the four declared dependencies and their own came
along, and that none of our IO packages can be imported.
"""

import importlib
import pkgutil
import re
import sys
from importlib import metadata, resources
from pathlib import Path

DECLARED = {"attrs", "cattrs", "embit", "coincurve"}
INSTALLERS = {"pip", "setuptools", "wheel"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(name: str) -> set[str]:
    """The distributions that one asks for here, without its extras."""
    needs = set()
    for line in metadata.requires(name) or []:
        requirement, _, marker = line.partition(";")
        if "extra ==" in marker:
            continue
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        if match:
            needs.add(canonical(match.group()))
    return needs


def closure(name: str, installed: set[str]) -> set[str]:
    found: set[str] = set()
    waiting = {name}
    while waiting:
        current = waiting.pop()
        found.add(current)
        # A requirement whose marker does not hold here is not installed, and that is right.
        waiting |= (required(current) & installed) - found
    return found


def check_distributions() -> str:
    installed = {canonical(found.metadata["Name"]) for found in metadata.distributions()}
    assert required("cfd-core") == DECLARED, f"cfd-core declares {sorted(required('cfd-core'))}"
    extra = installed - closure("cfd-core", installed) - INSTALLERS
    assert not extra, f"not of the core, yet installed: {sorted(extra)}"
    missing = DECLARED - installed
    assert not missing, f"declared, yet not installed: {sorted(missing)}"
    return f"installed: {', '.join(sorted(installed - INSTALLERS))}"


def check_imports() -> str:
    core = importlib.import_module("cfd_core")
    home = Path(sys.prefix).resolve()
    assert home in Path(str(core.__file__)).resolve().parents, f"not the wheel's: {core.__file__}"
    names = [module.name for module in pkgutil.walk_packages(core.__path__, "cfd_core.")]
    for name in names:
        importlib.import_module(name)
    assert len(names) >= 10, f"only {len(names)} modules in the wheel"
    assert resources.files("cfd_core").joinpath("py.typed").is_file(), "the wheel lacks py.typed"
    return f"imported: {len(names)} modules of cfd_core"


def check_no_shells() -> str:
    ours = {module.name for module in pkgutil.iter_modules() if module.name.startswith("cfd_")}
    assert ours == {"cfd_core"}, f"importable: {sorted(ours)}"
    loaded = {name for name in sys.modules if name.startswith("cfd_") and name.split(".")[0] != "cfd_core"}
    assert not loaded, f"loaded: {sorted(loaded)}"
    return "no other package of ours is importable"


if __name__ == "__main__":
    for line in (check_distributions(), check_imports(), check_no_shells()):
        print(line)
