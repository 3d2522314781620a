"""Settings from file, environment and flags, each over the one before, read strictly: every problem with its place."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final

from attrs import fields, frozen

from cfd_node.config.kinds import Kind, NotAllowed
from cfd_node.config.settings import Config

PREFIX: Final = "CFD_"
NOT_SETTINGS: Final = frozenset({"CFD_CONFIG", "CFD_PASSPHRASE", "CFD_TOKEN", "CFD_REALNODE"})
"""Variables with our prefix that are something else."""
MAX_FILE: Final = 1 << 20
"""Bytes of a configuration file."""


class ConfigError(Exception):
    """The configuration cannot be used; one line for each problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Text(str):
    """A value from a variable or flag: whatever its kind, it comes as text."""


@frozen
class Option:
    """One setting, as the outside names it."""

    path: tuple[str, ...]
    kind: Kind[Any]
    about: str
    default: Any

    @property
    def key(self) -> str:
        """`section.key`, or `key` where it stands in no section."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return PREFIX + "_".join(self.path).upper()


@cache
def options() -> dict[str, Option]:
    """Every setting by its key, in the order of the example."""
    return {option.key: option for option in _options(Config, ())}


def _options(made: type[Any], above: tuple[str, ...]) -> Iterator[Option]:
    plain = made()
    for attribute in fields(made):
        path = (*above, attribute.name)
        part = attribute.metadata.get("section")
        if part is not None:
            yield from _options(part, path)
        else:
            about = attribute.metadata
            yield Option(path, about["kind"], about["about"], getattr(plain, attribute.name))


def load_config(
    file: Path | None, environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> Config:
    """The settings of `file` (None: none), under those of `environment` (CFD_...), under `flags` (key -> text).

    `ConfigError` with every problem: an unknown key, a value that is not of its kind, a file that cannot be read.
    """
    text = "" if file is None else _read(file)
    return parse_config(text, str(file), environment or {}, flags or {}, private=file is None or _is_private(file))


def parse_config(
    text: str, name: str, environment: Mapping[str, str], flags: Mapping[str, str], *, private: bool = True
) -> Config:
    """As `load_config`, with the file's text; `name` stands for it in problems. Only a `private` one holds secrets."""
    found, problems = dict[str, Any](), list[str]()
    _from_file(text, name, found, problems)
    secrets = [key for key, value in found.items() if options()[key].kind.secret and value is not None]
    if secrets and not private:
        problems.append(f"{name}: {secrets[0]} is a secret, and others can read this file: chmod 600 it")
    variables = {option.variable: option.key for option in options().values()}
    ours = {key: value for key, value in environment.items() if key.startswith(PREFIX) and key not in NOT_SETTINGS}
    _from_texts({variables.get(key, key): value for key, value in ours.items()}, "environment", found, problems)
    _from_texts(_without_secrets(flags, problems), "flags", found, problems)
    if problems:
        raise ConfigError(problems)
    built: Config = _build(Config, (), found)
    return built


def _without_secrets(flags: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    secrets = [key for key in flags if key in options() and options()[key].kind.secret]
    for key in secrets:
        where = options()[key].variable
        problems.append(f"flags: {key} is a secret, and others can see the flags of a process: put it into {where}")
    return {key: text for key, text in flags.items() if key not in secrets}


def _is_private(file: Path) -> bool:
    return not file.stat().st_mode & 0o077


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError([f"{file}: {error.strerror}"]) from error
    if len(raw) > MAX_FILE:
        raise ConfigError([f"{file}: longer than {MAX_FILE:,} bytes"])
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: not UTF-8 at byte {error.start:,}"]) from error


def _from_file(text: str, name: str, found: dict[str, Any], problems: list[str]) -> None:
    try:
        tree = tomllib.loads(text, parse_float=_decimal)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        problems.append(f"{name}: not TOML: {str(error)[:200]}")
        return
    sections = {option.path[0] for option in options().values() if len(option.path) > 1}
    for first, value in tree.items():
        leaves = {f"{first}.{key}": leaf for key, leaf in value.items()} if isinstance(value, dict) else {first: value}
        if isinstance(value, dict) and first not in sections:
            problems.append(
                f"{name}, {_place(text, (first,))}: there is no section {_shown(first)}{_like(first, sections)}"
            )
            continue
        for key, leaf in leaves.items():
            path = tuple(key.split(".", 1)) if isinstance(value, dict) else (key,)
            _take(key, f"{name}, {_place(text, path)}", leaf, found, problems)


def _decimal(text: str) -> Decimal:
    return Decimal(text)


def _from_texts(texts: Mapping[str, str], place: str, found: dict[str, Any], problems: list[str]) -> None:
    for key, text in texts.items():
        _take(key, place, Text(text), found, problems)


def _take(key: str, place: str, value: Any, found: dict[str, Any], problems: list[str]) -> None:
    option = options().get(key)
    if option is None:
        known = [each.variable if key.startswith(PREFIX) else each.key for each in options().values()]
        problems.append(f"{place}: there is no setting {_shown(key)}{_like(key, known)}")
        return
    try:
        read = option.kind.from_text if isinstance(value, Text) else option.kind.from_toml
        found[key] = read(value)
    except NotAllowed as error:
        what = "cannot be used" if option.kind.secret else f"is {error}"
        problems.append(f"{place}: {key} {what}; allowed is {option.kind.allowed}")


def _place(text: str, path: tuple[str, ...]) -> str:
    """The line where a key or section is written, as far as that can be told from plain lines."""
    section, wanted = "", path[-1]
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line)
        if header and "=" not in line.split("#")[0].split("]")[0]:
            section = header[1].strip("\"'")
            if path == (section,):
                return f"line {number}"
        key = re.match(r"\s*([^=#]+?)\s*=", line)
        here = (*filter(None, section.split(".")), *(key[1].split(".") if key else ()))
        if key and tuple(part.strip("\"' ") for part in here) == path:
            return f"line {number}"
    return f"section {path[0]}" if len(path) > 1 else f"key {_shown(wanted)}"


def _shown(key: str) -> str:
    return f"{key!r:.80}"


def _like(key: str, known: Sequence[str] | set[str]) -> str:
    close = get_close_matches(key, list(known), 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(known))}"


def _build(made: type[Any], above: tuple[str, ...], found: Mapping[str, Any]) -> Any:
    values: dict[str, Any] = {}
    for attribute in fields(made):
        path = (*above, attribute.name)
        part = attribute.metadata.get("section")
        if part is not None:
            values[attribute.name] = _build(part, path, found)
        elif ".".join(path) in found:
            values[attribute.name] = found[".".join(path)]
    return made(**values)
