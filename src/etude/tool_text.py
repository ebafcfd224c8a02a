"""How a call of a tool is written in a turn, in the formats that models are taught."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from etude.tool_calls import Call, write_call


def plain(name: str, arguments: Mapping[str, Any]) -> str:
    """Return ``name(key = 'value')``."""
    return write_call(Call(name, {key: str(value) for key, value in arguments.items()}))


def hermes(name: str, arguments: Mapping[str, Any]) -> str:
    """Return a JSON object between ``<tool_call>`` tags, as Hermes and Qwen models write it."""
    call = json.dumps({"name": name, "arguments": dict(arguments)}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


#: Format → what writes a call in it.
WRITERS: dict[str, Callable[[str, Mapping[str, Any]], str]] = {"plain": plain, "hermes": hermes}
