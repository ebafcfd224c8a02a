"""What a judge is shown of an answer: in the place of the template, and unable to leave it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from etude.data_mix.template import fill

#: What frames a place of a template: a tag, or a label in square brackets.
_FRAME = re.compile(r"<[^<>\s][^<>]*>|\[[^\[\]]+\]")

_FIELD = re.compile(r"\\\{\w+\\\}")
_BLANKS = re.compile(r"(?:\\\s)+")


@cache
def frames(template: str) -> re.Pattern[str] | None:
    """Return what finds the frames of a template in a text, however they are spaced or cased.

    A field inside a frame (``<step {number}>``) stands for any number.
    """
    found = dict.fromkeys(match.group() for match in _FRAME.finditer(template))
    if not found:
        return None
    forms = []
    for frame in found:
        inner = _BLANKS.sub(r"\\s+", _FIELD.sub(r"\\d+", re.escape(frame[1:-1].strip("/ "))))
        # A run of blanks is read in one way alone: in two it would take its length squared.
        start, end = re.escape(frame[0]), re.escape(frame[-1])
        forms.append(rf"{start}(?:\s*/)?\s*{inner}\s*(?:/\s*)?{end}")
    return re.compile("|".join(forms), re.IGNORECASE)


def inert(text: str, template: str) -> str:
    """Return a text with every frame of the template that it spells in round brackets instead."""
    pattern = frames(template)
    return text if pattern is None else pattern.sub(lambda m: f"({m.group()[1:-1]})", text)


def one_line(text: str) -> str:
    """Return a text without breaks between lines: a line of its own would look like the judge's."""
    return " ".join(text.split())


def prompt_of(template: str, values: Mapping[str, Any], where: str) -> str:
    """Return a template with its fields filled in; raises DataError where a row has none of one."""
    return fill(template, values, where)
