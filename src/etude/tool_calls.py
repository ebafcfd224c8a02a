"""Tools and calls of tools as text: ``name(key = 'value', …)``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etude.errors import DataError

#: Brackets and quotes of a call.
OPENING, CLOSING, QUOTES = "([{", ")]}", "'\""

_CALL = re.compile(r"\s*([^()]*?)\s*\((.*)\)\s*", re.DOTALL)
_ARGUMENT = re.compile(r"(\w+)\s*=\s*'([^']*)'")


@dataclass(frozen=True)
class Tool:
    """A tool that may be called: its name and the names of its parameters, None: not known."""

    name: str
    parameters: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Call:
    """A call as it was written: the tool's name and its arguments."""

    name: str
    arguments: Mapping[str, str]


def parse_call(text: str) -> Call | None:
    """Return the call that a text is, None where it is none.

    Arguments are ``key = 'value'`` with single quotes; whatever else stands between the brackets is
    passed over, so a call with double-quoted values has no arguments.
    """
    match = _CALL.fullmatch(text)
    return None if match is None else Call(match[1], dict(_ARGUMENT.findall(match[2])))


def write_call(call: Call) -> str:
    """Return a call as text; :func:`parse_call` reads it back."""
    arguments = ", ".join(f"{key} = '{value}'" for key, value in call.arguments.items())
    return f"{call.name}({arguments})"


def tools_of(value: Any) -> tuple[Tool, ...]:
    """Return the tools that a data column lists; raises DataError where it lists none.

    The column is a list, or its JSON text. An entry is a name, or a mapping with ``name`` and
    ``parameters`` (names, a mapping by name, or a JSON schema with ``properties``), which may stand
    under ``function``.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:  # also too many digits, or nested too deeply
            raise DataError(
                f"the column tools is no JSON list: {value[:60]!r} ({error})"
            ) from error
    if not isinstance(value, Sequence):
        raise DataError(f"the column tools is a list of tools, not {value!r:.60}")
    return tuple(_tool(entry) for entry in value)


def _tool(entry: Any) -> Tool:
    if isinstance(entry, Tool):
        return entry
    if isinstance(entry, str):
        return Tool(entry)
    if isinstance(entry, Mapping):
        entry = entry.get("function", entry)
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise DataError(
            f"a tool is a name, or a mapping with name and parameters, not {entry!r:.60}"
        )
    parameters = entry.get("parameters")
    if isinstance(parameters, Mapping):
        parameters = parameters.get("properties", parameters)
    known = None if parameters is None else tuple(str(name) for name in parameters)
    return Tool(entry["name"], known)
