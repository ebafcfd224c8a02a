"""Text as a terminal or a log may have it: nothing in it steers what shows it.

Ids, prompts, file names and the errors made of them come from files that anyone may have written. A
control character in them could clear a screen, retitle a window or turn a line around.
"""

from __future__ import annotations

import re

#: C0 but for the end of a line, DEL, C1, line and paragraph separators, what turns the direction of
#: text, halves of surrogate pairs (bytes of a name that were no text), and invisible tags.
_STEERS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """Return a text with every character that would steer a terminal written out: ``\\x1b``.

    Ends of lines stay, and a text without such characters is returned as it is.
    """
    return _STEERS.sub(_written_out, text.replace("\r\n", "\n"))


def printable_line(text: str) -> str:
    """Return a text in one line: ends of lines are written out too."""
    return printable(text).replace("\n", "\\n")


def in_json(text: str) -> str:
    """Return JSON text that reads back as the same and steers no terminal that shows it."""
    return _STEERS.sub(_as_json, text)


def _written_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _as_json(found: re.Match[str]) -> str:
    if found[0] == "\t":  # JSON text has it between its parts alone
        return found[0]
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
