"""Rows that are a conversation each: the last turn of the assistant is what they teach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etude.sources.columns import MappedRows
from etude.sources.text import Unreadable

#: Roles that chat templates know.
KNOWN = ("system", "developer", "user", "assistant", "tool", "function")

#: What a conversation gives beside its messages.
COLUMNS = ("prompt", "system", "solution", "messages")


class ChatRows(Sequence[Mapping[str, Any]]):
    """Rows with a column ``messages``, as problems or demonstrations.

    Where the last message is the assistant's it is the ``solution``, and what stands before it is
    the prompt; otherwise all of it is the prompt. A ``system`` message at the head stands apart. A
    single message of the user is a plain ``prompt``; longer conversations stay ``messages``.
    """

    def __init__(self, rows: MappedRows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return one row; raises DataError where its messages are no conversation."""
        row = self._rows[position]
        try:
            return {**row, **_conversation(row)}
        except Unreadable as error:
            raise self._rows.refusal(position, "messages", error) from error

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the rows at ``positions`` (None: of all)."""
        if name not in COLUMNS:
            return self._rows.column(name, positions)
        places = range(len(self)) if positions is None else positions
        return [self[int(place)][name] for place in places]


def _conversation(row: Mapping[str, Any]) -> dict[str, Any]:
    messages: list[dict[str, str]] = list(row.get("messages") or ())
    if not messages:
        raise Unreadable("has no messages")
    for number, message in enumerate(messages):
        if message["role"] not in KNOWN:
            raise Unreadable(
                f"holds in message {number + 1} the role '{message['role']}', which chat templates"
                " do not know",
                f"roles.{message['role']}=user",
            )
    found: dict[str, Any] = {"solution": row.get("solution"), "system": row.get("system")}
    if messages[0]["role"] == "system":
        _alone(row, "system", "begins with a system message")
        found["system"] = messages.pop(0)["content"]
    if messages and messages[-1]["role"] == "assistant":
        _alone(row, "solution", "ends with the assistant's answer")
        found["solution"] = messages.pop()["content"]
        if not found["solution"].strip():
            raise Unreadable("ends with an empty answer of the assistant")
    if not messages:
        raise Unreadable("holds nothing that could be answered")
    if messages[-1]["role"] in ("system", "developer"):
        raise Unreadable(f"ends with a message of the role {messages[-1]['role']}")
    if len(messages) == 1 and messages[0]["role"] == "user":
        if not messages[0]["content"].strip():
            raise Unreadable("holds an empty message of the user and nothing else")
        return {**found, "prompt": messages[0]["content"], "messages": []}
    text = "\n".join(f"{each['role']}: {each['content']}" for each in messages)
    return {**found, "prompt": text, "messages": messages}


def _alone(row: Mapping[str, Any], name: str, ends: str) -> None:
    if row.get(name) is not None:
        raise Unreadable(f"{ends}, and {name} is mapped as well", f"columns.{name}=null")
