"""From a checked config node to typed frozen dataclasses; past this point there are no dicts."""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Mapping
from importlib import import_module
from typing import Any, TypeVar, Union, get_args, get_origin

from etude.by_path.call import Call
from etude.by_path.place import Place
from etude.component import Declaration, Need
from etude.config import environment
from etude.config.check_rules import broken
from etude.config.conform import Conformer
from etude.config.needs import walk
from etude.config.reflect import annotations_of, describe_fields
from etude.config.settings import extras_of
from etude.errors import ConfigError, Fault
from etude.schema import ComponentInfo, FieldInfo, LearnerInfo, NeedInfo, Schema

S = TypeVar("S")


def build(node: Mapping[str, Any], group: str, schema: Schema | None = None) -> Any:
    """Return the component that a config node describes, its parts built in turn.

    Raises ConfigError naming the key path of everything that does not fit.
    """
    known = _schema(schema)
    conformer = Conformer(known, {group.split("/")[0]: node})
    path = group.replace("/", ".")
    filled = conformer.node(node, group, path)
    _refuse(conformer)
    faults = [
        Fault(*fault) for used in walk(filled, group, path, known) for fault in broken(used, None)
    ]
    if faults:
        raise ConfigError(faults)
    return _component(filled, group, known)


def build_struct(cls: type[S], node: Mapping[str, Any], path: str) -> S:
    """Return a plain frozen dataclass from its config node; raises ConfigError with key paths."""
    fields = {name: FieldInfo.of(name, entry) for name, entry in describe_fields(cls, "").items()}
    conformer = Conformer(Schema({}, {}))
    filled = conformer.struct(node, fields, path)
    _refuse(conformer)
    return _struct(filled, cls)


def _schema(schema: Schema | None) -> Schema:
    if schema is not None:
        return schema
    from etude.schema import load

    return load()


def _refuse(conformer: Conformer) -> None:
    if conformer.faults:
        raise ConfigError([Fault(path, message) for path, message in conformer.faults])


def load_class(info: ComponentInfo | LearnerInfo) -> type:
    """Import and return the class of a component or a learner.

    Raises ConfigError when its package cannot be used.
    """
    if isinstance(info, ComponentInfo) and info.place is not None and not info.place.is_function:
        return _class_by_path(info, info.place)
    module, _, name = info.cls.partition(":")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # a plug-in can raise anything while it is imported
        package = "" if info.package == "etude" else f" of the plug-in package {info.package}"
        message = f"its class {info.cls}{package} cannot be loaded: {error}"
        raise ConfigError([Fault(info.title, message)]) from error
    loaded: type = found
    return loaded


def _declaration(info: ComponentInfo) -> Declaration:
    """Return what a component by path declares, as a class of a package has it from its module."""

    def needs(given: tuple[NeedInfo, ...]) -> tuple[Need, ...]:
        return tuple(Need(each.what, each.when, each.why) for each in given)

    return Declaration(
        info.group,
        info.name,
        info.source,
        needs(info.requires),
        needs(info.provides),
        needs(info.conflicts),
    )


def _class_by_path(info: ComponentInfo, place: Place) -> type:
    from etude.by_path.load import class_of

    try:
        return class_of(place, _declaration(info))
    except Exception as error:  # a person's file can raise anything while it is imported
        raise _unusable(info, place, error) from error


def _unusable(info: ComponentInfo, place: Place, error: Exception) -> ConfigError:
    """Return the error of a class by path that cannot be imported, or made with its values."""
    from etude.by_path.call import told

    message = f"cannot be used: {told(error, place.original)}"
    return ConfigError([Fault(f"{info.group}={info.name}", message)])


def _component(node: Mapping[str, Any], group: str, schema: Schema) -> Any:
    info = schema.find(group, node["name"])
    assert info is not None  # conform has found it
    cls = load_class(info)
    hints = annotations_of(cls)
    arguments: dict[str, Any] = {}
    entries: dict[str, Any] = {}
    own = info.place.options if info.place is not None else ()
    if info.place is not None and info.place.is_function:
        given = {key: environment.read(node[key]) for key in own}
        arguments["call"] = Call.of(info.place, given)
        arguments["declaration"] = _declaration(info)
    for key, value in node.items():
        if key in ("name", *own) or (key in extras_of(group) and key not in info.fields):
            continue
        if key in info.fields:
            arguments[key] = _field(value, info.fields[key], hints[key], schema)
        elif info.entries is not None and (entry := info.field_of(key)) is not None:
            entries[key] = _field(value, entry, hints[info.entries.name], schema)
    if info.entries is not None:
        arguments[info.entries.name] = dict(sorted(entries.items()))
    try:
        return cls(**arguments)
    except Exception as error:
        if info.place is None:
            raise
        raise _unusable(info, info.place, error) from error


def _field(value: Any, described: FieldInfo, annotation: Any, schema: Schema) -> Any:
    """Return a field's value with the components in it built."""
    if described.form == "shell":
        return value  # what it takes from the environment is written to no file
    if value is None or not described.holds_parts:
        return _value(value, annotation)
    if described.slot:
        return _component(value, described.slot, schema)
    if described.slots:
        # In the order of their names: the order they were typed in is no part of a config.
        parts = sorted(value.items())
        return {key: _component(part, described.slots, schema) for key, part in parts}
    fields = described.struct
    if fields is None:
        entries = {key: (item, described.entry(key)) for key, item in sorted(value.items())}
        return {
            key: _field(item, entry, annotation, schema)
            for key, (item, entry) in entries.items()
            if entry is not None
        }
    cls = _struct_in(annotation)
    hints = annotations_of(cls)
    return cls(**{key: _field(value[key], fields[key], hints[key], schema) for key in fields})


def _struct_in(annotation: Any) -> type:
    """Return the dataclass that an annotation (``X | None``, ``Mapping[str, X]``) is about."""
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return annotation
    found = (_struct_in(each) for each in get_args(annotation) if each not in (str, type(None)))
    return next(found)


def _struct(node: Mapping[str, Any], cls: type[S]) -> S:
    hints = annotations_of(cls)
    return cls(**{key: _value(value, hints[key]) for key, value in node.items()})


def _value(value: Any, annotation: Any) -> Any:
    """Return a plain value as the type a field is annotated with."""
    value = environment.read(value)
    if value is None:
        return None
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _of_union(value, [arg for arg in args if arg is not type(None)])
    if isinstance(annotation, type):
        if dataclasses.is_dataclass(annotation) and isinstance(value, Mapping):
            return _struct(value, annotation)
        if issubclass(annotation, enum.Enum):
            return annotation(value)
    if annotation is tuple or origin is tuple:
        return tuple(_value(item, args[0] if args else Any) for item in value)
    if isinstance(value, list):
        return [_value(item, args[0] if args else Any) for item in value]
    if isinstance(value, Mapping):
        return {
            key: _value(item, args[1] if len(args) == 2 else Any) for key, item in value.items()
        }
    return value


def _of_union(value: Any, kinds: list[Any]) -> Any:
    for kind in kinds:
        base = get_origin(kind) or kind
        if isinstance(value, Mapping) and (
            base in (dict, Mapping) or dataclasses.is_dataclass(base)
        ):
            return _value(value, kind)
        if isinstance(value, list) and base in (list, tuple):
            return _value(value, kind)
    return _value(value, kinds[0]) if len(kinds) == 1 else value
