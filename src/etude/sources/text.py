"""Values of a row as text: numbers as they are written, everything else only by a stated rule."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

#: Mapped columns that are texts to whoever reads them.
TEXTS = ("prompt", "system", "solution", "answer", "critique", "chosen", "rejected")

#: Rules that make one text of a list.
_OF_LIST: dict[str, Callable[[Sequence[str]], str]] = {
    "first": lambda texts: texts[0],
    "last": lambda texts: texts[-1],
    "shortest": lambda texts: min(texts, key=len),
    "join": ", ".join,
    "lines": "\n".join,
}

#: How a value that is no text may be read (``read_as``).
RULES = (*_OF_LIST, "any", "json")


class Unreadable(ValueError):
    """A value that is not what its column has to be; the text completes "column 'x' …".

    ``fixes`` are what may be typed, below the source's own key; ``{name}`` is the mapped column.
    """

    def __init__(self, text: str, *fixes: str) -> None:
        super().__init__(text)
        self.fixes = fixes


def shown(value: Any) -> str:
    """Return a value in words and, shortened, as it is written."""
    kinds = {dict: "a mapping", list: "a list", str: "text"}
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value!r}"
    kind = next((word for of, word in kinds.items() if isinstance(value, of)), None)
    written = repr(value)
    short = written if len(written) <= 60 else written[:57] + "…"
    return f"{kind} ({short})" if kind else f"{type(value).__name__} {short}"


def as_text(value: Any, rule: str | None = None) -> str | list[str] | None:
    """Return a value as text, None for null; a whole float loses its point (51.0 is ``51``).

    A list takes a rule: ``first``, ``last`` or ``shortest`` entry, ``join`` by commas, ``lines``
    below each other, or ``any``: all of them, for a verifier that accepts each. ``json`` writes
    whatever is no text as JSON. Raises :class:`Unreadable` for any other value.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _sound(value)
    if rule == "json":
        return _sound(json.dumps(value, ensure_ascii=False, default=str))
    if isinstance(value, bool):
        raise Unreadable(f"is {shown(value)}, not text", "read_as.{name}=json")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unreadable(f"is {value}, not a number")
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, (int, Decimal)):
        return format(value, "f") if isinstance(value, Decimal) else _digits(value)
    if isinstance(value, (list, tuple)):
        return _of_list(value, rule)
    if isinstance(value, Mapping):
        inside = ", ".join(map(str, value))
        path = f"columns.{{name}}=COLUMN.{next(iter(value), 'KEY')}"
        raise Unreadable(f"is a mapping with {inside}, not text", path, "read_as.{name}=json")
    raise Unreadable(f"is {shown(value)}, not text")


def _of_list(value: Sequence[Any], rule: str | None) -> str | list[str]:
    if is_conversation(value):
        raise Unreadable(
            "is a list of messages, not text",
            "columns.messages=COLUMN",
            "columns.{name}=COLUMN.-1.content",
        )
    if rule is None or rule == "json":
        raise Unreadable(f"is {shown(value)}, not text", f"read_as.{{name}}={'|'.join(RULES)}")
    texts = [as_text(item) for item in value]
    if not texts or any(not isinstance(text, str) or not text for text in texts):
        raise Unreadable(f"is a list that '{rule}' cannot read: {shown(value)}")
    plain = [text for text in texts if isinstance(text, str)]
    return plain if rule == "any" else _OF_LIST[rule](plain)


def is_conversation(value: Any) -> bool:
    """Tell whether a value looks like a list of messages."""
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(item, Mapping) and {"role", "from"} & set(item) for item in value)
    )


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError as error:  # Python writes no more than some thousand digits
        raise Unreadable("is a number of too many digits") from error


def _sound(text: str) -> str:
    """Return a text that can be encoded; half of a surrogate pair cannot."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Unreadable(
                f"holds half of a character (\\u{ord(text[error.start]):04x}) at {error.start}"
            ) from error
    return text
