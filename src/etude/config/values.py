"""Whether a value fits a config key, said so that a person knows what to type."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from etude.config import environment
from etude.config.conditions import holds
from etude.config.quoting import shortened
from etude.fields import FieldInfo

_LIST = re.compile(r"list\[(.+)\]")
_DICT = re.compile(r"dict\[str,(.+)\]")

_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "any": "any value",
    "null": "null",
}

_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}

#: No number of any key is larger than this, unless the key itself sets its upper bound: it is a
#: slip of the keyboard, or stands for "none", which is null.
MOST = 1_000_000_000


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


def fit(value: Any, field: FieldInfo, beside: Mapping[str, Any] | None = None) -> Any:
    """Return a plain value in the form its key declares (1 → 1.0); raises Misfit.

    Only for keys that no component fills. Interpolations pass as they are; one that takes something
    from the environment does so where the key is text, and is read at once where it is not.
    ``beside`` are the other fields of a struct.
    """
    if is_interpolation(value) and not environment.readable(value):
        return value
    if value is None:
        if field.optional or field.type == "any":
            return None
        raise Misfit("it cannot be null")
    fitted = as_kind(value, field.type)
    items = fitted if isinstance(fitted, list) else [fitted]
    if field.choices is not None:
        for item in items:
            if environment.readable(item):
                item = environment.read(item)
            if item not in field.choices and not is_interpolation(item):
                allowed = ", ".join(shown(choice) for choice in field.choices)
                raise Misfit(f"it is one of {allowed}")
    least = field.bounds.get("items", 0)
    if isinstance(fitted, list) and len(fitted) < least:
        raise Misfit(f"it has at least {least} item" + ("s" if least > 1 else ""))
    if field.form and holds(field.form_when, beside or {}):
        for item in items:
            _check_text(item, field.form)
    for leaf in _leaves(fitted):
        if isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
            wrong = _wrong_number(leaf, field)
            if wrong:
                raise Misfit(
                    f"it is {wrong}" if leaf is fitted else f"each number in it is {wrong}"
                )
    if field.length is not None and isinstance(fitted, list) and len(fitted) != field.length:
        raise Misfit(f"it is a list of {field.length} values")
    return _unescaped(fitted) if field.escapes else fitted


def _unescaped(value: Any) -> Any:
    r"""Return texts with ``\n``, ``\t`` and ``\r`` as the characters they stand for.

    Hydra's quotes keep backslashes as they are; those of YAML do not.
    """
    if isinstance(value, list):
        return [_unescaped(item) for item in value]
    if not isinstance(value, str):
        return value
    return value.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r")


def any_number(value: Any) -> bool:
    """Tell whether there is a number or a truth value in a plain value."""
    return any(isinstance(each, (int, float)) for each in _leaves(value))


def _leaves(value: Any) -> Iterator[Any]:
    """Yield every plain value of a value, those in its lists and mappings too."""
    if isinstance(value, (Mapping, list)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(item)
    else:
        yield value


def _wrong_number(value: float, field: FieldInfo) -> str:
    """Return what a number that is none, out of bounds or past meaning should be; else nothing."""
    none = ", and null means none" if field.optional else ""
    if isinstance(value, float) and not math.isfinite(value):
        return f"a finite number{none}"
    for bound, limit in field.bounds.items():
        if bound in _BOUNDS and not _within(value, bound, limit):
            return f"{_BOUNDS[bound]} {_limit(limit)}"
    if value > MOST and not field.bounds.keys() & {"le", "lt"}:
        return f"at most {_limit(MOST)}{none}"
    if value < -MOST and not field.bounds.keys() & {"ge", "gt"}:
        return f"at least {_limit(-MOST)}{none}"
    return ""


def bounds_in_words(bounds: Mapping[str, float]) -> str:
    """Return the limits of a key as a person says them: ``at least 0 and less than 1``."""
    said = [
        f"{_BOUNDS[bound]} {_limit(limit)}" for bound, limit in bounds.items() if bound in _BOUNDS
    ]
    return " and ".join(said)


def _limit(limit: float) -> str:
    return f"{limit:,}" if isinstance(limit, int) else shown(limit)


def _check_text(text: Any, form: str) -> None:
    """Raise Misfit where a text is empty, or no regular expression (with a group) and must be."""
    if not isinstance(text, str) or is_interpolation(text):
        return
    if form == "filled" and not text:
        raise Misfit("it is text, and not empty text")
    if not form.startswith("regex"):
        return
    try:
        groups = re.compile(text).groups
    except (re.error, OverflowError, RecursionError) as error:
        raise Misfit(f"it is a regular expression, and this is none: {error}") from error
    if form == "regex with group" and groups < 1:
        raise Misfit("it has a group around what is read: '(…)'")


def _within(value: float, bound: str, limit: float) -> bool:
    return {
        "ge": value >= limit,
        "gt": value > limit,
        "le": value <= limit,
        "lt": value < limit,
    }[bound]


def as_kind(value: Any, kind: Any) -> Any:
    """Return a value as a type of schema.json; raises Misfit."""
    if environment.readable(value):
        try:
            now = environment.read(value)
        except environment.Unset as error:
            raise Misfit(f"it cannot be read: {error}") from error
        if kind in ("str", "any"):
            return value
        value = environment.decoded(now)
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


def inner_kind(kind: Any, container: str) -> Any:
    """Return the type of what a ``list`` or ``dict`` of this type holds, None if it is no such."""
    if isinstance(kind, str):
        match = {"list": _LIST, "dict": _DICT}[container].fullmatch(kind)
        return match[1] if match else None
    found = [inner_kind(each, container) for each in kind.get("any_of", ())]
    return kind.get(container) or next(filter(None, found), None)


def _as_named(value: Any, kind: str) -> Any:
    if match := _LIST.fullmatch(kind):
        return [as_kind(item, match[1]) for item in _list(value, kind)]
    if match := _DICT.fullmatch(kind):
        return {str(key): as_kind(item, match[1]) for key, item in _mapping(value, kind).items()}
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "null" and value is None:
        return None
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "int" and number and (isinstance(value, int) or value.is_integer()):
        return int(value)
    if kind == "float" and number:
        return _as_float(value)
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "str" and isinstance(value, int) and number:
        return str(value)
    if kind == "str" and number:
        raise Misfit("it is text, and in quotes where it looks like a number")
    raise Misfit(f"it is {kind_in_words(kind)}")


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf


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
            fitted[name] = fit(value.get(name, field.default), field, value)
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
    said = str(error)
    rest = said.removeprefix("it ") if said.startswith("it ") else f"cannot be this: {said}"
    given = f"'{value}'" if isinstance(value, str) else shown(value)
    return f"{path} {rest} ({about}); {shortened(given)} is not."
