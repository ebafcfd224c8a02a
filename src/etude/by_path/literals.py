"""Values and types as they stand in a syntax tree: defaults and annotations, read without running.

A default is a literal, the name of a literal of the file (``SCALE = 0.5``) or plain arithmetic of
those. An annotation is one that a config key can have: numbers, text, lists, mappings, choices.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

_SCALARS = {"bool": "bool", "int": "int", "float": "float", "str": "str", "Any": "any"}
_LISTS = frozenset({"list", "List", "Sequence", "tuple", "Tuple", "Iterable"})
_DICTS = frozenset({"dict", "Dict", "Mapping"})

_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}


class Unreadable(ValueError):
    """Something that cannot be known without running the file; the text says what."""


def constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the names that a file assigns once at its own level → what it assigns to them."""
    found: dict[str, list[ast.expr]] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found.setdefault(node.target.id, []).append(node.value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def value_of(node: ast.expr, known: Mapping[str, ast.expr], depth: int = 0) -> Any:
    """Return the plain value of an expression; raises Unreadable where it has to be run."""
    if depth > 20:
        raise Unreadable("it refers to itself")
    if isinstance(node, ast.Name) and node.id in known:
        return value_of(known[node.id], known, depth + 1)
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = (value_of(side, known, depth + 1) for side in (node.left, node.right))
        if not all(type(side) in (int, float) for side in (left, right)):
            raise Unreadable("it is computed")
        try:
            return _ARITHMETIC[type(node.op)](left, right)
        except (ArithmeticError, ValueError) as error:
            raise Unreadable(str(error)) from error
    if isinstance(node, (ast.List, ast.Tuple)):
        return [value_of(each, known, depth + 1) for each in node.elts]
    if isinstance(node, ast.Dict) and all(node.keys):
        keys = [value_of(key, known, depth + 1) for key in node.keys if key is not None]
        return {
            str(k): value_of(v, known, depth + 1) for k, v in zip(keys, node.values, strict=True)
        }
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError) as error:
        raise Unreadable("it is computed") from error
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    raise Unreadable(f"a {type(value).__name__} is no value of a config")


def type_of_value(value: Any) -> tuple[Any, bool]:
    """Return (type, may be null) of a key that nothing but its default describes."""
    if value is None:
        return "any", True
    if isinstance(value, list):
        kinds = {type_of_value(item)[0] for item in value if not isinstance(item, (list, dict))}
        return f"list[{kinds.pop()}]" if len(kinds) == 1 else "list[any]", False
    if isinstance(value, dict):
        kinds = {type_of_value(i)[0] for i in value.values() if not isinstance(i, (list, dict))}
        return f"dict[str,{kinds.pop()}]" if len(kinds) == 1 else "dict[str,any]", False
    return type(value).__name__, False


def type_of(node: ast.expr) -> tuple[Any, bool, list[Any] | None, str]:
    """Return (type, may be null, choices, doc) of an annotation; raises Unreadable.

    The doc is the text of ``Annotated[T, "text"]``.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return type_of(ast.parse(node.value, mode="eval").body)
        except SyntaxError as error:
            raise Unreadable(f"'{node.value}' is no type") from error
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([node.left, node.right])
    name = _name(node.value if isinstance(node, ast.Subscript) else node)
    inner = _arguments(node) if isinstance(node, ast.Subscript) else []
    if name in _SCALARS and not inner:
        return _SCALARS[name], name == "Any", None, ""
    if name == "Annotated" and len(inner) > 1:
        kind, optional, choices, _ = type_of(inner[0])
        said = inner[1].value if isinstance(inner[1], ast.Constant) else ""
        return kind, optional, choices, said if isinstance(said, str) else ""
    if name == "Optional" and len(inner) == 1:
        kind, _, choices, doc = type_of(inner[0])
        return kind, True, choices, doc
    if name == "Union" and inner:
        return _union(inner)
    if name == "Literal" and inner:
        values = [value_of(each, {}) for each in inner]
        kinds = {type(each) for each in values if each is not None}
        kind = kinds.pop().__name__ if len(kinds) == 1 else "any"
        return kind, None in values, [each for each in values if each is not None], ""
    if name in _LISTS:
        kind, _, choices, _ = type_of(inner[0]) if inner else ("any", True, None, "")
        return _container("list", kind), False, choices, ""
    if name in _DICTS and len(inner) != 1:
        kind, _, choices, _ = type_of(inner[1]) if inner else ("any", True, None, "")
        return _container("dict", kind), False, choices, ""
    raise Unreadable(f"'{ast.unparse(node)}' is no type of a config key")


def _union(sides: list[ast.expr]) -> tuple[Any, bool, list[Any] | None, str]:
    optional, found = False, []
    for side in sides:
        if isinstance(side, ast.Constant) and side.value is None:
            optional = True
            continue
        kind, null, choices, _ = type_of(side)
        optional = optional or null
        found.append((kind, choices))
    if len(found) == 1:
        return found[0][0], optional, found[0][1], ""
    kinds: list[Any] = []
    for kind, choices in found:
        entry = {"choice": kind, "of": choices} if choices else kind
        for each in entry["any_of"] if isinstance(entry, dict) and "any_of" in entry else [entry]:
            if each not in kinds:
                kinds.append(each)
    return {"any_of": kinds} if len(kinds) > 1 else kinds[0], optional, None, ""


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):  # typing.Literal
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _arguments(node: ast.Subscript) -> list[ast.expr]:
    inside = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    return [each for each in inside if not (isinstance(each, ast.Constant) and each.value is ...)]


def _container(kind: str, inner: Any) -> Any:
    if isinstance(inner, str):
        return f"list[{inner}]" if kind == "list" else f"dict[str,{inner}]"
    return {kind: inner}
