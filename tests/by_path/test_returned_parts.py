"""The parts of a function's dict are known from its text, or said to be unknown: never wrong."""

from __future__ import annotations

import ast
import textwrap

import pytest

from etude.by_path.returned import parts_of

KNOWN = [
    "return p",
    "x = p['a'] + p['b']\nreturn p",
]
CHANGED = [
    "del p['b']\nreturn p",
    "q = p\nq['c'] = 1\nreturn p",
    "q = r = p\nreturn p",
    "p['c'] = 1\nreturn p",
    "p |= {'c': 1}\nreturn p",
    "p.pop('b')\nreturn p",
    "helper(p)\nreturn p",
    "for p['c'] in (1,):\n    pass\nreturn p",
    "with open('x') as p['c']:\n    pass\nreturn p",
    "p, q = {'c': 1}, 2\nreturn p",
    "def inside():\n    p['c'] = 1\ninside()\nreturn p",
    "[p.update(c=1) for _ in range(1)]\nreturn p",
    "if response:\n    p = {'c': 1}\nreturn p",
]


def _parts(body: str) -> tuple[str, ...] | None:
    text = "p = {'a': 1.0, 'b': 2.0}\n" + body
    tree = ast.parse("def score(response):\n" + textwrap.indent(text, "    "))
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    found, problem = parts_of(function)
    assert not problem
    return found


@pytest.mark.parametrize("body", KNOWN)
def test_what_is_only_read_and_returned_has_the_parts_it_was_written_with(body: str) -> None:
    assert _parts(body) == ("a", "b")


@pytest.mark.parametrize("body", CHANGED)
def test_of_what_may_have_been_changed_the_parts_are_unknown(body: str) -> None:
    assert _parts(body) is None


def test_a_parameter_that_is_returned_may_hold_anything() -> None:
    tree = ast.parse("def score(p):\n    if not p:\n        p = {'a': 1}\n    return p\n")
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    assert parts_of(function) == (None, "")
