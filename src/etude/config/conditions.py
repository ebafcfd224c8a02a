"""The small language of ``when``: ``coef > 0``, ``mode == 'reward'``, joined by ``and``."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from etude.config.spelling import at

_OPERATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "in": lambda value, wanted: value in wanted,
    "not in": lambda value, wanted: value not in wanted,
}
_CLAUSE = re.compile(r"^\s*([\w.]+)\s*(==|!=|>=|<=|>|<|not\s+in|in)\s*(.+?)\s*$")
_CONSTANTS = {"null": None, "none": None, "true": True, "false": False}


def holds(when: str, node: Mapping[str, Any]) -> bool:
    """Tell whether a condition on a node's fields is true; an empty one always is.

    A field that is null is neither more nor less than anything. Raises ValueError where the text
    is no condition.
    """
    if not when.strip():
        return True
    return all(_clause(clause, node) for clause in re.split(r"\s+and\s+", when))


def _clause(text: str, node: Mapping[str, Any]) -> bool:
    found = _CLAUSE.match(text)
    if found is None:
        raise ValueError(f"'{text}' is no condition: <field> <op> <value>")
    field, symbol, literal = found.groups()
    symbol = " ".join(symbol.split())
    value, wanted = at(node, field), _literal(literal)
    if value is None and symbol in (">", ">=", "<", "<="):
        return False
    return bool(_OPERATIONS[symbol](value, wanted))


def _literal(text: str) -> Any:
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise ValueError(f"'{text}' is no value") from error
