"""An environment that is a plain class of a file: its options are what its constructor takes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from etude.by_path import signature
from etude.by_path.call import Call
from etude.by_path.kinds import KINDS
from etude.by_path.literals import Unreadable, type_of, value_of
from etude.by_path.returned import parts_of
from etude.component import Declaration
from etude.entries import NeedInfo
from etude.environment.interface import OWN_ROWS, PLAYED, PROTOCOL, Environment
from etude.fields import FieldInfo

#: Columns that rows of seeds and levels have.
_OF_EPISODES = frozenset({"level", "split"})


@dataclass(frozen=True, kw_only=True)
class ClassEnvironment(Environment):
    """A class of a file; each episode has an object of its own."""

    call: Call
    declaration: Declaration  # type: ignore[misc]

    def make(self) -> Any:
        """Return an object of the class; raises CallError where it cannot be made."""
        return self.call({})


@dataclass
class Read:
    """What the text of a class says: options, needs, parts, and what cannot be served."""

    options: dict[str, FieldInfo] = field(default_factory=dict)
    requires: list[NeedInfo] = field(default_factory=list)
    provides: list[NeedInfo] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def is_plain(cls: ast.ClassDef, tree: ast.Module) -> bool:
    """Tell whether a class stands on none of etude's."""
    imported = {
        alias.asname or alias.name: node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return not any(
        imported.get(ast.unparse(base), "").startswith("etude.")
        for each in _line(cls, tree)
        for base in each.bases
    )


def read(cls: ast.ClassDef, tree: ast.Module, known: Mapping[str, ast.expr], where: str) -> Read:
    """Return what a plain class says of itself as an environment; ``where`` is its file."""
    found = Read(requires=[NeedInfo(**PLAYED)])
    methods = {
        node.name: node
        for each in reversed(_line(cls, tree))
        for node in each.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    _options(cls, methods.get("__init__"), known, found)
    for name in ("reset", "parts"):
        if name not in methods:
            found.problems.append(f"{cls.name} (line {cls.lineno}) has no method {name}.")
    for name, node in methods.items():
        if not name.startswith("_"):
            found.problems += _unusable(name, node)
    if "reset" in methods:
        _columns(methods["reset"], where, found)
    if "parts" in methods:
        names, problem = parts_of(methods["parts"], of="episode")
        if problem:
            found.problems.append(f"parts (line {methods['parts'].lineno}) {problem}")
        found.provides += [NeedInfo(f"part:{name}") for name in names or ()]
    return found


def _unusable(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Yield what keeps a method from being called, or a tool from being described."""
    where = f"{name} (line {node.lineno})"
    if isinstance(node, ast.AsyncFunctionDef):
        yield f"{where} is async; it has to be plain."
    if name in PROTOCOL or node.decorator_list:
        return
    arguments = [*node.args.posonlyargs, *node.args.args][1:] + node.args.kwonlyargs
    said = ast.get_docstring(node) or ""
    if not said:
        yield f"{where} is a tool, and needs a docstring that says what it does."
    for each in arguments:
        if each.annotation is None:
            yield f"{where} is a tool, and its parameter {each.arg} needs a type."
        elif said and f"{each.arg}:" not in said.partition("Args:")[2]:
            yield f"{where} is a tool; what {each.arg} is has to stand in its docstring (Args:)."


def _line(cls: ast.ClassDef, tree: ast.Module) -> list[ast.ClassDef]:
    """Return a class and those of its file that it stands on, nearest first."""
    here = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    found, waiting = [cls], [ast.unparse(base) for base in cls.bases]
    while waiting:
        name = waiting.pop(0)
        if name in here and here[name] not in found:
            found.append(here[name])
            waiting += [ast.unparse(base) for base in here[name].bases]
    return found


def _options(
    cls: ast.ClassDef,
    made: ast.FunctionDef | ast.AsyncFunctionDef | None,
    known: Mapping[str, ast.expr],
    found: Read,
) -> None:
    """Read the options: the constructor's parameters, or the fields of a dataclass."""
    if isinstance(made, ast.FunctionDef):
        arguments = made.args
        plain = [*arguments.posonlyargs, *arguments.args]
        defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
        own = ast.FunctionDef(
            name=cls.name,
            args=ast.arguments(
                posonlyargs=[],
                args=[],
                vararg=arguments.vararg,
                kwonlyargs=[*plain[1:], *arguments.kwonlyargs],
                kw_defaults=[*defaults[1:], *arguments.kw_defaults],
                kwarg=arguments.kwarg,
                defaults=[],
            ),
            body=made.body,
            decorator_list=[],
        )
        said = signature.read(own, KINDS["environment"], known, {})
        found.options |= said.options
        found.problems += said.problems
        return
    if not any("dataclass" in ast.unparse(each) for each in cls.decorator_list):
        return
    for name, statement in _fields(cls):
        try:
            kind, optional, choices, doc = type_of(statement.annotation)
            default = None if statement.value is None else value_of(statement.value, known)
        except Unreadable as error:
            found.problems.append(
                f"{cls.name} has the field '{name}' (line {statement.lineno}): {error}."
            )
            continue
        found.options[name] = FieldInfo(
            name,
            kind,
            optional or (statement.value is not None and default is None),
            default=default,
            doc=doc or f"option of {cls.name}",
            choices=tuple(choices) if choices is not None else None,
            mandatory=statement.value is None,
        )


def _fields(cls: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign]]:
    for statement in cls.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        if "ClassVar" not in ast.unparse(statement.annotation):
            yield statement.target.id, statement


def _columns(reset: ast.FunctionDef | ast.AsyncFunctionDef, where: str, found: Read) -> None:
    """Read the columns that reset asks for; one that asks for none makes its problems itself."""
    arguments = reset.args
    plain = [*arguments.posonlyargs, *arguments.args]
    if len(plain) < 2:
        found.problems.append(
            f"reset (line {reset.lineno}) takes a seed: def reset(self, seed, …)."
        )
        return
    given = len(plain) - len(arguments.defaults)
    names = [(each.arg, place >= given) for place, each in enumerate(plain)][2:]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    names += [(each.arg, default is not None) for each, default in pairs]
    why = f"because reset asks for it ({where}:{reset.lineno})"
    found.requires += [
        NeedInfo(f"column:{name}", why=why) for name, optional in names if not optional
    ]
    if arguments.kwarg is None and {name for name, _ in names} <= _OF_EPISODES:
        own = f"because reset asks for no column of others ({where}:{reset.lineno})"
        found.requires.append(NeedInfo(OWN_ROWS, why=own))
