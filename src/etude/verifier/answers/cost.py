"""Answers that would take endless time or memory to work out, known from their text alone."""

from __future__ import annotations

import re

from etude.verifier.answers.brackets import depth

#: The most characters and the deepest nesting of an expression that is worked out, the most digits
#: that a power or a factorial in it may have, and the most commands.
LONGEST, DEEPEST, MOST_DIGITS, MOST_COMMANDS = 2000, 40, 20_000, 400

_POWER = re.compile(
    r"(\d{1,400}|[a-z)}])\s*(?:\^|\*\*)\s*(?:\{\s*([^{}]*)\s*\}|\(\s*([^()]*)\s*\)|(\d{1,400}))",
    re.I,
)
_TOWER = re.compile(
    r"(\d{1,400})\s*(?:\^|\*\*)\s*[{(]?\s*(\d{1,400})\s*(?:\^|\*\*)\s*[{(]?\s*(\d{1,400})"
    r"(\s*(?:\^|\*\*))?"
)
_FACTORIAL = re.compile(r"(\d{1,400})\s*\)?\s*!")
_BINOMIAL = re.compile(r"\\binom\s*\{\s*(\d{1,400})\s*\}\s*\{\s*(\d{1,400})\s*\}")


def too_costly(text: str) -> str | None:
    """Return why a cleaned answer is not worked out, None where it can be.

    Numbers with more than ``MOST_DIGITS`` digits, powers of powers of numbers, and texts longer or
    deeper than an answer is are not.
    """
    if len(text) > LONGEST:
        return f"it has {len(text)} characters"
    if depth(text) > DEEPEST or text.count("{") > MOST_COMMANDS:
        return "it nests too deeply"
    if text.count("\\") > MOST_COMMANDS:
        return "it has too many commands"
    for base, braced, bracketed, digits in _POWER.findall(text):
        exponent = (braced or bracketed or digits).strip()
        if re.fullmatch(r"[-+]?\d+", exponent):
            size = len(base) if base.isdigit() else 1
            if len(exponent) > 6 or abs(int(exponent)) * size > MOST_DIGITS:
                return f"its power {exponent[:20]} is too large"
        elif "!" in exponent and base[-1].isdigit():
            return "it raises numbers to factorials"
    for base, power, top, further in _TOWER.findall(text):
        if further or len(power) > 3 or len(top) > 2 or len(base) * int(power) ** int(top) > 20_000:
            return "it raises numbers to powers of powers"
    for number in _FACTORIAL.findall(text):
        if len(number) > 4 or int(number) > 5000:
            return f"its factorial {number[:20]}! is too large"
    if re.search(r"!\s*\)+\s*!|(?:[89]|\d\d)\s*!\s*!", text):
        return "it takes factorials of factorials"
    if any(len(top) > 5 for top, _ in _BINOMIAL.findall(text)):
        return "its binomial coefficient is too large"
    return None
