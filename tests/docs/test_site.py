"""What makes the pages: docstrings that cannot break the build, no link out of the pages, nothing from another host."""

from pathlib import Path

from docs.site import docstrings, http_pages, offline, outside


def as_rst(text: str) -> str:
    lines = text.splitlines()
    docstrings.as_rst(None, "function", "f", None, None, lines)
    return "\n".join(lines)


def test_marks_of_restructured_text_in_docstrings_are_plain_text() -> None:
    assert as_rst("Either `a_b` or *x|y_") == r"Either \ ``a_b``\  or \*x\|y\_" + "\n"


def test_lists_and_layouts_in_docstrings_stay() -> None:
    assert as_rst("Two:\n\n- one\n  more\n- two\n\n    a = b\n").split() == [
        *("Two:", "-", "one", "more", "-", "two", "::", "a", "=", "b")
    ]


def test_the_http_reference_has_every_operation_and_every_schema() -> None:
    document = http_pages.openapi()
    text = "\n".join(http_pages.reference(document))
    for path, methods in document["paths"].items():
        assert all(f"### `{method.upper()} {path}`" in text for method in methods)
    assert all(f"\n### {name}\n" in text for name in document["components"]["schemas"])


def test_links_out_of_the_pages_become_words(tmp_path: Path) -> None:
    root = tmp_path / "docs"
    (root / "sub").mkdir(parents=True)
    for path in (tmp_path / "README.md", root / "b.md"):
        path.touch()
    text = "[up](../../README.md#x) [b](../b.md) [gone](../c.md) [far](https://example.org/x.md)"
    judged = outside.without(text, root / "sub" / "a", root)
    assert judged == "up [b](../b.md) [gone](../c.md) [far](https://example.org/x.md)"


def test_what_pages_load_from_elsewhere_is_found(tmp_path: Path) -> None:
    own = '<link rel="stylesheet" href="_static/a.css"><script src="a.js"></script><a href="https://example.org">x</a>'
    (tmp_path / "index.html").write_text(own)
    assert list(offline.foreign(tmp_path)) == []
    (tmp_path / "index.html").write_text('<script async src="//cdn.example/a.js"></script>')
    (tmp_path / "a.css").write_text('@import "https://fonts.example/a.css";')
    assert list(offline.foreign(tmp_path)) == ["a.css: https://fonts.example/a.css", "index.html: //cdn.example/a.js"]
