"""The mutants that a piece of source has, and that a mutant is the changed program."""

from textwrap import dedent
from typing import Any

import pytest

from tests.mutation.mutators import MutableModule


def mutants_of(source: str) -> MutableModule:
    return MutableModule.parse(dedent(source), "piece.py")


def changes(source: str) -> set[str]:
    return {mutant.change for mutant in mutants_of(source).mutants}


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("a < b", "a < b  ->  a <= b"),
        ("a < b", "a < b  ->  a >= b"),
        ("a is None", "a is None  ->  a is not None"),
        ("a + b", "a + b  ->  a - b"),
        ("a += b", "a += b  ->  a -= b"),
        ("a and b", "a and b  ->  a or b"),
        ("a and b and c", "a and b and c  ->  a and c"),
        ("not a", "not a  ->  a"),
        ("-a", "-a  ->  a"),
        ("f(7)", "7  ->  8"),
        ("f(True)", "True  ->  False"),
        ("f('ab x')", "f('ab x')  ->  pass"),
        ("f('abx')", "'abx'  ->  'abxX'"),
        ("f('0.5')", "'0.5'  ->  '0.51'"),
        ("f(b'')", "b''  ->  b'\\x01'"),
        ("f(Role.MAKER)", "Role.MAKER  ->  Role.TAKER"),
        ("f(a, b, c)", "f(a, b, c)  ->  f(b, a, c)"),
        ("x if a else y", "x if a else y  ->  y"),
        ("if a: f()", "if a  ->  if True"),
        ("while a: f()", "while a  ->  while False"),
        ("def f(): return a, b", "(a, b)  ->  (b, a)"),
        ("def f(): return a, b", "return (a, b)  ->  return None"),
        ("TABLE = {a: (b, c)}", "{a: (b, c)}  ->  {}"),
        ("TABLE = {a: (b, c)}", "(b, c)  ->  (c,)"),
    ],
)
def test_what_is_changed(source: str, change: str) -> None:
    assert change in changes(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""Words 1 + 1."""',
        "from a import b",
        "__all__ = ['a', 'b']",
        "def f(a: int | None, b: Literal[1]) -> int | None: ...",
        "@frozen(order=True)\nclass A(B[1]): ...",
        "Answer = A | B",
        "T = TypeVar('T')",
        "a: bytes = field(repr=False)",
        "raise E(f'{1 + 1}', 2)",
        "x = 'two words'",
        "x = f'two words {a + b}'",
        "def __repr__(self): return 'A'",
    ],
)
def test_what_is_left_alone(source: str) -> None:
    assert {mutant.change for mutant in mutants_of(source).mutants if "raise" not in mutant.change} == set()


def test_each_number_is_one_changed_program() -> None:
    source = """
        def larger(a, b):
            return a if a > b else b
    """
    programs: list[Any] = []
    for mutant in mutants_of(source).mutants:
        scope: dict[str, Any] = {}
        exec(mutants_of(source).mutate(mutant.number), scope)  # noqa: S102 -- the text above
        programs.append((mutant.change, [scope["larger"](*pair) for pair in ((1, 2), (2, 1), (2, 2))]))
    assert programs == [
        ("return a if a > b else b  ->  return None", [None, None, None]),
        ("a if a > b else b  ->  a", [1, 2, 2]),
        ("a if a > b else b  ->  b", [2, 1, 2]),
        ("a > b  ->  a >= b", [2, 2, 2]),
        ("a > b  ->  a <= b", [1, 1, 2]),
    ]


def test_a_mutant_says_where_it_is_and_when_it_runs() -> None:
    source = """
        LIMIT = 1
        class A:
            size: int = 2
            def f(self, at: int = 3):
                return (lambda: 4)
    """
    found = {mutant.change[0]: (mutant.unit, mutant.at_import) for mutant in mutants_of(source).mutants}
    assert found == {"1": ("", True), "2": ("", True), "3": ("A.f", True), "r": ("A.f", False), "4": ("A.f", False)}
