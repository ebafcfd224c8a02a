"""The one number that a text states, and texts that state none or more than one."""

from __future__ import annotations

import re
from fractions import Fraction

from etude.verifier.answers.clean import clean, plain_unicode
from etude.verifier.answers.numerals import MOST_DIGITS, Numeral, numeral
from etude.verifier.answers.units import is_unit, without_unit

_D = rf"\d{{1,{MOST_DIGITS}}}"
_UNSIGNED = rf"(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|{_D})(?:\.{_D})?|\.{_D}"

# A sign is one only where no operand stands before it: the number in "16-3" is 3, in "A: -3" it
# is -3. A currency sign may stand on either side of the sign.
_NUMBER = re.compile(
    r"(?:(?<![\w.)\]}%])[-+])?(?:(?:\\?\$|€|£)\s?-?)?"
    rf"(?:\\[dt]?frac\{{-?{_D}\}}\{{{_D}\}}"
    rf"|(?:{_UNSIGNED})(?:[eE][-+]?\d{{1,3}}(?!\w))?"
    rf"(?:\s?/\s?\d[\d,]{{0,{MOST_DIGITS}}}(?:\.{_D})?)?)"
)
_LIST = re.compile(
    rf"\s*(?:(?:\\text\s*\{{)?\s*[A-Za-z]+\s*\}}?\s*){{0,3}}(?:,|;)?\s*(?:\\text\s*\{{)?\s*"
    rf"(?:or|and|to)\b\s*\}}?\s*(?:{_NUMBER.pattern})|\s*[,;:]\s*(?:{_NUMBER.pattern})"
)
_LISTED = re.compile(
    r"\d[%)]?\s*(?:,|;|(?:,\s*)?(?:\\text\s*\{)?\s*\b(?:or|and)\b\s*\}?)\s*(?:\\?\$|€|£)?\s*$"
)
#: What goes on from a number in a way that makes it a part of something else.
_GOES_ON = re.compile(
    r"\s*(?:[*+^_÷±√π!<>(\[]|-\s*[\d(\\A-Za-z]|/|:\s?\d|\\(?!text|%|\$|,|;|:|!|circ|mathrm|mbox|\s|\)|\])"
    r"|\d)"
)
_COMES_FROM = re.compile(
    r"(?:[\^_\[{√]|\\[A-Za-z]+\s*|[A-Za-z]|[*/÷±×]\s*|(?<=[\w)}\]])\s*[-+]\s*|\\(?:times|cdot|pm)\s*)$"
)
_ASSIGNED = re.compile(r"=[^=]{0,400}(?:[,;]|\b(?:and|or)\b)[^=]{0,400}=")
_LEAD = re.compile(r"\s*(?:[^\W\d_][^\W\d_'’-]*[,:]?\s+){1,12}")


def stated(text: str, *, marked: bool) -> tuple[str, Numeral] | None:
    """Return the number a final text states, as written and as a value; None where there is none.

    A text that was announced is read as a whole: the number alone or in a phrase (``12 apples from
    3 trees``), behind the last equals sign where there is one (``5 + 3 = 8``). Without an
    announcement it is the last number of the text. A number that is a part of something else
    (``(1,2)``, ``2\\sqrt{3}``, ``5 or 7``, ``5x``) is not taken out of it.
    """
    if not marked:
        return _last(text)
    if _ASSIGNED.search(text):
        return None
    for part in reversed(text.split("=")):
        if re.search(r"\d", part):
            return single(part)
    return None


def holds_digits(text: str) -> bool:
    """Return whether a text has a digit, whatever it is a part of."""
    return re.search(r"\d", text) is not None


def single(text: str) -> tuple[str, Numeral] | None:
    """Return the one number that a text is, beside a unit and words around it; None otherwise."""
    if len(text) > 8 * MOST_DIGITS or not holds_digits(text):
        return None
    plain = clean(text)
    value = numeral(without_unit(plain)[0])
    if value is not None:
        written = _NUMBER.search(plain_unicode(text).strip())
        if written is not None and (shown := _read(written.group())) and shown[1] == value:
            return shown
        return plain, value
    lead = _LEAD.match(plain)
    begin = lead.end() if lead is not None else 0
    first = _NUMBER.match(plain, begin)
    if first is None or not _stands_alone(plain, first):
        return None
    return _read(first.group())


def _last(text: str) -> tuple[str, Numeral] | None:
    plain = plain_unicode(text)
    last: re.Match[str] | None = None
    for last in _NUMBER.finditer(plain):  # noqa: B007 (the last one is meant)
        pass
    if last is None or not _stands_alone(plain, last):
        return None
    before = plain[max(0, last.start() - 100) : last.start()].rpartition("\n")[2]
    if is_part(before):
        return None
    if before.rstrip().endswith("(") and plain[last.end() : last.end() + 1] != ")":
        return None
    return _read(last.group())


def is_part(before: str) -> bool:
    """Return whether a number is a part of something by what stands before it on its line."""
    ratio = re.search(r"\d:$", before) is not None
    return ratio or bool(_LISTED.search(before) or _COMES_FROM.search(before.rstrip("$")))


def _read(written: str) -> tuple[str, Numeral] | None:
    value = numeral(without_unit(clean(written))[0])
    return None if value is None else (written.strip(), value)


def _stands_alone(text: str, number: re.Match[str]) -> bool:
    """Return whether what follows a number leaves it a number: a unit, words, or the end."""
    after = text[number.end() : number.end() + 100]
    if _GOES_ON.match(after) or _LIST.match(after):
        return False
    attached = re.match(r"\s?([A-Za-z]+)", after)
    if attached is None or len(attached.group(1)) > 2:
        return True
    name = attached.group(1)
    if len(name) == 2 and (after[0] == " " or name in ("st", "nd", "rd", "th", "am", "pm")):
        return True
    return is_unit(name)


def numbers(text: str) -> list[tuple[str, Fraction]]:
    """Return every number of a text, as written and as an exact value."""
    found = (_read(match.group()) for match in _NUMBER.finditer(plain_unicode(text)))
    return [(written, number.value) for written, number in filter(None, found)]
