"""What runs the tests that are Python themselves: assertions, in a process without the program.

The names that a test uses and does not define stand for the program's; a call of one goes out to
the program's process as data, and its value comes back as data. So an assertion compares plain
values where nothing of the program's can reach it.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from etude.verifier.sandbox.data import decode, encode
from etude.verifier.sandbox.frames import Channel


class ProgramFailed(BaseException):
    """The program could not answer a call: no test may take that for anything else."""


class Handle:
    """Something of the program's that is no data: it is true or not, and can be handed back."""

    __slots__ = ("held",)

    def __init__(self, held: list[Any]) -> None:
        self.held = held

    def __bool__(self) -> bool:
        return bool(self.held[1])

    def _refuse(self, *_: Any) -> Any:
        raise ProgramFailed("wrong_answer", "the program gave a value that is no plain data")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _refuse
    __len__ = __iter__ = __contains__ = __getitem__ = __getattr__ = __call__ = _refuse
    __int__ = __float__ = __str__ = __repr__ = __add__ = __sub__ = __radd__ = __rsub__ = _refuse


def main(job: dict[str, Any]) -> None:
    """Run the tests that the messages hold, one at a time."""
    channel = Channel(3, 4)
    names: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins}
    for source in job["setup"]:
        exec(compile(source, "<setup>", "exec"), names)
    channel.send({"loaded": True})
    while True:
        try:
            asked = channel.receive()
        except EOFError:
            os._exit(0)
        channel.send(_judged(channel, asked, job["entry"], names))


def _judged(
    channel: Channel, asked: dict[str, Any], entry: str | None, given: dict[str, Any]
) -> dict[str, Any]:
    """Return whether a test passed and, where not, why."""
    names = dict(given)
    try:
        tree = ast.parse(asked["test"])
        wanted = _free(tree) - given.keys() - frozenset(vars(builtins))
        modules = (wanted & _read_into(tree) & sys.stdlib_module_names) - {entry}
        names |= {name: importlib.import_module(name) for name in modules}
        for name in (wanted - modules) | ({entry} if entry else set()):
            names[name] = _calls(channel, name)
        exec(compile(tree, "<test>", "exec"), names)
        if _only_defines_check(tree):
            names["check"](_calls(channel, entry or "candidate"))
    except AssertionError as error:
        return {"passed": False, "kind": "wrong_answer", "why": str(error)[:200]}
    except ProgramFailed as error:
        kind, why = error.args
        return {"passed": False, "kind": kind, "why": why}
    except Exception as error:
        why = f"the test raised {type(error).__name__}: {str(error)[:200]}"
        return {"passed": False, "kind": "wrong_answer", "why": why}
    return {"passed": True}


def _calls(channel: Channel, name: str) -> Callable[..., Any]:
    """Return a function that stands for one of the program's."""

    def call(*positional: Any, **named: Any) -> Any:
        channel.send(
            {
                "call": name,
                "args": [encode(each, _held) for each in positional],
                "named": {key: encode(each, _held) for key, each in named.items()},
            }
        )
        told = channel.receive()
        if "value" in told:
            return decode(told["value"], Handle)
        raise ProgramFailed(told["kind"], told["why"])

    return call


def _held(value: Any) -> list[Any]:
    if type(value) is Handle:
        return value.held
    raise TypeError(f"a test hands the program a {type(value).__name__}, which is no plain data")


def _only_defines_check(tree: ast.Module) -> bool:
    """Return whether a test is a function ``check(candidate)`` that is still to be called."""
    called = any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check"
        for node in ast.walk(tree)
    )
    defined = any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body)
    return defined and not called


def _read_into(tree: ast.AST) -> frozenset[str]:
    """Return the names of which a test reads an attribute, as of a module (``sys.getsizeof``)."""
    return frozenset(
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    )


def _free(tree: ast.AST) -> frozenset[str]:
    """Return the names that a test reads and nowhere binds."""
    read: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return frozenset(read - bound)
