"""Finding the final answer in a text: after a marker, in a box, or what a pattern captures."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: What announces a final answer. The last one in a text counts.
MARKER = re.compile(r"####|(?<![A-Za-z])A:|\b(?:final\s+)?answer\s*(?:is\s*:?|:|=)", re.IGNORECASE)

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")


@dataclass(frozen=True)
class Found:
    """The text that holds the final answer; ``marked`` says whether something announced it."""

    text: str
    marked: bool


def last_box(text: str) -> tuple[int, str] | None:
    """Return (position, content) of the last complete ``\\boxed{…}``, braces balanced."""
    for match in reversed(list(_BOX.finditer(text))):
        depth = 1
        for position in range(match.end(), len(text)):
            if text[position] == "{" and text[position - 1] != "\\":
                depth += 1
            elif text[position] == "}" and text[position - 1] != "\\":
                depth -= 1
                if depth == 0:
                    return match.start(), text[match.end() : position]
    return None


def final_text(text: str, pattern: re.Pattern[str] | None) -> Found | None:
    """Return where the final answer stands.

    With a pattern it is the first group of its last match, and nothing without a match. Otherwise
    the later of the last box and the rest of the line after the last marker that has something on
    its line; without either, the whole text, unmarked. None when there is nothing at all.
    """
    if pattern is not None:
        matches = list(pattern.finditer(text))
        if not matches:
            return None
        last = matches[-1]
        return Found((last.group(1) if pattern.groups else last.group()) or "", True)
    box = last_box(text)
    for marker in reversed(list(MARKER.finditer(text))):
        if box is not None and box[0] >= marker.start():
            break
        rest = text[marker.end() :].split("\n", 1)[0].strip()
        if rest:
            return Found(rest, True)
    if box is not None:
        return Found(box[1].strip(), True)
    return Found(text, False) if text.strip() else None
