"""The commented example: every setting with its sentence, what is allowed, and its default."""

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from attrs import fields

from cfd_node.config.reading import Option, options
from cfd_node.config.settings import Config

_HEAD = """\
# Settings of one cfd node. Every line that begins with "#" and a key shows a default: remove the "#" to change it.
# Each key has a variable too, CFD_NETWORK or CFD_ELECTRUM_SERVERS, which counts more than this file, and
# --set electrum.servers=... counts more than both. `cfd config check` reads all of it and tells what is wrong.
"""


def example(chosen: Mapping[str, Any] | None = None) -> str:
    """The text of a configuration file in which the keys of `chosen` have these values, the others their defaults."""
    chosen = chosen or {}
    lines, section = [_HEAD], ""
    for option in options().values():
        if len(option.path) > 1 and option.path[0] != section:
            section = option.path[0]
            lines += [f"\n# --- {_about_section(section)}\n[{section}]\n"]
        lines.append(_entry(option, chosen))
    return "\n".join(lines)


def _entry(option: Option, chosen: Mapping[str, Any]) -> str:
    about = [f"# {line}" for part in option.about.splitlines() for line in wrap(part, 116)]
    allowed = [f"# {line}" for line in wrap(f"Allowed: {option.kind.allowed}.", 116)]
    mark = "" if option.key in chosen else "# "
    value = option.kind.to_toml(chosen.get(option.key, option.default))
    shown = '"~/.local/share/cfd"' if option.key == "data" and mark else value
    return "\n".join([*about, *allowed, f"{mark}{option.path[-1]} = {shown}", ""])


def _about_section(name: str) -> str:
    return str(next(each.metadata["about"] for each in fields(Config) if each.name == name))
