"""The last mathematics of a response that announces no answer."""

from __future__ import annotations

import re

from etude.verifier.answers.single import is_part

_FORMULA = re.compile(
    r"(?<!\\)\$\$([^$]{1,2000})\$\$|(?<![\\$])\$([^$\n]{1,2000})(?<!\\)\$"
    r"|(?<!\\)\\\[((?:[^\\]|\\(?!\])){1,2000})\\\]|(?<!\\)\\\(((?:[^\\\n]|\\(?!\))){1,2000})\\\)"
)
_JOINED = re.compile(r"\s*(?:,|,?\s*(?:and|or))\s*")
_RUN = re.compile(
    r"(?:\\?\$|€|£)?[^\s,;:]*\d(?:,\d{3}(?!\d)|[^\s,;:])*"
    r"(?:[ \t]*(?:[-+*/=^<>]|\\[a-z]+)[ \t]*[^\s,;]+){0,40}"
)
#: How much of the end of a response is looked at.
_LOOKED_AT = 4000


def last_mathematics(text: str) -> str | None:
    """Return the last formula or number of a text, None where it has none or only a part of one.

    Formulas (``$…$``) that a comma, ``and`` or ``or`` joins are one list. A number in words counts
    with what it is a part of: ``5 or 7`` is no 7.
    """
    text = text[-_LOOKED_AT:]
    formulas = list(_FORMULA.finditer(text))
    end = formulas[-1].end() if formulas else 0
    numbers = list(_RUN.finditer(text, end))
    if numbers:
        last = numbers[-1]
        before = text[: last.start()].rpartition("\n")[2]
        return None if is_part(before[-100:]) else last.group().rstrip(".!?*`_)")
    if not formulas:
        return None
    listed = [_inside(formulas[-1])]
    for earlier, later in zip(formulas[-2::-1], formulas[:0:-1], strict=True):
        if _JOINED.fullmatch(text[earlier.end() : later.start()]) is None or len(listed) > 30:
            break
        listed.insert(0, _inside(earlier))
    return ", ".join(listed)


def _inside(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None).strip()
