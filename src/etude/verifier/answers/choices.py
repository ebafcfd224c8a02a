"""Choices of a lettered question: ``(B)``, ``B. 7``, ``Option B``."""

from __future__ import annotations

import re

_ALONE = re.compile(
    r"(?:(?:the\s+)?(?:option|choice|answer)\s*:?\s*)?[(\[]?\s*([A-J])\s*[)\].:]?", re.IGNORECASE
)
_WITH_TEXT = re.compile(
    r"(?:(?:option|choice|answer)\s*:?\s*)?"
    r"(?:[(\[]\s*([A-J])\s*[)\]]\s*[.:]?|([A-J])\s*(?:[).:]|-(?=\s)|(?=\\text)))\s*(\S.*)",
    re.DOTALL | re.IGNORECASE,
)


def _flat(text: str) -> str:
    """Return a cleaned answer with the marks of text gone from around its letter."""
    return re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text).strip()


def letter(text: str) -> str | None:
    """Return the letter of a cleaned answer that is one choice alone (``B``, ``(B)``)."""
    match = _ALONE.fullmatch(_flat(text))
    if match is None or (match.group(1).islower() and len(_flat(text)) == 1):
        return None
    return match.group(1).upper()


def choice(text: str) -> tuple[str, str] | None:
    """Return (letter, its text) of an answer that is one choice, with or without its text."""
    alone = letter(text)
    if alone is not None:
        return alone, ""
    match = _WITH_TEXT.fullmatch(_flat(text))
    if match is None:
        return None
    return (match.group(1) or match.group(2)).upper(), match.group(3).strip()
