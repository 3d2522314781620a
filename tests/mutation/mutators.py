"""Small wrong changes to Python source: what a tired author might have written instead.

A mutant changes one place of a module's syntax tree. The kinds: comparisons, arithmetic, `and`/`or` and their operands,
negations, numbers, words, conditions taken or never taken, branches of a conditional expression, arguments and
tuple members swapped, a party or a side taken for the other, a value not returned, a call or a `raise` left out, an
entry of a table left out.

Not changed, by rule: annotations, decorators, docstrings, imports, `__all__`, type aliases, base classes, what stands
behind `raise` and `except` (texts of errors, lists of types), words with a space in them (texts for people),
`repr=...` of a field, and the bodies of `__repr__` and `__str__`.
"""

import ast
import copy
import re
from collections.abc import Iterator
from types import CodeType
from typing import Any, Final

from attrs import define, frozen

_COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
_OPPOSITES: Final = {"MAKER": "TAKER", "TAKER": "MAKER", "LONG": "SHORT", "SHORT": "LONG"}
_TYPE_MAKERS: Final = {"NewType", "TypeVar"}
_NOT_SWAPPED: Final = {"min", "max", "isinstance"}
"""Swapping their arguments changes nothing, or breaks at once."""
_NUMERIC: Final = re.compile(r"-?\d+\.\d+")
_HEX: Final = re.compile(r"([0-9a-f]{2})+")


@frozen
class Mutant:
    """One change. `unit` is the outermost function it is in, empty when it is in none."""

    number: int
    unit: str
    line: int
    change: str
    at_import: bool
    """Whether the changed code runs when the module is imported: all that is in no function, and default arguments."""


@frozen
class _Slot:
    """A place in the tree, and the node to put there."""

    owner: ast.AST
    field: str
    index: int | None
    node: ast.AST

    def fill(self) -> None:
        if self.index is None:
            setattr(self.owner, self.field, self.node)
        else:
            getattr(self.owner, self.field)[self.index] = self.node


@define
class MutableModule:
    """A module's source with its mutants, numbered in the order of the text."""

    file: str
    tree: ast.Module
    mutants: list[Mutant]
    _slots: list[_Slot]

    @classmethod
    def parse(cls, source: str, file: str) -> "MutableModule":
        module = cls(file, ast.parse(source), [], [])
        module._visit(module.tree, "", (), at_import=True)
        return module

    def mutate(self, number: int) -> CodeType:
        """The mutant's code. Changes the tree for good: once per process, or per parse."""
        self._slots[number].fill()
        return compile(ast.fix_missing_locations(self.tree), self.file, "exec")

    def _visit(self, owner: ast.AST, unit: str, names: tuple[str, ...], *, at_import: bool) -> None:
        for field, index, child in _children(owner):
            if _left_alone(owner, field, child, unit):
                continue
            early = at_import or field in ("defaults", "kw_defaults")
            for node in _alternatives(owner, child, unit):
                self._add(_Slot(owner, field, index, node), child, unit, at_import=early)
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                path = (*names, child.name)
                function = isinstance(child, ast.FunctionDef)
                inside = unit or (".".join(path) if function else "")
                self._visit(child, inside, path, at_import=early and not function)
            else:
                self._visit(child, unit, names, at_import=early)

    def _add(self, slot: _Slot, before: ast.AST, unit: str, *, at_import: bool) -> None:
        ast.copy_location(slot.node, before)
        change = f"{_words(before)}  ->  {_words(slot.node)}"
        self.mutants.append(Mutant(len(self._slots), unit, getattr(before, "lineno", 0), change, at_import))
        self._slots.append(slot)


def _children(owner: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for field, value in ast.iter_fields(owner):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield field, index, child


def _words(node: ast.AST) -> str:
    match node:
        case ast.If(test=test):
            return f"if {ast.unparse(test)}"
        case ast.While(test=test):
            return f"while {ast.unparse(test)}"
        case _:
            return " ".join(ast.unparse(node).split())


def _left_alone(owner: ast.AST, field: str, child: ast.AST, unit: str) -> bool:
    match owner, field:
        case (_, "annotation" | "returns" | "decorator_list" | "bases" | "type_params"):
            return True
        case (ast.Raise(), _) | (ast.ExceptHandler(), "type"):
            return True
    match child:
        case ast.Import() | ast.ImportFrom() | ast.keyword(arg="repr") | ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.FunctionDef(name="__repr__" | "__str__"):
            return True
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if not unit:
            return name == "__all__" or _is_type(value)
        case ast.Constant(value=str(text)):
            return " " in text
        case ast.JoinedStr(values=parts):
            return any(isinstance(part, ast.Constant) and " " in str(part.value) for part in parts)
        case ast.FormattedValue() | ast.Call(func=ast.Name(id="assert_never")):
            return isinstance(child, ast.Call)
        case _:
            return False


def _is_type(value: ast.expr) -> bool:
    match value:
        case ast.BinOp(op=ast.BitOr()) | ast.Subscript():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in _TYPE_MAKERS
        case _:
            return False


def _with(node: Any, **changes: Any) -> Any:
    changed = copy.copy(node)
    for field, value in changes.items():
        setattr(changed, field, value)
    return changed


def _without(items: list[Any], index: int) -> list[Any]:
    return [*items[:index], *items[index + 1 :]]


def _alternatives(owner: ast.AST, node: ast.AST, unit: str) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=ops):
            for index, op in enumerate(ops):
                for other in _COMPARISONS[type(op)]:
                    yield _with(node, ops=[*ops[:index], other(), *ops[index + 1 :]])
        case ast.BinOp(op=op) | ast.AugAssign(op=op):
            yield _with(node, op=_ARITHMETIC[type(op)]())
        case ast.BoolOp(op=op, values=values):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            for index in range(len(values)):
                rest = _without(values, index)
                yield rest[0] if len(rest) == 1 else _with(node, values=rest)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield copy.copy(operand)
        case ast.Constant(value=value):
            yield from (ast.Constant(other) for other in _other_constants(value))
        case ast.Attribute(attr=attr) if attr in _OPPOSITES:
            yield _with(node, attr=_OPPOSITES[attr])
        case ast.IfExp(body=body, orelse=orelse):
            yield copy.copy(body)
            yield copy.copy(orelse)
        case ast.Call(func=function, args=[first, second, *rest]):
            known = isinstance(function, ast.Name) and function.id in _NOT_SWAPPED
            if not known and not isinstance(second, ast.Starred) and ast.dump(first) != ast.dump(second):
                yield _with(node, args=[second, first, *rest])
        case ast.Tuple(elts=elements, ctx=ast.Load()) if not (isinstance(owner, ast.Dict) and node in owner.keys):
            yield from _other_tuples(node, elements, unit)
        case ast.Dict(keys=keys, values=values) if not unit:
            for index in range(len(keys)):
                yield _with(node, keys=_without(keys, index), values=_without(values, index))
        case _:
            yield from _other_statements(owner, node)


def _other_constants(value: object) -> Iterator[int | str | bytes]:
    match value:
        case bool():
            yield not value
        case int():
            yield value + 1
        case str():
            yield value + ("1" if _NUMERIC.fullmatch(value) else "00" if _HEX.fullmatch(value) else "X")
        case bytes():
            yield value + b"\x01"


def _other_tuples(node: ast.AST, elements: list[ast.expr], unit: str) -> Iterator[ast.AST]:
    if not unit:
        for index in range(len(elements) if len(elements) > 1 else 0):
            yield _with(node, elts=_without(elements, index))
    elif len(elements) > 1 and not any(isinstance(element, ast.Starred) for element in elements[:2]):
        first, second, *rest = elements
        if ast.dump(first) != ast.dump(second):
            yield _with(node, elts=[second, first, *rest])


def _other_statements(owner: ast.AST, node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.If():
            yield _with(node, test=ast.Constant(True))
            yield _with(node, test=ast.Constant(False))
        case ast.While():
            yield _with(node, test=ast.Constant(False))
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.Continue():
            yield ast.Pass()
        case ast.Raise() if not (isinstance(owner, ast.If) and len(owner.body) == 1):
            yield ast.Pass()


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None
