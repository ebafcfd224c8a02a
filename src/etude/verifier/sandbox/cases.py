"""The tests of a row, as its columns give them, in the three styles that there are."""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Malformed(ValueError):
    """Tests that cannot be run, with the reason."""


@dataclass(frozen=True)
class Printed:
    """What a program has to print for an input."""

    stdin: str
    stdout: str
    tolerance: float = 0.0


@dataclass(frozen=True)
class Returned:
    """What a function has to return for some arguments."""

    args: tuple[Any, ...]
    expected: Any
    tolerance: float = 0.0


@dataclass(frozen=True)
class Asserted:
    """Python that fails where a program is wrong."""

    source: str


Case = Printed | Returned | Asserted


@dataclass(frozen=True)
class Suite:
    """All tests of a row, of one style.

    ``entry`` is the function they call; ``setup`` is Python that assertions may use; ``prelude`` is
    Python that the program is written behind, which assertions may use as well.
    """

    cases: tuple[Case, ...]
    entry: str | None = None
    setup: tuple[str, ...] = ()
    prelude: str = ""


def suite(columns: Mapping[str, Any]) -> Suite:
    """Return the tests of a row: its columns tests, entry_point, setup, prelude.

    Raises Malformed where something of them cannot be run.
    """
    entry = _text(columns, "entry_point")
    if entry is not None and not entry.isidentifier():
        raise Malformed(f"the column entry_point names no function: {entry[:60]!r}")
    given = columns.get("tests")
    cases, named = _cases(given, entry)
    entry = entry or named
    if any(isinstance(case, Returned) for case in cases) and entry is None:
        raise Malformed("tests with args need the column entry_point, which names the function")
    if len({type(case) for case in cases}) > 1:
        raise Malformed("tests are all of one style: stdin, args or assertions")
    for number, case in enumerate(cases, 1):
        if isinstance(case, Asserted):
            _check_assertion(case.source, f"test {number}", entry)
    setup = columns.get("setup") or ()
    sources = tuple(str(each) for each in ([setup] if isinstance(setup, str) else setup))
    prelude = _text(columns, "prelude") or ""
    for name, source in [("setup", each) for each in sources] + [("prelude", prelude)]:
        _parsed(source, f"the column {name}")
    return Suite(tuple(cases), entry, sources, prelude)


def _text(columns: Mapping[str, Any], name: str) -> str | None:
    value = columns.get(name)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"the column {name} is a text, not {str(value)[:60]!r}")
    return value or None


def _cases(given: Any, entry: str | None) -> tuple[list[Case], str | None]:
    if isinstance(given, str) and given.strip()[:1] in ("[", "{"):
        with contextlib.suppress(ValueError):  # else Python that begins like that
            given = json.loads(given)
    if isinstance(given, Mapping):
        return _columns_of_tests(given)
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, (list, tuple)) or not given:
        raise Malformed(f"the column tests holds no tests: {str(given)[:60]!r}")
    return [_case(each, f"test {number}") for number, each in enumerate(given, 1)], None


def _case(given: Any, where: str) -> Case:
    if isinstance(given, str):
        return Asserted(given)
    if not isinstance(given, Mapping):
        raise Malformed(f"{where} is no assertion and no mapping: {str(given)[:60]!r}")
    tolerance = given.get("float_tolerance") or 0.0
    if not isinstance(tolerance, (int, float)) or isinstance(tolerance, bool) or tolerance < 0:
        raise Malformed(f"{where}: float_tolerance is a number of at least 0, not {tolerance!r}")
    if "args" in given:
        if not isinstance(given["args"], (list, tuple)) or "expected" not in given:
            raise Malformed(f"{where} has args, a list, and expected; it has {sorted(given)}")
        return Returned(tuple(given["args"]), given["expected"], float(tolerance))
    stdin = given.get("stdin", given.get("input"))
    stdout = given.get("stdout", given.get("output"))
    if not isinstance(stdin, str) or not isinstance(stdout, str):
        wanted = "the texts stdin and stdout (input and output), or args and expected"
        raise Malformed(f"{where} has {sorted(given)}, where {wanted} have to be")
    return Printed(stdin, stdout, float(tolerance))


def _columns_of_tests(given: Mapping[str, Any]) -> tuple[list[Case], str | None]:
    """Return the tests of the form ``{"inputs": […], "outputs": […], "fn_name": …}``."""
    inputs = given.get("inputs", given.get("input"))
    outputs = given.get("outputs", given.get("output"))
    lists = isinstance(inputs, (list, tuple)) and isinstance(outputs, (list, tuple))
    if not lists or not inputs or len(inputs) != len(outputs):
        raise Malformed("tests as a mapping have the lists inputs and outputs, equally long")
    name = given.get("fn_name")
    keys = ("args", "expected") if name else ("stdin", "stdout")
    cases = [
        _case(dict(zip(keys, pair, strict=True)), f"test {number}")
        for number, pair in enumerate(zip(inputs, outputs, strict=True), 1)
    ]
    return cases, name


def _check_assertion(source: str, where: str, entry: str | None) -> None:
    tree = _parsed(source, where)
    if not any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        raise Malformed(f"{where} asserts nothing: {source.strip()[:60]!r}")
    check = any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body)
    if check and entry is None:
        raise Malformed(f"{where} defines check(candidate): the column entry_point has to name one")


def _parsed(source: str, where: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Malformed(f"{where} is no Python: {error}") from error
