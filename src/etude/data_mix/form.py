"""How a row of a source becomes an example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etude.data_mix.part import OpenPart
from etude.data_mix.template import fill
from etude.errors import DataError
from etude.rows import Example, Message


@dataclass(frozen=True)
class Form:
    """How a row becomes an example: the templates of prompt, response and system text.

    A row with a column ``messages`` is a conversation to go on with: the model reads its messages,
    and the prompt's text only serves people and comparisons. ``key`` names the prompt's template.
    """

    prompt: str
    response: str | None
    system: str | None
    key: str = "prompt_template"

    def example(self, part: OpenPart, position: int) -> Example:
        """Return the row at ``position`` of ``part`` as an example."""
        row = part.row(position)
        system = self.system if self.system is not None else row.get("system")
        return Example(
            id=f"{part.source}:{row['id']}",
            source=part.source,
            prompt=fill(self.prompt, row, f"data_mix.{self.key}"),
            response=None
            if self.response is None
            else fill(self.response, row, "data_mix.response_template"),
            system=None if system is None else fill(system, row, "data_mix.system"),
            columns=row,
            messages=_messages(row),
        )


def _messages(row: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return the messages of a row, none where it is no conversation."""
    given = row.get("messages") or ()
    try:
        return tuple(Message(str(each["role"]), str(each["content"])) for each in given)
    except (TypeError, KeyError) as error:
        raise DataError(
            f"row {row.get('id')}: the column messages is a list of mappings with role and content,"
            f" not {str(given)[:80]!r}"
        ) from error
