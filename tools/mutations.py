"""Small ways to break Python code, each as a new text of the whole module."""

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div}
BOOKKEEPING = frozenset({"count", "debug", "drop"})
"""Calls that only count or log: no requirement is behind them."""


class Mutation(NamedTuple):
    """One way to break one line."""

    line: int
    behind: int
    """The line whose execution tells what the broken one is for: a condition is there for what it guards."""
    before: str
    after: str
    source: str
    """The text of the whole module, broken."""

    def __str__(self) -> str:
        return f"{self.before}  ->  {self.after}"


def mutations(source: str) -> Iterator[Mutation]:
    """Yield the ways to break statements and expressions of a module, outside of constructors."""
    tree = ast.parse(source)
    constructors, guarded = _constructors(tree), _guarded(tree)
    for number, node in enumerate(ast.walk(tree)):
        if getattr(node, "lineno", None) not in constructors:
            for broken in _broken(node):
                yield _mutation(tree, number, node, broken, guarded.get(node))


def _constructors(tree: ast.Module) -> set[int]:
    """Every test goes through them, so they are behind no requirement in particular."""
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    return {line for node in found for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def _guarded(tree: ast.Module) -> dict[ast.AST, int]:
    """Return, for each part of the condition of an `if`, the first line of what it guards."""
    found: dict[ast.AST, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.If):
            found[node] = node.body[0].lineno
            found.update((part, node.body[0].lineno) for part in ast.walk(node.test))
    return found


def _mutation(tree: ast.Module, number: int, node: ast.AST, broken: ast.AST, guarded: int | None) -> Mutation:
    changed = copy.deepcopy(tree)
    target = next(found for place, found in enumerate(ast.walk(changed)) if place == number)
    text = ast.unparse(ast.fix_missing_locations(_Replace(target, broken).visit(changed)))
    line: int = node.lineno  # type: ignore[attr-defined]  # only nodes that have one are broken
    return Mutation(line, guarded or line, _short(node), _short(broken), text)


def _broken(node: ast.AST) -> Iterator[ast.AST]:
    """Yield nodes to put in the place of `node`."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in OPPOSITES:
            yield ast.Compare(node.left, [OPPOSITES[type(operator)]()], node.comparators)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.BinOp() if type(node.op) in ARITHMETIC:
            yield ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.If() | ast.IfExp() if not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            changed = copy.copy(node)
            changed.test = ast.UnaryOp(ast.Not(), node.test)
            yield changed
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))) if name not in BOOKKEEPING:
            yield ast.Pass()
        case ast.Raise() | ast.AugAssign():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute()]):
            yield ast.Pass()


class _Replace(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, target: ast.AST, broken: ast.AST) -> None:
        self._target = target
        self._broken = broken

    def visit(self, node: ast.AST) -> ast.AST:
        return self._broken if node is self._target else super().generic_visit(node)


def _short(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).partition("\n")[0][:90]
