"""Dataclasses → the JSON description of their fields (types, defaults, limits, documentation)."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from etude.component import Declaration, Need, Rule
from etude.learner.traits import Declared, Traits

SCALARS: dict[Any, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    Any: "any",
    object: "any",
}


def first_sentence(text: str | None) -> str:
    """Return the first sentence of a docstring's first paragraph, on one line."""
    if not text:
        return ""
    paragraph = " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
    match = re.match(r"(.+?[.!?])(?=\s+[A-Z(\"'`]|$)", paragraph)
    return (match.group(1) if match else paragraph).strip()


def class_doc(cls: type) -> str:
    """Return the class's own docstring's first sentence, or its module's."""
    own = cls.__dict__.get("__doc__")
    if own and not own.startswith(f"{cls.__name__}("):
        return first_sentence(own)
    module = sys.modules.get(cls.__module__)
    return first_sentence(module.__doc__ if module else None)


def annotations_of(cls: type) -> dict[str, Any]:
    """Return field name → evaluated annotation; raise TypeError naming one that has no meaning.

    Each annotation is evaluated in the module of the class that wrote it. A slot's annotation is
    never evaluated: its type may be imported for type checkers only.
    """
    found: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if "slot" in field.metadata:
            found[field.name] = Any
            continue
        for base in cls.__mro__:
            raw = inspect.get_annotations(base)
            if field.name in raw:
                found[field.name] = _evaluate(raw[field.name], base, field.name)
                break
    return found


def _evaluate(raw: Any, owner: type, name: str) -> Any:
    if not isinstance(raw, str):
        return raw
    space = vars(sys.modules[owner.__module__])
    try:
        return eval(raw, {**vars(typing), **space})
    except (NameError, SyntaxError, TypeError) as error:
        raise TypeError(
            f"{owner.__module__}.{owner.__qualname__}.{name}: the type '{raw}' cannot be read at"
            f" runtime ({error}); import what it names outside TYPE_CHECKING"
        ) from error


def _type(annotation: Any, where: str) -> tuple[Any, bool, list[Any] | None, int | None]:
    """Return (type, optional, choices, length) of an annotation."""
    if annotation in SCALARS:
        return SCALARS[annotation], False, None, None
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _union(args, where)
    if origin is Literal:
        kinds = {type(value) for value in args}
        kind = SCALARS.get(kinds.pop(), "any") if len(kinds) == 1 else "any"
        return kind, False, list(args), None
    if isinstance(annotation, type) and issubclass(annotation, enum.StrEnum):
        return "str", False, [member.value for member in annotation], None
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return {"struct": describe_fields(annotation, "")}, False, None, None
    if annotation in (list, tuple) or origin in (list, tuple, Sequence):
        items = [arg for arg in args if arg is not Ellipsis] or [Any]
        inner, _, choices, _ = _type(items[0], where)
        length = len(args) if origin is tuple and Ellipsis not in args else None
        return _container("list", inner), False, choices, length
    if annotation is dict or origin in (dict, Mapping):
        inner, removable, choices, _ = _type(args[1] if args else Any, where)
        if removable:  # a key can be taken out again with null
            inner = {"any_of": [inner, "null"]}
        return _container("dict", inner), False, choices, None
    raise TypeError(f"{where}: a config key cannot have the type {annotation!r}")


def _union(args: tuple[Any, ...], where: str) -> tuple[Any, bool, list[Any] | None, int | None]:
    optional = type(None) in args
    rest = [arg for arg in args if arg is not type(None)]
    if len(rest) == 1:
        kind, _, choices, length = _type(rest[0], where)
        return kind, optional, choices, length
    described = [_type(arg, where) for arg in rest]
    kinds: list[Any] = []
    for (kind, _, choices, _), _arg in zip(described, rest, strict=True):
        entry = {"choice": kind, "of": choices} if choices else kind
        if entry not in kinds:
            kinds.append(entry)
    return ({"any_of": kinds} if len(kinds) > 1 else kinds[0]), optional, None, None


def _container(kind: str, inner: Any) -> Any:
    if isinstance(inner, str):
        return f"list[{inner}]" if kind == "list" else f"dict[str,{inner}]"
    return {kind: inner}


def plain(value: Any) -> Any:
    """Return a default as JSON would hold it (tuples as lists, dataclasses as dicts)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return value


def _default(field: dataclasses.Field[Any]) -> tuple[bool, Any]:
    if field.default is not dataclasses.MISSING:
        return True, plain(field.default)
    if field.default_factory is not dataclasses.MISSING:
        return True, plain(field.default_factory())
    return False, None


def describe_fields(cls: type, group: str) -> dict[str, Any]:
    """Return the JSON of every config key of a dataclass, in order; ``group`` roots its slots."""
    found: dict[str, Any] = {}
    hints = annotations_of(cls)
    for field in dataclasses.fields(cls):
        if not field.init or get_origin(hints.get(field.name)) is ClassVar:
            continue
        meta = field.metadata
        if "slot" in meta:
            found[field.name] = _describe_slot(field, group)
            continue
        where = f"{cls.__module__}.{cls.__qualname__}.{field.name}"
        kind, optional, choices, length = _type(hints[field.name], where)
        has_default, default = _default(field)
        if kind == "float" and type(default) is int:
            default = float(default)
        entry: dict[str, Any] = {
            "type": kind,
            "optional": optional or (has_default and default is None),
            "default": default,
            "doc": " ".join(str(meta.get("doc", "")).split()),
            "kind": meta.get("kind", "result"),
            "choices": plain(meta["choices"]) if meta.get("choices") is not None else choices,
            "bounds": dict(meta.get("bounds", {})),
        }
        if meta.get("read_by"):
            entry["read_by"] = meta["read_by"]
        if not has_default:
            entry["mandatory"] = True
        if meta.get("escapes"):
            entry["escapes"] = True
        if meta.get("entries"):
            entry["entries"] = True
            entry["short"] = meta["short"]
        if length is not None:
            entry["length"] = length
        if meta.get("form"):
            entry["form"] = meta["form"]
            if meta["form_when"]:
                entry["form_when"] = meta["form_when"]
        found[field.name] = entry
    return found


def _describe_slot(field: dataclasses.Field[Any], group: str) -> dict[str, Any]:
    many = field.metadata["slot"] == "many"
    choice = field.metadata["choice"]
    entry: dict[str, Any] = {
        "type": {"slots" if many else "slot": field.metadata["group"] or f"{group}/{field.name}"},
        "optional": not many and not choice,
        "default": list(choice) if many else (choice or None),
        "doc": " ".join(str(field.metadata.get("doc", "")).split()),
        "kind": "result",
        "choices": None,
        "bounds": {},
    }
    if field.metadata.get("read_by"):
        entry["read_by"] = field.metadata["read_by"]
    if field.metadata.get("follows"):
        entry["follows"] = True
    return entry


def _needs(needs: tuple[Need, ...]) -> list[dict[str, str]]:
    return [{"what": need.what, "when": need.when, "why": need.why} for need in needs]


def _rules(cls: type) -> list[dict[str, str]]:
    """Return the rules of a class and its bases, a base's first."""
    rules: list[Rule] = []
    for base in reversed(cls.__mro__):
        rules += base.__dict__.get("rules", ())
    return [{"must": rule.must, "says": rule.says, "key": rule.key} for rule in rules]


def describe_learner(declared: Declared) -> dict[str, Any]:
    """Return a learner's entry in schema.json: where its class is, what it does, its traits."""
    cls = declared.cls
    return {
        "class": f"{cls.__module__}:{cls.__qualname__}",
        "doc": class_doc(cls),
        **{
            key: value
            for key, value in plain(declared.traits).items()
            if value != plain(getattr(Traits, key))
        },
    }


def describe_component(cls: type) -> dict[str, Any]:
    """Return a component class's entry in schema.json."""
    declaration: Declaration = cls.declaration  # type: ignore[attr-defined]
    entry: dict[str, Any] = {
        "class": f"{cls.__module__}:{cls.__qualname__}",
        "doc": class_doc(cls),
        "source": declaration.source,
        "fields": describe_fields(cls, declaration.group),
        "requires": _needs(declaration.requires),
        "provides": _needs(declaration.provides),
        "conflicts": _needs(declaration.conflicts),
        "rules": _rules(cls),
    }
    for extra in (
        "learner",
        "reads",
        "words",
        "depends_on_steps",
        "example",
        "at_most",
        "in_stage",
    ):
        value = getattr(cls, extra, None)
        if value is not None and extra not in entry["fields"]:
            entry[extra] = plain(value)
    return entry
