"""A worked solution cut into a few chunks at its own breaks (SPARKLE, arXiv 2506.04723).

The first of these that has enough breaks decides: paragraphs, numbered items, headings. A list in
bold, and whatever has none of them, is cut between sentences.
"""

from __future__ import annotations

import re
from itertools import pairwise

_BLANK = re.compile(r"\n\s*\n")
_ITEM = re.compile(r"(?:^|[.!?]\s+|\n\s*)(?=\d+\.\s)")
_BOLD_BULLET = re.compile(r"(?:^|\n)\s*[-*•]\s+\*\*")
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_OPENERS = (
    "understanding|determining|calculating|finding|analysis|diagram|position|area|volume|step"
    "|first|next|finally"
)
_HEADING = re.compile(
    r"(?:^|(?<=\s))(?:\*\*[^*]{1,200}\*\*\s*:|[A-Z][a-zA-Z\s]{0,80}:(?=\s)"
    rf"|(?i:{_OPENERS})(?:\s+(?:of|the))?\s*:)"
)


def chunks(text: str, most: int) -> list[str]:
    """Return a solution as at most ``most`` chunks in the order of the text, none of them empty."""
    paragraphs = [each.strip() for each in _BLANK.split(text) if each.strip()]
    if len(paragraphs) >= most:
        return ["\n\n".join(group) for group in _groups(paragraphs, most)]
    items = [match.end() for match in _ITEM.finditer(text)]
    if len(items) >= most - 1:
        return _cut(text, items, most)
    if len(_BOLD_BULLET.findall(text)) >= 2:
        return sentences(text, most)
    headings = [match.start() for match in _HEADING.finditer(text)]
    if len(headings) >= most - 1:
        return _cut(text, headings, most)
    return sentences(text, most)


def sentences(text: str, most: int) -> list[str]:
    """Return a text as at most ``most`` chunks of as many sentences, the last of what is left.

    A sentence ends at a full stop, a question or an exclamation mark before a blank.
    """
    found = [each for each in _BETWEEN_SENTENCES.split(text.strip()) if each]
    size = max(1, -(-len(found) // most))
    return [" ".join(found[at : at + size]) for at in range(0, len(found), size)]


def _cut(text: str, places: list[int], most: int) -> list[str]:
    """Return a text cut at places, and at its beginning, in ``most`` groups of sections."""
    starts = sorted({0, *places})
    sections = [text[a:b] for a, b in pairwise([*starts, len(text)])]
    groups = _groups(sections, min(most, len(sections)))
    return [joined for group in groups if (joined := "".join(group).strip())]


def _groups(parts: list[str], count: int) -> list[list[str]]:
    """Return parts in ``count`` groups: the i-th begins at the part ⌊i · parts / count⌋."""
    bounds = [at * len(parts) // count for at in range(count + 1)]
    return [parts[a:b] for a, b in pairwise(bounds)]
