"""Messages as files hold them, read as role and content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etude.config.quoting import pasted
from etude.sources.text import Unreadable, as_text, shown

#: What a message's role and text are called: as most files have it, and ShareGPT's names.
ROLE, CONTENT = ("role", "from"), ("content", "value")


def read_messages(
    value: Any, roles: Mapping[str, str], left_out: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Return messages as ``{role, content}``; raises :class:`Unreadable` naming the message.

    ``roles`` renames roles. Content is text, or parts that are all text, which then stand one after
    the other. A message that holds anything else (calls of tools, an image, reasoning apart) is
    refused, as it would be lost; ``left_out`` are keys that may be.
    """
    if not isinstance(value, (list, tuple)):
        raise Unreadable(f"is a list of messages (role and content), not {shown(value)}")
    return [_message(each, number, roles, left_out) for number, each in enumerate(value)]


def _message(
    given: Any, number: int, roles: Mapping[str, str], left_out: Sequence[str]
) -> dict[str, str]:
    where = f"holds in message {number + 1}"
    if not isinstance(given, Mapping):
        raise Unreadable(f"is a list of mappings with role and content; it {where} {shown(given)}")
    role_key = next((key for key in ROLE if key in given), None)
    content_key = next((key for key in CONTENT if key in given), None)
    if role_key is None or content_key is None:
        there = ", ".join(map(str, given)) or "nothing"
        raise Unreadable(f"is a list of mappings with role and content; it {where} {there}")
    for key, held in given.items():
        if key not in (role_key, content_key, *left_out) and not _is_empty(held):
            raise Unreadable(
                f"{where} '{key}', which no prompt would show: {shown(held)}",
                pasted(f"message_keys_left_out=[{','.join([*left_out, str(key)])}]"),
            )
    role = given[role_key]
    if not isinstance(role, str) or not role:
        raise Unreadable(f"{where} a role that is {shown(role)}")
    return {"role": roles.get(role, role), "content": _content(given[content_key], where)}


def _is_empty(held: Any) -> bool:
    return held is None or (isinstance(held, (str, list, tuple, dict)) and not held)


def _content(value: Any, where: str) -> str:
    if isinstance(value, (list, tuple)):
        parts = [_part(part, where) for part in value]
        return "".join(parts)
    if not isinstance(value, str):
        raise Unreadable(f"{where} content that is {shown(value)}, not text")
    return str(as_text(value))


def _part(part: Any, where: str) -> str:
    if isinstance(part, str):
        return str(as_text(part))
    text = part.get("text") if isinstance(part, Mapping) else None
    if isinstance(text, str) and part.get("type", "text") == "text":
        return str(as_text(text))
    raise Unreadable(f"{where} a part that is no text: {shown(part)}")
