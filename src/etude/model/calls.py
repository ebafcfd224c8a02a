"""Calls of tools as models write them, read by transformers' parser of responses.

A tokenizer may say itself how its model's answers are read (``response_template``). For the others
the formats that there are stand here as such templates; which one a model was trained on shows in
how its chat template writes a call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: How a call is written: by the tokenizer or the chat template, or as one of these.
FORMATS = ("auto", "hermes", "llama", "mistral", "plain")

_CALL = {"type": "function", "function": {"name": "{name}", "arguments": "{arguments}"}}
_INSIDE = {
    "type": "function",
    "function": {"name": "{content.name}", "arguments": "{content.arguments}"},
}

#: Format → the fields of its response template.
_TEMPLATES: dict[str, dict[str, Any]] = {
    # <tool_call>{"name": …, "arguments": {…}}</tool_call>, as often as there are calls.
    "hermes": {
        "content": {},
        "tool_calls": {
            "open": "<tool_call>",
            "close": "</tool_call>",
            "content": "json",
            "repeats": True,
            "transform": _INSIDE,
        },
    },
    # {"name": …, "parameters": {…}} and nothing else.
    "llama": {
        "content": {},
        "tool_calls": {
            "open_pattern": r"(?:<\|python_tag\|>)?\s*(?=\{\s*\"name\")",
            "close_pattern": r"\Z",
            "content": "json",
            "repeats": True,
            "transform": {
                "type": "function",
                "function": {"name": "{content.name}", "arguments": "{content.parameters}"},
            },
        },
    },
    # [TOOL_CALLS][{"name": …, "arguments": {…}}, …]
    "mistral": {
        "content": {},
        "tool_calls": {
            "open": "[TOOL_CALLS]",
            "close_pattern": r"\Z",
            "content": "json",
            "transform": _CALL,
            "transform_each": True,
        },
    },
}

#: A mark of each format in what a chat template makes of a call.
_MARKS = {"hermes": "<tool_call>", "mistral": "[TOOL_CALLS]", "llama": '"parameters"'}

_MADE: dict[str, Any] = {"name": "markcall7q", "arguments": {"markkey7q": "markvalue7q"}}


@dataclass(frozen=True)
class Heard:
    """What a model said in a turn: its calls, each with a name and arguments or a ``fault``."""

    calls: tuple[Mapping[str, Any], ...] = ()


class CallReader:
    """Reads the calls of one model; ``render`` is its chat template with messages and tools."""

    def __init__(
        self, tokenizer: Any, render: Callable[[Sequence[dict[str, Any]]], str], written: str
    ) -> None:
        own = getattr(tokenizer, "response_template", None)
        self._own = own if written == "auto" else None
        self.format = written if written != "auto" else _written_by(render)

    def read(self, text: str, tools: Sequence[Mapping[str, Any]]) -> Heard:
        """Return the calls in an answer; values are cast as the schemas of ``tools`` say."""
        from transformers.utils.chat_parsing import parse_response
        from transformers.utils.chat_parsing.response_templates import load_response_template

        if not tools:
            return Heard()
        template = load_response_template(self._own or self._template(tools))
        try:
            message = parse_response(
                text, template, prefix="", tools=[dict(each) for each in tools]
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return Heard(({"fault": self._fault(error)},))
        return Heard(tuple(_call(each) for each in message.get("tool_calls") or ()))

    def write(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Return a call as the model writes it, for examples of such answers."""
        match self.format:
            case "plain":
                said = ", ".join(f"{key} = '{_plain(value)}'" for key, value in arguments.items())
                return f"{name}({said})"
            case "llama":
                return json.dumps({"name": name, "parameters": dict(arguments)})
        said = json.dumps({"name": name, "arguments": dict(arguments)})
        return (
            f"[TOOL_CALLS][{said}]"
            if self.format == "mistral"
            else f"<tool_call>{said}</tool_call>"
        )

    def _template(self, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        fields = _plain_fields(tools) if self.format == "plain" else _TEMPLATES[self.format]
        return {"start_anchor_pattern": r"\A", "fields": fields}

    def _fault(self, error: Exception) -> str:
        reason = str(error).strip().splitlines()
        said = next((line for line in reason if line.startswith("Error: ")), "")
        how = said.removeprefix("Error: ") or (reason[0] if reason else type(error).__name__)
        example = self.write("NAME", {"PARAMETER": "VALUE"})
        return f"the call cannot be read ({how[:120]}); a call is {example}"


def _plain_fields(tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how ``name(key = 'value', …)`` is read, where a name is that of a tool."""
    names = "|".join(re.escape(each["function"]["name"]) for each in tools)
    return {
        "content": {},
        "tool_calls": {
            "open_pattern": rf"\b(?P<name>{names})\(",
            "close": ")",
            "content": "xml-inline",
            "content_args": {"tag_pattern": r"(?P<key>\w+)\s*=\s*'(?P<value>[^']*)'"},
            "repeats": True,
            "transform": {
                "type": "function",
                "function": {"name": "{name}", "arguments": "{content}"},
            },
        },
    }


def _call(value: Any) -> dict[str, Any]:
    """Return a call as it was parsed; what fits no tool is told by whoever has the tools."""
    function = value.get("function") if isinstance(value, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        return {"fault": "a call is an object with a name and arguments"}
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):  # as some models write them: JSON in JSON
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return {"fault": f"the arguments of {function['name'][:60]} are no JSON object"}
    return {"name": function["name"], "arguments": arguments}


def _written_by(render: Callable[[Sequence[dict[str, Any]]], str]) -> str:
    """Return the format in which a chat template writes a call; plain where it writes none."""
    call = {"type": "function", "id": "markid7q1", "function": _MADE}
    said: list[dict[str, Any]] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    try:
        text = render(said)
    except Exception:  # what a template refuses to write, its model does not write
        return "plain"
    if _MADE["name"] not in text:
        return "plain"
    return next((name for name, mark in _MARKS.items() if mark in text), "hermes")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
