"""The small language of conditions: ``coef > 0 and mode == 'reward'``, ``alpha < beta``.

It is Python's, of comparisons, ``and``, ``or``, ``not``, arithmetic, literals and the functions
below. A name is a field of the component (``lora.rank``), and ``stage.`` begins a key of the whole
stage (``stage.rollout.temperature``).
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from etude.config.keys import at
from etude.data_mix.template import names

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.In: lambda value, wanted: value in wanted,
    ast.NotIn: lambda value, wanted: value not in wanted,
}
_ORDERS = (ast.GtE, ast.LtE, ast.Gt, ast.Lt)
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: operator.mod,
}
_CONSTANTS = {"null": None, "none": None, "true": True, "false": False}


def _rising(values: Sequence[Any]) -> bool:
    return all(low < high for low, high in pairwise(values))


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "len": len,
    "max": lambda values: max(values, default=None),
    "rising": _rising,
    "columns": lambda template: sorted(names(template)),
}


class _Unknown(Exception):
    """A null, or a value that does not fit its key, was compared or reckoned with."""


def holds(condition: str, node: Mapping[str, Any]) -> bool:
    """Tell whether a condition on a node's fields is true; an empty one always is.

    A field that is null is neither more nor less than anything. Raises ValueError where the text
    is no condition.
    """
    return not condition.strip() or judge(condition, node) is True


def judge(
    condition: str, node: Mapping[str, Any], stage: Mapping[str, Any] | None = None
) -> bool | None:
    """Return whether a condition is true, None where nulls leave that open.

    ``stage`` is the config that names beginning with ``stage.`` are looked up in. Raises ValueError
    where the text is no condition.
    """
    return _truth(_parsed(condition), _Names(node, stage or {}))


def names_in(condition: str) -> list[str]:
    """Return the names of a condition in the order they stand in."""
    found = [n for n in ast.walk(_parsed(condition)) if isinstance(n, (ast.Name, ast.Attribute))]
    inside = {id(n.value) for n in found if isinstance(n, ast.Attribute)}
    outer = [n for n in found if id(n) not in inside]
    outer.sort(key=lambda n: (n.lineno, n.col_offset))
    names = [ast.unparse(n) for n in outer]
    return [name for name in names if name not in _FUNCTIONS and name.lower() not in _CONSTANTS]


class _Names:
    """What names stand for."""

    def __init__(self, node: Mapping[str, Any], stage: Mapping[str, Any]) -> None:
        self._node, self._stage = node, stage

    def __getitem__(self, name: str) -> Any:
        head, _, rest = name.partition(".")
        return at(self._stage, rest) if head == "stage" and rest else at(self._node, name)


@cache
def _parsed(condition: str) -> ast.expr:
    try:
        return ast.parse(condition.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"'{condition}' is no condition: {error.msg}") from error


def _truth(tree: ast.expr, names: _Names) -> bool | None:
    """Return whether a tree is true, None where that is not known."""
    if isinstance(tree, ast.BoolOp):
        known = [_truth(each, names) for each in tree.values]
        decisive = isinstance(tree.op, ast.Or)
        if decisive in known:
            return decisive
        return None if None in known else not decisive
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
        inner = _truth(tree.operand, names)
        return None if inner is None else not inner
    try:
        if isinstance(tree, ast.Compare):
            return _compared(tree, names)
        return bool(_value(tree, names))
    except _Unknown:
        return None


def _compared(tree: ast.Compare, names: _Names) -> bool:
    left = _value(tree.left, names)
    for symbol, right in zip(tree.ops, tree.comparators, strict=True):
        value = _value(right, names)
        if isinstance(symbol, _ORDERS) and (left is None or value is None):
            raise _Unknown
        try:
            if type(symbol) not in _COMPARISONS:
                raise ValueError(f"'{ast.unparse(tree)}' is no condition")
            if not _COMPARISONS[type(symbol)](left, value):
                return False
        except TypeError as error:
            raise _Unknown from error
        left = value
    return True


def _value(tree: ast.expr, names: _Names) -> Any:
    if isinstance(tree, ast.Constant):
        return tree.value
    if isinstance(tree, (ast.Tuple, ast.List, ast.Set)):
        return [_value(each, names) for each in tree.elts]
    if isinstance(tree, (ast.Name, ast.Attribute)):
        name = ast.unparse(tree)
        return _CONSTANTS[name.lower()] if name.lower() in _CONSTANTS else names[name]
    try:
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            return -_value(tree.operand, names)
        if isinstance(tree, ast.BinOp) and type(tree.op) in _ARITHMETIC:
            left, right = _value(tree.left, names), _value(tree.right, names)
            return _ARITHMETIC[type(tree.op)](left, right)
        if isinstance(tree, ast.Call) and ast.unparse(tree.func) in _FUNCTIONS:
            (argument,) = tree.args
            return _FUNCTIONS[ast.unparse(tree.func)](_value(argument, names))
    except (TypeError, ZeroDivisionError) as error:
        raise _Unknown from error
    raise ValueError(f"'{ast.unparse(tree)}' is no condition")
