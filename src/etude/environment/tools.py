"""The tools of an environment's object: found, described as JSON schemas, and called."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from etude.environment.interface import PROTOCOL

#: What a value of a JSON type is; a whole number is a number as well.
_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def tools_of(thing: Any) -> dict[str, Callable[..., Any]]:
    """Return the tools of an object by name, in the order in which its class defines them."""
    names: dict[str, None] = {}
    for cls in reversed(type(thing).__mro__[:-1]):
        names |= dict.fromkeys(name for name, each in vars(cls).items() if inspect.isroutine(each))
    return {
        name: getattr(thing, name)
        for name in names
        if not name.startswith("_") and name not in PROTOCOL
    }


def schemas_of(tools: Mapping[str, Callable[..., Any]]) -> list[dict[str, Any]]:
    """Return what a chat template is told of tools, by transformers' ``get_json_schema``.

    Raises TypeError where a type or a description is missing.
    """
    if not tools:
        return []
    from transformers.utils import chat_template_utils as utils

    # It would import torch to know a tensor by its type: seconds of each worker, for nothing.
    known = {name: getattr(utils, name) for name in ("is_torch_available", "is_vision_available")}
    try:
        for name in known:
            setattr(utils, name, lambda: False)
        found = [_schema(name, tool, utils) for name, tool in tools.items()]
    finally:
        for name, value in known.items():
            setattr(utils, name, value)
    for each in found:
        each["function"].pop("return", None)
    return found


def _schema(name: str, tool: Any, utils: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = utils.get_json_schema(tool)
    except (utils.TypeHintParsingException, utils.DocstringParsingException) as error:
        code = inspect.unwrap(tool).__code__
        where = f"{Path(code.co_filename).name}:{code.co_firstlineno}"
        raise TypeError(f"the tool {name} ({where}) cannot be described: {error}") from error
    return found


def misfit(schemas: Sequence[Mapping[str, Any]], name: Any, arguments: Any) -> str | None:
    """Return why a call fits no tool, in words that a model can learn from; None where it fits."""
    known = {each["function"]["name"]: each["function"]["parameters"] for each in schemas}
    if not isinstance(name, str) or name not in known:
        return f"there is no tool {str(name)[:60]!r}; there are {', '.join(known) or 'none'}"
    if not isinstance(arguments, dict):
        return f"the arguments of {name} are an object, not {json.dumps(arguments)[:60]}"
    parameters = known[name]
    properties = parameters.get("properties", {})
    listed = ", ".join(properties) or "none"
    for key in arguments:
        if key not in properties:
            return f"{name} has no parameter {str(key)[:60]!r}; it has {listed}"
    for key in parameters.get("required", ()):
        if key not in arguments:
            return f"{name} needs the parameter {key!r}"
    for key, value in arguments.items():
        if (wanted := _wanted(properties[key], value)) is not None:
            return f"the parameter {key!r} of {name} is {wanted}, not {json.dumps(value)[:60]}"
    return None


def _wanted(schema: Mapping[str, Any], value: Any) -> str | None:
    """Return what a value has to be, None where it is that or nothing is said."""
    if value is None and schema.get("nullable"):
        return None
    if "enum" in schema:
        some = ", ".join(json.dumps(each) for each in schema["enum"])
        return None if value in schema["enum"] else f"one of {some}"
    if "anyOf" in schema:
        faults = [_wanted(each, value) for each in schema["anyOf"]]
        return None if None in faults else " or ".join(map(str, faults))
    named = schema.get("type")
    kinds = [named] if isinstance(named, str) else list(named or ())
    accepted = tuple(kind for name in kinds for kind in _TYPES.get(name, (object,)))
    is_flag = isinstance(value, bool) and bool not in accepted and object not in accepted
    if not accepted or (isinstance(value, accepted) and not is_flag):
        return None
    return " or ".join(kinds)
