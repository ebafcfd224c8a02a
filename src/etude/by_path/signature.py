"""A function's parameters: what it asks for, by name, and its options with type and default.

What has no default and stands before the ``*`` is asked for. What has a default, or stands behind
the ``*``, is an option; a name that etude gives is asked for wherever it stands.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from etude.by_path.kinds import Kind
from etude.by_path.literals import Unreadable, type_of, type_of_value, value_of
from etude.by_path.returned import Function
from etude.config.spelling import nearest
from etude.fields import FieldInfo
from etude.sources.text import TEXTS


@dataclass
class Signature:
    """What a function asks for and its options; ``problems`` say what cannot be served."""

    asks: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    options: dict[str, FieldInfo] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read(
    function: Function, kind: Kind, known: Mapping[str, ast.expr], taken: Mapping[str, FieldInfo]
) -> Signature:
    """Return the signature of a function that fills a place of ``kind``.

    ``known`` are the constants of its file and ``taken`` the fields that every such component has.
    """
    found = Signature()
    name = function.name
    if isinstance(function, ast.AsyncFunctionDef):
        found.problems.append(f"{name} is an async function; it has to be a plain one.")
    if function.args.posonlyargs:
        found.problems.append(f"{name} takes arguments by place (/); it is given them by name.")
    for star in (function.args.vararg, function.args.kwarg):
        if star is not None:
            sign = "*" if star is function.args.vararg else "**"
            found.problems.append(
                f"{name} takes {sign}{star.arg}; it has to name what it wants: {_listed(kind)}."
            )
    unknown: list[ast.arg] = []
    for argument, default, keyword_only in _parameters(function.args):
        own = argument.arg
        if own in kind.given or (kind.role_of(own) and default is None and not keyword_only):
            found.asks.append(own)
        elif own == "name":
            found.problems.append(f"{name} has an option 'name', which names the part itself.")
        elif own in taken:
            found.problems.append(
                f"{name} has an option '{own}', which every such part has"
                f" ({taken[own].doc}); give it another name."
            )
        elif default is None and not keyword_only:
            # A column that rows usually have is meant as such, however near another name is.
            if kind.columns and (own in TEXTS or not nearest(own, kind.given)):
                found.asks.append(own)
                found.columns.append(own)
            elif kind.parts:
                found.asks.append(own)
                found.parts.append(own)
            else:
                unknown.append(argument)
        else:
            _option(argument, default, known, found, name)
    if not kind.of_class and not found.asks and not unknown and not found.problems:
        found.problems.append(f"{name} asks for nothing; it may ask for {_listed(kind)}.")
    if unknown:
        found.problems.append(_unknown(unknown, kind, name))
    return found


def _unknown(unknown: list[ast.arg], kind: Kind, name: str) -> str:
    said = " and ".join(f"'{each.arg}'" for each in unknown)
    near = [found for each in unknown for found in nearest(each.arg, kind.given)]
    meant = f" Did you mean {' and '.join(near)}?" if near else ""
    return (
        f"{name} asks for {said} (line {unknown[0].lineno}), which it cannot be given.{meant}"
        f" It may ask for {_listed(kind)}; an option has a default ({unknown[0].arg}=1.0) or stands"
        " behind *."
    )


def _listed(kind: Kind) -> str:
    names = ", ".join(kind.given)
    other = "a column of the data" if kind.columns else ""
    return ", or ".join(filter(None, (names, "a part of the verifier" if kind.parts else other)))


def _parameters(args: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None, bool]]:
    """Yield each parameter with its default, and whether it stands behind the ``*``."""
    plain = [*args.posonlyargs, *args.args]
    without = len(plain) - len(args.defaults)
    for place, argument in enumerate(plain):
        yield argument, args.defaults[place - without] if place >= without else None, False
    for argument, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield argument, default, True


def _option(
    argument: ast.arg,
    default: ast.expr | None,
    known: Mapping[str, ast.expr],
    found: Signature,
    name: str,
) -> None:
    own = argument.arg
    try:
        value: Any = None if default is None else value_of(default, known)
    except Unreadable as error:
        found.problems.append(
            f"the default of {name}'s option '{own}' (line {argument.lineno}) cannot be read:"
            f" {error}. Write it as a number, a text, a list or a mapping."
        )
        return
    try:
        found.options[own] = _described(own, argument.annotation, default is not None, value, name)
    except Unreadable as error:
        found.problems.append(
            f"the type of {name}'s option '{own}' (line {argument.lineno}) cannot be read: {error}."
            " It is bool, int, float, str, Literal[…], list[…], dict[str, …], or one of these"
            " | None."
        )


def _described(
    own: str, annotation: ast.expr | None, has_default: bool, value: Any, name: str
) -> FieldInfo:
    choices, doc = None, ""
    if annotation is not None:
        kind, optional, choices, doc = type_of(annotation)
    elif has_default:
        kind, optional = type_of_value(value)
    else:
        kind, optional = "any", False
    if kind == "float" and type(value) is int:
        value = float(value)
    return FieldInfo(
        name=own,
        type=kind,
        optional=optional or (has_default and value is None),
        default=value,
        doc=doc or f"option of {name}",
        choices=tuple(choices) if choices is not None else None,
        mandatory=not has_default,
    )
