"""What kind of thing an answer is: a number, a choice, words, or other mathematics."""

from __future__ import annotations

import re
from enum import StrEnum

from etude.verifier.answers.brackets import outside, wrapped
from etude.verifier.answers.choices import choice, letter
from etude.verifier.answers.clean import clean
from etude.verifier.answers.numerals import numeral
from etude.verifier.answers.phrases import is_phrase, words
from etude.verifier.answers.units import without_unit

_CONNECTIVE = re.compile(
    r"\\text\s*\{\s*,?\s*(?:and|or)\s*\}|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])"
)
_PLAIN_SENTENCE = re.compile(r"(?:[^\W\d_]{2,}[\s,.;:!?'’-]+){2,}")


class Kind(StrEnum):
    """The kinds of answers that are told apart."""

    NUMBER = "a number"
    CHOICE = "a choice"
    TEXT = "words"
    MATH = "mathematics"


def kind_of(text: str) -> Kind:
    """Return what kind of thing an answer is; what cannot be told is mathematics."""
    plain = clean(text)
    if letter(plain) is not None:
        return Kind.CHOICE
    value = plain.rpartition("=")[2].strip() if re.match(r"[A-Za-z]\w* ?=", plain) else plain
    if numeral(without_unit(value)[0]) is not None:
        return Kind.NUMBER
    if choice(plain) is not None:
        return Kind.CHOICE
    if is_phrase(plain) or _is_prose(plain):
        return Kind.TEXT
    return Kind.MATH


def _is_prose(text: str) -> bool:
    """Return whether more of a text is words than mathematics."""
    if re.search(r"<\s*/?\s*[A-Za-z]+\s*>", text):
        return True
    flat = re.sub(r"\\[A-Za-z]+", " ", text)
    letters = sum(map(len, (word for word in words(flat) if len(word) > 2)))
    return _PLAIN_SENTENCE.match(text) is not None or 2 * letters > len(re.sub(r"\s", "", text))


def pieces(text: str) -> list[str]:
    """Return the entries of a cleaned answer that is a list of them, or the answer alone.

    Entries are divided by commas and semicolons outside of brackets, ``and`` and ``or``. A number
    with thousands separators is one entry.
    """
    if numeral(without_unit(text)[0]) is not None:
        return [text]
    divided = _CONNECTIVE.sub(",", text)
    found, begin = [], 0
    for position, token in outside(divided):
        if token.strip() in (",", ";"):
            found.append(divided[begin:position])
            begin = position + len(token)
    found.append(divided[begin:])
    return [piece.strip() for piece in found if piece.strip()] or [text]


def candidates(text: str) -> int:
    """Return how many answers a text gives: the entries of a list or a set; both signs are two."""
    plain = clean(text)
    held = wrapped(plain)
    if held is not None and held[0] == "\\{":
        plain = held[1]
    return sum(2 if re.search(r"\\pm|\\mp", piece) else 1 for piece in pieces(plain))
