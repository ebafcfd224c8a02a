"""One number, however it is written, as an exact value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from etude.verifier.answers.brackets import wrapped
from etude.verifier.answers.words import number_in_words

#: A longer run of digits, or a larger power of ten, is not turned into a number.
MOST_DIGITS = 400

_DIGITS = rf"\d{{1,{MOST_DIGITS}}}"
_WHOLE = rf"(?:\d{{1,3}}(?:,\d{{3}}){{1,130}}|\d{{1,3}}(?: \d{{3}}){{1,130}}|{_DIGITS})"
_DECIMAL = rf"(?:{_WHOLE}(?:\.{_DIGITS})?\.?|\.{_DIGITS})"
_POWER = (
    r"10\s*(?:\^|\*\*)\s*(?:\{\s*([-+]?\s*\d{1,5})\s*\}|\(\s*([-+]?\s*\d{1,5})\s*\)|([-+]?\d{1,5}))"
)
_TIMES = r"(?:\\times|\\cdot|\*|x|X)"

_PLAIN = re.compile(_DECIMAL)
_SHORT = re.compile(rf"({_DECIMAL})[eE]([-+]?\d{{1,4}})")
_LONG = re.compile(rf"(?:({_DECIMAL})\s*{_TIMES}\s*)?{_POWER}")
_OVER = re.compile(rf"({_DECIMAL})\s*/\s*([-+]?)\s*({_DECIMAL})")
_ARGUMENT = rf"(?:\{{\s*([-+]?\s*{_DECIMAL})\s*\}}|\s*(\d))"
_FRAC = re.compile(rf"\\frac{_ARGUMENT}\s*{_ARGUMENT}")
_MIXED = re.compile(rf"({_WHOLE})(?:\s*(\\frac.*)|\s+(\d{{1,18}}\s*/\s*\d{{1,18}}))", re.DOTALL)
_REPEATING = re.compile(
    rf"({_WHOLE})?\.(\d{{0,100}})"
    r"(?:\\overline\s*\{\s*(\d{1,100})\s*\}|\\(?:dot|overline)\s*(\d)|\\dot\s*\{(\d)\}|\((\d{1,100})\))"
)
_GOES_ON = re.compile(rf"({_WHOLE})?\.(\d{{3,100}})(?:\.\.\.)")


@dataclass(frozen=True)
class Numeral:
    """A number's exact value, and the digits behind its point where it is written as a decimal.

    ``places`` is None for a number that is written exactly (an integer, a fraction): a decimal may
    stand for a value it was rounded from, the others may not. ``1.2e5`` has -4 places.
    """

    value: Fraction
    places: int | None = None


def numeral(text: str) -> Numeral | None:
    """Return the number that a cleaned text is as a whole, None where it is anything else.

    Integers and decimals with thousands separators in well-formed groups, fractions, mixed numbers
    (``1 1/2``, ``2\\frac13``), powers of ten (``1.2e-3``, ``3.64 \\times 10^5``), repeating
    decimals (``0.\\overline{3}``, ``0.(3)``, ``0.333...``) and numbers in English are read.
    """
    text = text.strip()
    if not text or len(text) > 2 * MOST_DIGITS + 60:
        return None
    if (sign := re.match(r"[-+]\s*", text)) is not None:
        found = _unsigned(text[sign.end() :])
        if found is None or sign.group()[0] == "+":
            return found
        return Numeral(-found.value, found.places)
    held = wrapped(text)
    if held is not None and held[0] + held[2] in ("()", "{}") and "," not in held[1]:
        return numeral(held[1])  # (2,251,252) is three numbers
    return _unsigned(text)


def _unsigned(text: str) -> Numeral | None:
    for read in (_plain, _scaled, _fraction, _mixed, _repeating):
        found = read(text)
        if found is not None:
            return found
    held = wrapped(text)
    if held is not None and held[0] + held[2] in ("()", "{}") and "," not in held[1]:
        return _unsigned(held[1])
    value = number_in_words(text)
    return None if value is None else Numeral(value)


def _value(decimal: str) -> Fraction:
    return Fraction(re.sub(r"[, ]", "", decimal).rstrip("."))


def _places(decimal: str) -> int | None:
    _, point, digits = decimal.rstrip(".").partition(".")
    return len(digits) if point else None


def _plain(text: str) -> Numeral | None:
    if _PLAIN.fullmatch(text) is None:
        return None
    return Numeral(_value(text), _places(text))


def _scaled(text: str) -> Numeral | None:
    match = _SHORT.fullmatch(text)
    if match is not None:
        base, power = match.group(1), int(match.group(2))
    else:
        match = _LONG.fullmatch(text)
        if match is None:
            return None
        written = next(group for group in match.groups()[1:] if group is not None)
        base, power = match.group(1) or "1", int(written.replace(" ", ""))
    if abs(power) > 4 * MOST_DIGITS:
        return None
    value = _value(base) * Fraction(10) ** power
    places = _places(base)
    return Numeral(value, None if places is None else places - power)


def _fraction(text: str) -> Numeral | None:
    match = _OVER.fullmatch(text)
    if match is not None:
        top, bottom = match.group(1), match.group(2) + match.group(3)
    else:
        match = _FRAC.fullmatch(text)
        if match is None:
            return None
        top = match.group(1) or match.group(2)
        bottom = match.group(3) or match.group(4)
    above, below = _signed(top), _signed(bottom)
    return None if below == 0 else Numeral(above / below)


def _signed(text: str) -> Fraction:
    text = text.strip()
    negative = text.startswith("-")
    value = _value(text.lstrip("+- "))
    return -value if negative else value


def _mixed(text: str) -> Numeral | None:
    match = _MIXED.fullmatch(text)
    if match is None or "." in match.group(1):
        return None
    part = _fraction((match.group(2) or match.group(3)).strip())
    if part is None or not 0 < part.value < 1:
        return None
    return Numeral(_value(match.group(1)) + part.value)


def _repeating(text: str) -> Numeral | None:
    match = _REPEATING.fullmatch(text)
    if match is not None:
        whole, fixed = match.group(1) or "0", match.group(2)
        period = next(group for group in match.groups()[2:] if group is not None)
        return Numeral(_repeated(whole, fixed, period))
    match = _GOES_ON.fullmatch(text)
    if match is None:
        return None
    whole, digits = match.group(1) or "0", match.group(2)
    for size in range(1, len(digits) // 2 + 1):
        times = 3 if size == 1 else 2
        if len(digits) < size * times:
            break
        period = digits[-size:]
        if digits.endswith(period * times):
            fixed = digits[: -size * times]
            return Numeral(_repeated(whole, fixed, period))
    return None


def _repeated(whole: str, fixed: str, period: str) -> Fraction:
    scale = 10 ** len(fixed)
    tail = Fraction(int(period), 10 ** len(period) - 1)
    return _value(whole) + (Fraction(int(fixed or "0")) + tail) / scale


def close(
    given: Numeral, gold: Numeral, tolerance: Fraction | None, usual: Fraction = Fraction(1, 10**6)
) -> bool:
    """Return whether two numbers are the same, small and large ones alike.

    A ``tolerance`` that is stated is the largest difference, relative to the right value. Without
    one, two that are written exactly have to be equal, and a decimal may differ from the right
    value by ``usual`` times that, and by half a unit of the last digit of the shorter decimal.
    """
    difference = abs(given.value - gold.value)
    if tolerance is not None:
        return difference <= tolerance * abs(gold.value)
    if not difference:
        return True
    places = [each.places for each in (given, gold) if each.places is not None]
    if not places or difference > usual * abs(gold.value):
        return False
    return difference <= Fraction(10) ** -min(places) / 2
