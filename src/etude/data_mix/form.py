"""How a row of a source becomes an example."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etude.data_mix.share import OpenShare
from etude.data_mix.template import fill, names
from etude.errors import DataError
from etude.rows import Example, Message


@dataclass(frozen=True)
class Form:
    """How a row becomes an example: the templates of prompt, response and system text.

    A row with a column ``messages`` is a conversation to go on with: the model reads its messages,
    and the prompt's text only serves people and comparisons. Where responses are taught, one with a
    column ``turns`` teaches those messages. ``key`` names the prompt's template.
    """

    prompt: str
    response: str | None
    system: str | None
    key: str = "prompt_template"
    tools: bool = False

    def example(self, part: OpenShare, position: int) -> Example:
        """Return the row at ``position`` of ``part`` as an example."""
        return self.of_row(part.source, part.row(position))

    def of_row(self, source: str, row: Mapping[str, Any]) -> Example:
        """Return a row of the source with this key as an example."""
        messages = _messages(row)
        if messages and self.prompt != "{prompt}":
            raise DataError(
                f"data_mix.{self.key}={self.prompt!r}: row {source}:{row['id']} is a"
                f" conversation of {len(messages)} messages, which no template of the prompt"
                f" reaches; type data_mix.{self.key}='{{prompt}}'"
            )
        system = self.system if self.system is not None else row.get("system")
        return Example(
            id=f"{source}:{row['id']}",
            source=source,
            prompt=fill(self.prompt, row, f"data_mix.{self.key}"),
            response=None
            if self.response is None
            else fill(self.response, row, "data_mix.response_template"),
            system=None if system is None else fill(system, row, "data_mix.system"),
            columns=row,
            messages=messages,
            turns=() if self.response is None else _messages(row, "turns"),
            tools=_tools(row) if self.tools else (),
        )

    def prompt_alone(self, row: Mapping[str, Any]) -> bool:
        """Tell whether the column ``prompt`` alone decides the prompt of rows like this one."""
        return (
            not self.tools
            and names(self.prompt) == ["prompt"]
            and "{{" not in self.prompt
            and "messages" not in row
            and ((self.system is not None and not names(self.system)) or "system" not in row)
        )


def _tools(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the schemas of tools in a row's column, none where it is empty."""
    given = row.get("tools") or ()
    try:
        found = json.loads(given) if isinstance(given, str) else given
        if all(isinstance(each["function"]["name"], str) for each in found):
            return tuple(found)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise DataError(
        f"row {row.get('id')}: the column tools is a list of JSON schemas of functions"
        f' ({{"type": "function", "function": {{"name": …}}}}), not {str(given)[:80]!r};'
        " data_mix.tools=false tells the chat template of none"
    )


def _messages(row: Mapping[str, Any], column: str = "messages") -> tuple[Message, ...]:
    """Return the messages in a column of a row, none where it has no such conversation."""
    given = row.get(column) or ()
    try:
        return tuple(Message(str(each["role"]), str(each["content"])) for each in given)
    except (TypeError, KeyError) as error:
        raise DataError(
            f"row {row.get('id')}: the column {column} is a list of mappings with role and"
            f" content, not {str(given)[:80]!r}"
        ) from error
