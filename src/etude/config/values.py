"""Whether a value fits a config key, said so that a person knows what to type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from etude.schema import FieldInfo

_LIST = re.compile(r"list\[(.+)\]")
_DICT = re.compile(r"dict\[str,(.+)\]")

_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "any": "any value",
}

_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


class Misfit(ValueError):
    """A value that does not fit; the text completes "it is …"."""


def is_interpolation(value: Any) -> bool:
    """Tell whether a value stands for another one (``${training.steps}``)."""
    return isinstance(value, str) and "${" in value


def kind_in_words(kind: Any) -> str:
    """Return a type as a person says it."""
    if isinstance(kind, str):
        if match := _LIST.fullmatch(kind):
            return f"a list of {kind_in_words(match[1])}"
        if match := _DICT.fullmatch(kind):
            return f"keys and values ({kind_in_words(match[1])})"
        return _WORDS.get(kind, kind)
    if "any_of" in kind:
        return " or ".join(kind_in_words(each) for each in kind["any_of"])
    if "choice" in kind:
        return " or ".join(shown(value) for value in kind["of"])
    if "list" in kind:
        return f"a list of {kind_in_words(kind['list'])}"
    if "struct" in kind:
        return "{" + ", ".join(kind["struct"]) + "}"
    return "keys and values"


def shown(value: Any) -> str:
    """Return a value as it would be typed."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = f"{value:g}"
        return re.sub(r"e([+-])0*", lambda m: "e-" if m[1] == "-" else "e", text)
    if isinstance(value, list):
        return "[" + ",".join(shown(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{shown(item)}" for key, item in value.items()) + "}"
    return str(value)


def fit(value: Any, field: FieldInfo) -> Any:
    """Return a plain value in the form its key declares (1 → 1.0); raises Misfit.

    Only for keys that no component fills. Interpolations pass as they are.
    """
    if is_interpolation(value):
        return value
    if value is None:
        if field.optional or field.type == "any":
            return None
        raise Misfit("it cannot be null")
    fitted = as_kind(value, field.type)
    items = fitted if isinstance(fitted, list) else [fitted]
    if field.choices is not None:
        for item in items:
            if item not in field.choices and not is_interpolation(item):
                allowed = ", ".join(shown(choice) for choice in field.choices)
                raise Misfit(f"it is one of {allowed}")
    for bound, limit in field.bounds.items():
        for item in items:
            if isinstance(item, (int, float)) and not _within(item, bound, limit):
                raise Misfit(f"it is {_BOUNDS[bound]} {shown(limit)}")
    if field.length is not None and isinstance(fitted, list) and len(fitted) != field.length:
        raise Misfit(f"it is a list of {field.length} values")
    return fitted


def _within(value: float, bound: str, limit: float) -> bool:
    return {
        "ge": value >= limit,
        "gt": value > limit,
        "le": value <= limit,
        "lt": value < limit,
    }[bound]


def as_kind(value: Any, kind: Any) -> Any:
    """Return a value as a type of schema.json; raises Misfit."""
    if kind == "any" or is_interpolation(value):
        return value
    if isinstance(kind, str):
        return _as_named(value, kind)
    if "any_of" in kind:
        return _as_any_of(value, kind["any_of"])
    if "choice" in kind:
        fitted = as_kind(value, kind["choice"])
        if fitted not in kind["of"]:
            raise Misfit(f"it is {kind_in_words(kind)}")
        return fitted
    if "list" in kind:
        return [as_kind(item, kind["list"]) for item in _list(value, kind)]
    if "dict" in kind:
        return {
            str(key): as_kind(item, kind["dict"]) for key, item in _mapping(value, kind).items()
        }
    if "struct" in kind:
        return _as_struct(_mapping(value, kind), kind)
    return value


def _as_named(value: Any, kind: str) -> Any:
    if match := _LIST.fullmatch(kind):
        return [as_kind(item, match[1]) for item in _list(value, kind)]
    if match := _DICT.fullmatch(kind):
        return {str(key): as_kind(item, match[1]) for key, item in _mapping(value, kind).items()}
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "int" and number and float(value).is_integer():
        return int(value)
    if kind == "float" and number:
        return float(value)
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "str" and number:
        return str(value)
    raise Misfit(f"it is {kind_in_words(kind)}")


def _as_any_of(value: Any, kinds: list[Any]) -> Any:
    # A number given for "int or str" is a number, although text would take it too.
    for kind in sorted(kinds, key=lambda each: each == "str" and not isinstance(value, str)):
        try:
            return as_kind(value, kind)
        except Misfit:
            continue
    raise Misfit(f"it is {kind_in_words({'any_of': kinds})}")


def _as_struct(value: Mapping[str, Any], kind: dict[str, Any]) -> dict[str, Any]:
    fields = {name: FieldInfo.of(name, entry) for name, entry in kind["struct"].items()}
    for key in value:
        if key not in fields:
            raise Misfit(f"it has the keys {', '.join(fields)}, and no '{key}'")
    fitted: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in value and field.mandatory:
            raise Misfit(f"it needs the key '{name}' ({field.doc})")
        try:
            fitted[name] = fit(value.get(name, field.default), field)
        except Misfit as error:
            raise Misfit(f"in {name}: {error}") from error
    return fitted


def _list(value: Any, kind: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    raise Misfit(f"it is {kind_in_words(kind)}")


def _mapping(value: Any, kind: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise Misfit(f"it is {kind_in_words(kind)}")


def misfit_message(path: str, value: Any, field: FieldInfo, error: Misfit) -> str:
    """Return the whole sentence for a value that does not fit, with the key's meaning."""
    default = "no default" if field.mandatory else f"{shown(field.default)} by default"
    about = f"{field.doc}, {default}" if field.doc else default
    rest = str(error).removeprefix("it ")
    given = f"'{value}'" if isinstance(value, str) else shown(value)
    return f"{path} {rest} ({about}); {given} is not."
