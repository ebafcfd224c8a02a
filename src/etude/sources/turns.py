"""Conversations as rows: one for each turn of the assistant, with what was said before it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from etude.errors import DataError
from etude.sources.interface import Rows

#: What rows of turns have beside the columns of their conversations and the turn's own text.
COLUMNS = ("id", "prompt", "system", "messages", "answer", "tools", "turn", "reply_role", "reply")


class TurnRows(Sequence[Mapping[str, Any]]):
    """The assistant's turns of conversations, in their order.

    A conversation is a row with a column ``messages`` (role and content each). A turn's row has the
    messages before it, its own text as ``answer`` and in the column ``turn_as``, and the message
    after it as ``reply_role`` and ``reply`` (null after the last). The tools are those of the
    column ``tools``, or the JSON list in the system message. ``reply_as`` is the role that replies
    of tools get in ``messages``, as chat templates know few others.
    """

    def __init__(
        self, conversations: Rows, key: str, reply_as: str = "tool", turn_as: str = "solution"
    ) -> None:
        self._conversations = conversations
        self._key = key
        self._reply_as = reply_as
        self._turn_as = turn_as
        self._turns = [
            (place, at)
            for place, messages in enumerate(conversations.column("messages"))
            for at in self._assistant(messages, place)
        ]
        if not self._turns:
            raise DataError(
                f"sources.{key}: no conversation has a message of the role assistant; its messages "
                f"are those of the column messages (sources.{key}.columns.messages=NAME)"
            )

    def __len__(self) -> int:
        return len(self._turns)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return the row of one turn."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        place, at = self._turns[position]
        row = self._conversations[place]
        messages = row["messages"]
        before = messages[:at]
        system = before[0]["content"] if before and before[0]["role"] == "system" else None
        said = [self._renamed(each) for each in before[system is not None :]]
        after = messages[at + 1] if at + 1 < len(messages) else {"role": None, "content": None}
        turn = 1 + sum(1 for each in before if each["role"] == "assistant")
        return {
            **row,
            "id": f"{row['id']}/{turn}",
            "prompt": "\n".join(f"{each['role']}: {each['content']}" for each in said),
            "system": system,
            "messages": said,
            self._turn_as: messages[at]["content"],
            "answer": messages[at]["content"],
            "tools": row["tools"] if row.get("tools") is not None else listed_tools(system),
            "turn": turn,
            "reply_role": after["role"],
            "reply": after["content"],
        }

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the turns at ``positions`` (None: of all)."""
        places = range(len(self)) if positions is None else positions
        rows = [self[int(place)] for place in places]
        if rows and name not in rows[0]:
            raise DataError(
                f"sources.{self._key} has no column '{name}'; it has {', '.join(rows[0])}"
            )
        return [row[name] for row in rows]

    def _assistant(self, messages: Any, place: int) -> Iterator[int]:
        try:
            roles = [each["role"] for each in messages]
        except (TypeError, KeyError) as error:
            raise DataError(
                f"sources.{self._key}: conversation {place + 1}: the column messages is a list of "
                f"mappings with role and content, not {str(messages)[:80]!r}"
            ) from error
        # Nothing comes before a first message: a turn there answers nobody.
        return (at for at, role in enumerate(roles) if role == "assistant" and at > 0)

    def _renamed(self, message: Mapping[str, Any]) -> dict[str, Any]:
        role = message["role"]
        known = role in ("user", "assistant", "system")
        return {"role": role if known else self._reply_as, "content": message["content"]}


class Conversations(list[Mapping[str, Any]]):
    """Conversations in memory, read like the rows of a file."""

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column; raises DataError when there is none of that name."""
        rows = self if positions is None else [self[place] for place in positions]
        if rows and name not in rows[0]:
            raise DataError(
                f"conversations have no column '{name}'; they have {', '.join(rows[0])}"
            )
        return [row[name] for row in rows]


def listed_tools(system: str | None) -> list[Any]:
    """Return the tools a system message lists as JSON; none where it is other text."""
    try:
        tools = json.loads(system or "[]")
    except (ValueError, RecursionError):
        return []  # a system message in words lists no tools
    return tools if isinstance(tools, list) else []
