"""Numbers in English words: ``twenty-one``, ``three fourths``, ``two and a half``."""

from __future__ import annotations

import re
from fractions import Fraction

_FIRST_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS_FROM_TWENTY = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: value for value, word in enumerate(_FIRST_TWENTY.split())}
_TENS = {word: 10 * (place + 2) for place, word in enumerate(_TENS_FROM_TWENTY.split())}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {
    "half": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "eleventh": 11,
    "twelfth": 12,
    "thirteenth": 13,
    "fifteenth": 15,
    "sixteenth": 16,
    "twentieth": 20,
    "hundredth": 100,
    "thousandth": 1000,
}
_ONE_OF = {"a": 1, "an": 1}
_KNOWN = {*_SMALL, *_TENS, *_SCALES, *_PARTS, *_ONE_OF, "hundred", "dozen", "and", "point"}


def number_in_words(text: str) -> Fraction | None:
    """Return the value of a number in English words, None where the text is anything else."""
    words = re.findall(r"[a-z]+", text.casefold())
    if not words or len(words) > 24 or re.search(r"[^A-Za-z\s-]", text):
        return None
    if words[0] in ("minus", "negative"):
        positive = number_in_words(" ".join(words[1:]))
        return None if positive is None else -positive
    if words[-1] == "halves":
        words[-1] = "half"
    words = [w[:-1] if w.endswith("s") and w[:-1] in _PARTS else w for w in words]
    if any(word not in _KNOWN for word in words):
        return None
    if "point" in words:
        return _decimal(words)
    if words[-1] in _PARTS:
        return _with_part(words)
    return _whole(words)


def _decimal(words: list[str]) -> Fraction | None:
    at = words.index("point")
    digits = [_SMALL.get(word, 10) for word in words[at + 1 :]]
    whole = _whole(words[:at]) if at else Fraction(0)
    if whole is None or not digits or max(digits) > 9:
        return None
    return whole + Fraction(int("".join(map(str, digits))), 10 ** len(digits))


def _with_part(words: list[str]) -> Fraction | None:
    """Return the value of words that end in a part: ``half``, ``three fourths``."""
    *rest, part = words
    if not rest:
        return Fraction(1, 2) if part == "half" else None  # third is a place, not a part
    if "and" in rest:  # two and a half, one hundred and one half
        at = len(rest) - 1 - rest[::-1].index("and")
        whole, top = _whole(rest[:at]), _whole(rest[at + 1 :])
        if whole is None or top is None:
            return None
        return whole + top / _PARTS[part]
    count = _whole(rest)
    return None if count is None else count / _PARTS[part]


def _whole(words: list[str]) -> Fraction | None:
    if not words or words[0] == "and" or words[-1] == "and":
        return None
    if len(words) == 1 and words[0] in _ONE_OF:
        return Fraction(1)
    total, group, last = 0, 0, 10**18
    for place, word in enumerate(words):
        if word == "and":
            continue
        if word in _ONE_OF:
            if place or words[1] not in ("hundred", "dozen", *_SCALES):
                return None
            group = 1
        elif word in _SMALL or word in _TENS:
            value = _SMALL.get(word, _TENS.get(word, 0))
            room = 100 if group % 100 == 0 else 10 if group % 10 == 0 else 0
            if value >= room or (group % 100 and value == 0) or (room == 10 and group % 100 < 20):
                return None
            group += value
        elif word in ("hundred", "dozen"):
            if not 0 < group < 100:
                return None
            group *= 100 if word == "hundred" else 12
        elif word in _SCALES:
            if not group or _SCALES[word] >= last:
                return None
            last = _SCALES[word]
            total, group = total + group * last, 0
        else:
            return None
    return Fraction(total + group)
