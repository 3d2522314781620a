"""The reference of the HTTP API, written from the OpenAPI document that a node itself serves."""

from collections.abc import Iterator, Mapping
from typing import Any

from cfd_web.answers import MemoryAnswers
from cfd_web.app import Api, ApiSettings
from cfd_web.testing import FakeDesk

from cfd_core.values import Secret

PLACE = "<!-- generated: the HTTP API -->"
Schema = Mapping[str, Any]
_ORDINARY = {"400", "401", "403", "408", "413", "421", "422", "500", "503"}
"""Answers that any request may get; the page on the API says what they mean."""


def fill_in(_app: Any, _page: str, source: list[str]) -> None:
    """Put the reference where a page asks for it."""
    if PLACE in source[0]:
        source[0] = source[0].replace(PLACE, "\n".join(reference(openapi())))


def openapi() -> Schema:
    """The document of an API whose node is a few dictionaries."""
    settings = ApiSettings(token=Secret(b"a-token-that-only-this-process-knows"))
    return Api(FakeDesk(), MemoryAnswers(), settings).inner.openapi()


def reference(document: Schema) -> Iterator[str]:
    """The lines of a Markdown page: all operations by subject, then all schemas."""
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for tag in dict.fromkeys(tag for _, _, operation in operations for tag in operation.get("tags", ["other"])):
        yield f"\n## {tag.capitalize()}\n"
        for path, method, operation in operations:
            if tag in operation.get("tags", ["other"]):
                yield from _operation(path, method, operation)
    yield "\n## What goes in and out\n"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield from _schema(name, schema)


def _operation(path: str, method: str, operation: Schema) -> Iterator[str]:
    yield f"\n### `{method.upper()} {path}`\n"
    yield f"{_text(operation.get('description', operation['summary']))}\n"
    parameters = operation.get("parameters", [])
    if parameters:
        yield from ("| parameter | in | type | meaning |", "|---|---|---|---|")
        for each in parameters:
            name = f"`{each['name']}`" + ("" if each.get("required") else " (may be left out)")
            yield f"| {name} | {each['in']} | {_type(each['schema'])} | {_text(each.get('description', ''))} |"
        yield ""
    body = _content(operation.get("requestBody", {}))
    if body:
        yield f"Takes {body}.\n"
    answers = [
        f"{status}: {_content(answer) or _text(answer['description'])}"
        for status, answer in operation["responses"].items()
        if status not in _ORDINARY
    ]
    yield f"Answers {', '.join(answers)}.\n"


def _content(part: Schema) -> str:
    kinds = [
        _type(content["schema"]) if content.get("schema") else f"`{kind}`"
        for kind, content in part.get("content", {}).items()
    ]
    return " or ".join(kinds)


def _schema(name: str, schema: Schema) -> Iterator[str]:
    yield f"\n({_anchor(name)})=\n### {name}\n"
    yield f"{_text(schema.get('description', ''))}\n"
    if "enum" in schema:
        yield f"One of {', '.join(f'`{value}`' for value in schema['enum'])}.\n"
    properties = schema.get("properties", {})
    if properties:
        yield from ("| field | type | meaning |", "|---|---|---|")
        for field, each in properties.items():
            optional = "" if field in schema.get("required", ()) else " (may be left out)"
            yield f"| `{field}`{optional} | {_type(each)} | {_text(each.get('description', ''))} |"
        yield ""


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{_anchor(name)})"
    for together in ("anyOf", "oneOf", "allOf"):
        if together in schema:
            return " or ".join(_type(each) for each in schema[together])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', schema.get('prefixItems', [{}])[0]))}"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    return str(schema.get("type", "anything"))


def _anchor(name: str) -> str:
    return f"schema-{name.lower()}"


def _text(text: str) -> str:
    """Fit for a cell of a table."""
    return " ".join(text.replace("|", r"\|").replace("<", "&lt;").split())
