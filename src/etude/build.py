"""From a checked config node to typed frozen dataclasses; past this point there are no dicts."""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Mapping
from importlib import import_module
from typing import Any, TypeVar, Union, get_args, get_origin

from etude.config.conform import Conformer
from etude.config.reflect import annotations_of, describe_fields
from etude.config.settings import STAGE_EXTRAS
from etude.errors import ConfigError, Fault
from etude.schema import ComponentInfo, FieldInfo, Schema

S = TypeVar("S")


def build(node: Mapping[str, Any], group: str, schema: Schema | None = None) -> Any:
    """Return the component that a config node describes, its parts built in turn.

    Raises ConfigError naming the key path of everything that does not fit.
    """
    known = _schema(schema)
    conformer = Conformer(known, {group.split("/")[0]: node})
    filled = conformer.node(node, group, group.replace("/", "."))
    _refuse(conformer)
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


def load_class(info: ComponentInfo) -> type:
    """Import and return a component's class; raises ConfigError when its package cannot be used."""
    module, _, name = info.cls.partition(":")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # a plug-in can raise anything while it is imported
        package = "" if info.package == "etude" else f" of the plug-in package {info.package}"
        message = f"its class {info.cls}{package} cannot be loaded: {error}"
        raise ConfigError([Fault(f"{info.group}={info.name}", message)]) from error
    loaded: type = found
    return loaded


def _component(node: Mapping[str, Any], group: str, schema: Schema) -> Any:
    info = schema.find(group, node["name"])
    assert info is not None  # conform has found it
    cls = load_class(info)
    hints = annotations_of(cls)
    arguments: dict[str, Any] = {}
    for key, value in node.items():
        if key == "name" or (key in STAGE_EXTRAS.get(group, ()) and key not in info.fields):
            continue
        described = info.fields[key]
        if described.slot:
            arguments[key] = None if value is None else _component(value, described.slot, schema)
        elif parts := described.slots or described.dict_of:
            # In the order of their names: the order they were typed in is no part of a config.
            arguments[key] = {
                name: _component(part, parts, schema) for name, part in sorted(value.items())
            }
        else:
            arguments[key] = _value(value, hints[key])
    return cls(**arguments)


def _struct(node: Mapping[str, Any], cls: type[S]) -> S:
    hints = annotations_of(cls)
    return cls(**{key: _value(value, hints[key]) for key, value in node.items()})


def _value(value: Any, annotation: Any) -> Any:
    """Return a plain value as the type a field is annotated with."""
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
