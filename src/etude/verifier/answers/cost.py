"""Answers that would take endless time or memory to work out, known from their text alone."""

from __future__ import annotations

import re

from etude.verifier.answers.brackets import depth

#: The most characters and the deepest nesting of an expression that is worked out, the most digits
#: that a power or a factorial in it may have, and the most commands. Reading takes twice the time
#: for a level more: fractions in fractions take a third of a second at twelve.
LONGEST, DEEPEST, MOST_DIGITS, MOST_COMMANDS = 2000, 12, 20_000, 400

#: An expression with more characters than this, and than as many times those of the right answer,
#: is not one that was worked out.
LONG, TIMES_LONGER = 500, 4

_POWER = re.compile(
    r"(\d{1,400}|[a-z)}])\s*(?:\^|\*\*)\s*(?:\{\s*([^{}]*)\s*\}|\(\s*([^()]*)\s*\)|(\d{1,400}))",
    re.I,
)
_TOWER = re.compile(
    r"(\d{1,400})\s*(?:\^|\*\*)\s*[{(]?\s*(\d{1,400})\s*(?:\^|\*\*)\s*[{(]?\s*(\d{1,400})"
    r"(\s*(?:\^|\*\*))?"
)
_FACTORIAL = re.compile(r"(\d{1,400})\s*\)?\s*!")
_BINOMIAL = re.compile(r"(?:\\binom\s*\{|(?<![A-Za-z])C\s*\(|(?=\d+\s*\\choose))\s*(\d{1,400})")
_SUBSCRIPTS = re.compile(r"_\s*\{[^{}]*_\s*\{[^{}]*_")


#: Operations that leave all the work to be done.
_UNDONE = re.compile(
    r"\\(?:sum|prod|i{0,3}int|oint|lim|limsup|liminf|det)(?![a-zA-Z])|[∑∏∫]"
    r"|\\begin\s*\{\s*[vV]matrix\s*\}"
)


def undone(given: str, gold: str) -> str | None:
    """Return why a cleaned answer is not worked out where the right one is; None where it is.

    It states a sum, an integral, a limit or a determinant, as the question may have, instead of
    what it is worth, or goes on much longer than the right answer. It is known before anything is
    read.
    """
    left = _UNDONE.search(given)
    if left is not None and _UNDONE.search(gold) is None:
        return f"it states {left.group()} and not what that is worth"
    if len(given) > LONG and len(given) > TIMES_LONGER * len(gold):
        return f"it has {len(given)} characters, and the right answer {len(gold)}"
    return None


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
    if _SUBSCRIPTS.search(text) is not None:
        return "its subscripts have subscripts of their own"
    if any(len(top) > 4 for top in _BINOMIAL.findall(text)):
        return "its binomial coefficient is too large"
    return None
