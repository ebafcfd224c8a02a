"""The parts that a verifier's function returns, as far as its text tells."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from etude.by_path.fields import EXTRACTED, NUMBER
from etude.by_path.literals import Unreadable, value_of

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parts_of(
    function: Function, number: str = NUMBER, of: str = "answer"
) -> tuple[tuple[str, ...] | None, str]:
    """Return the names of the returned parts (None: only calling it tells), and what is wrong.

    ``number`` is the name of a plain number, ``of`` what each call is about. They are known where
    every ``return`` is a dict of written keys or plainly a number, and where the function's
    annotation lists them: ``-> dict[Literal["accuracy", "brevity"], float]``.
    """
    declared = _declared(function.returns, number)
    found: dict[tuple[str, ...], int] = {}
    unknown = False
    for node in _returns(function):
        names = _names(node.value, function, number)
        if names is None:
            unknown = True
        else:
            found.setdefault(names, node.lineno)
    if len(found) > 1:
        (one, first), (other, second), *_ = sorted(found.items(), key=lambda each: each[1])
        return None, (
            f"returns {_listed(one)} in line {first} and {_listed(other)} in line {second}; every"
            f" {of} has to be given the same parts."
        )
    if declared is not None:
        return declared, ""
    return (None if unknown or not found else next(iter(found))), ""


def _listed(names: tuple[str, ...]) -> str:
    return f"the part{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _declared(node: ast.expr | None, number: str) -> tuple[str, ...] | None:
    """Return the parts that a return annotation names, None where it names none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return None
    if isinstance(node, ast.Name) and node.id in ("float", "bool", "int"):
        return (number,)
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
        return None
    key = node.slice.elts[0]
    if not isinstance(key, ast.Subscript) or "Literal" not in ast.dump(key.value):
        return None
    inside = key.slice.elts if isinstance(key.slice, ast.Tuple) else [key.slice]
    names = [each.value for each in inside if isinstance(each, ast.Constant)]
    return tuple(sorted(name for name in names if isinstance(name, str)))


def _returns(function: Function) -> Iterator[ast.Return]:
    """Yield the ``return`` statements of a function, not those of functions inside it."""
    yield from (node for node in _own(function) if isinstance(node, ast.Return))


def _own(function: Function) -> Iterator[ast.AST]:
    """Yield what stands in a function, but nothing of functions and classes inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def _names(value: ast.expr | None, function: Function, number: str) -> tuple[str, ...] | None:
    """Return the parts of a returned expression, None where it does not tell."""
    if isinstance(value, ast.Name):
        value = _assigned(value.id, function)
    if isinstance(value, ast.Dict):
        try:
            keys = [value_of(key, {}) if key is not None else None for key in value.keys]
        except Unreadable:
            return None
        names = [key for key in keys if isinstance(key, str)]
        if len(names) < len(keys):
            return None
        return tuple(sorted(name for name in names if name != EXTRACTED))
    return (number,) if _is_number(value) else None


def _assigned(name: str, function: Function) -> ast.expr | None:
    """Return what a variable is assigned, where it is then only read from and returned.

    Whatever else happens to it (``del``, another name for it, a call) may change what it holds.
    """
    own = list(_own(function))
    found = [n for n in own if isinstance(n, ast.Assign) and _names_only(n.targets, name)]
    if len(found) != 1:
        return None
    harmless = {id(found[0].targets[0])}
    harmless |= {id(node.value) for node in own if isinstance(node, ast.Return)}
    harmless |= {
        id(node.value)
        for node in ast.walk(function)
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)
    }
    uses = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == name]
    parameters = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    if name in parameters or any(id(node) not in harmless for node in uses):
        return None
    return found[0].value


def _names_only(targets: list[ast.expr], name: str) -> bool:
    (target, *more) = targets
    return not more and isinstance(target, ast.Name) and target.id == name


def _is_number(node: ast.expr | None) -> bool:
    """Tell whether an expression is a number or a truth value whatever it works on."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (bool, int, float))
    if isinstance(node, ast.Compare):
        return True
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not) or _is_number(node.operand)
    if isinstance(node, ast.IfExp):
        return _is_number(node.body) and _is_number(node.orelse)
    if isinstance(node, ast.BoolOp):
        return all(_is_number(each) for each in node.values)
    if isinstance(node, ast.BinOp):
        return _is_number(node.left) or _is_number(node.right)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("float", "int", "bool", "len")
    )
