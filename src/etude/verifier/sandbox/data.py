"""Python's plain values as JSON, exactly: what may pass between a program and whoever judges it.

Only values of the built-in types themselves (and a few of the standard library that are data) have
a form here: an object of a class of the program's has none, so nothing that it overrides matters.
"""

from __future__ import annotations

import collections
import sys
from collections.abc import Callable
from typing import Any

#: Containers may lie within each other this deep.
DEPTH = 200
_LARGE = 2**53


class NotData(ValueError):
    """A value that is no plain data."""


def encode(value: Any, handle: Callable[[Any], Any] | None = None, depth: int = 0) -> Any:
    """Return a value in a form that JSON holds; raises NotData where it has none.

    ``handle`` gives what is no data a form that stands for it.
    """
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if -_LARGE < value < _LARGE else {"int": hex(value)}
    if kind is float:
        return value if value - value == 0 else {"float": repr(value)}
    if depth >= DEPTH:
        raise NotData("containers lie deeper within each other than is read")

    def all_of(values: Any) -> list[Any]:
        return [encode(each, handle, depth + 1) for each in values]

    if kind is list:
        return all_of(value)
    if kind in _SEQUENCES:
        return {_SEQUENCES[kind]: all_of(value)}
    if kind in _MAPPINGS:
        return {"dict": [all_of(pair) for pair in value.items()]}
    if kind is bytes or kind is bytearray:
        return {"bytes": value.hex()}
    if kind is complex:
        return {"complex": all_of((value.real, value.imag))}
    if kind is range:
        return {"range": all_of((value.start, value.stop, value.step))}
    if kind is _of("decimal", "Decimal"):
        return {"decimal": str(value)}
    if kind is _of("fractions", "Fraction"):
        return {"fraction": all_of((value.numerator, value.denominator))}
    if handle is not None:
        return {"handle": handle(value)}
    raise NotData(f"a value of the type {kind.__name__}, which is no plain data")


def decode(form: Any, handle: Callable[[Any], Any] | None = None) -> Any:
    """Return the value of a form; raises NotData where it is none."""
    if form is None or type(form) in (bool, str, int, float):
        return form
    if type(form) is list:
        return [decode(each, handle) for each in form]
    if type(form) is not dict or len(form) != 1:
        raise NotData("a form that holds no value")
    ((tag, held),) = form.items()
    if tag == "handle" and handle is not None:
        return handle(held)
    if tag not in _READERS:
        raise NotData(f"a form '{tag}' that is not known")
    try:
        if tag in _TEXTS:
            return _READERS[tag](held)
        return _READERS[tag]([decode(each, handle) for each in held])
    except (TypeError, ValueError, ArithmeticError) as error:
        raise NotData(f"a form '{tag}' that holds no value: {error}") from error


def _of(module: str, name: str) -> Any:
    """Return a class of a module that is slow to import, where somebody has imported it."""
    return getattr(sys.modules.get(module), name, _imported)


def _imported(module: str) -> Any:
    return __import__(module)


_SEQUENCES: dict[Any, str] = {
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
    collections.deque: "deque",
}
_MAPPINGS = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
_TEXTS = ("int", "float", "bytes", "decimal")
_READERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda text: int(text, 16),
    "float": float,
    "bytes": bytes.fromhex,
    "decimal": lambda text: _imported("decimal").Decimal(text),
    "complex": lambda pair: complex(*pair),
    "range": lambda three: range(*three),
    "fraction": lambda pair: _imported("fractions").Fraction(*pair),
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
    "dict": dict,
}
