"""What a cleaned answer is read as: a quantity, a number in a base, a list, the value of a name."""

from __future__ import annotations

import re

from etude.verifier.answers.brackets import wrapped
from etude.verifier.answers.clean import squeezed
from etude.verifier.answers.kinds import pieces
from etude.verifier.answers.numerals import Numeral, numeral
from etude.verifier.answers.phrases import meaning
from etude.verifier.answers.sequences import Sequence, is_name, sequence, sides
from etude.verifier.answers.units import DEGREE, Unit, without_unit

_BASED = re.compile(r"\(?\s*([0-9A-Za-z]+)\s*\)?\s*_\s*(?:\{\s*(\d{1,2})\s*\}|(\d{1,2})(?!\d))")
_BOTH_SIGNS = re.compile(r"\\pm|\\mp|\+/-")


def quantity(text: str, *, letters: bool) -> tuple[Numeral, Unit | None] | None:
    """Return the number and the unit of an answer that is one number, maybe with a name before."""
    value, unit = without_unit(text, letters=letters)
    parts = sides(value)
    if len(parts) == 2 and is_name(parts[0]):
        value = parts[1]
        if unit is None:
            value, unit = without_unit(value, letters=letters)
    value = re.sub(r"^(?:\\approx|\\sim)\s*", "", value)
    held = wrapped(value)
    if held is not None and held[0] == "\\{":
        value = held[1]
    found = numeral(value)
    return None if found is None else (found, unit)


def in_base(text: str) -> tuple[int, int] | None:
    """Return (value, base) of a number written in a base (``101_2``)."""
    match = _BASED.fullmatch(re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text).strip())
    if match is None:
        return None
    base = int(match.group(2) or match.group(3))
    try:
        return int(match.group(1), base), base
    except ValueError:
        return None


def all_numbers(text: str) -> str:
    """Return an answer that means every number as the set of them, any other as it is."""
    return "\\mathbb{R}" if meaning(text) == "all" else text


def value_side(text: str) -> str:
    """Return what a named value is worth (``x = 5``), any other answer as it is."""
    parts = sides(text)
    return parts[1] if len(parts) == 2 and is_name(parts[0]) else text


def row(text: str) -> tuple[str, ...] | None:
    """Return the entries of a tuple, maybe with a name before it; None for any other."""
    held = sequence(value_side(text))
    return None if held is None else held.entries


def entries(text: str) -> list[str] | None:
    """Return the entries of a set or a list, ``\\pm`` written out; None for a single value."""
    held = wrapped(text)
    braced = held is not None and held[0] == "\\{"
    found = pieces(held[1] if braced and held is not None else text)
    if not braced:
        found = _without_names(found)
    signed = [each for piece in found for each in _signs(piece)]
    return signed if braced or len(signed) > 1 else None


def _without_names(found: list[str]) -> list[str]:
    """Return entries without the one name that is given to all of them (``x = 1 or x = 2``)."""
    parts = [sides(piece) for piece in found]
    if len(found) == 1:
        only = parts[0]
        return [only[1]] if len(only) == 2 and is_name(only[0]) and _signed(only[1]) else found
    heads = {squeezed(part[0]) for part in parts if len(part) == 2 and is_name(part[0])}
    if len(heads) != 1 or any(len(part) > 2 for part in parts):
        return found
    return [part[-1] for part in parts]


def _signed(text: str) -> bool:
    return _BOTH_SIGNS.search(text) is not None


def _signs(text: str) -> list[str]:
    if not _signed(text):
        return [text]
    first = re.sub(r"\\pm|\+/-", "+", text).replace("\\mp", "-").strip()
    second = re.sub(r"\\pm|\+/-", "-", text).replace("\\mp", "+").strip()
    return [first.removeprefix("+").strip(), second.removeprefix("+").strip()]


def same_brackets(given: Sequence, gold: Sequence) -> bool:
    """Return whether two tuples are written alike; of two entries ``[…]`` is an interval."""
    return (
        "[" not in given.opening + gold.opening
        or given.opening == gold.opening
        or (len(gold.entries) > 2)
    )


def is_equation(parts: list[str]) -> bool:
    """Return whether the sides of equals signs are those of one equation, and name no value."""
    return len(parts) == 2 and not is_name(parts[0])


def is_constant(text: str) -> bool:
    """Return whether a text has no letters but those of commands."""
    plain = re.sub(r"\\[A-Za-z]+", "", text)
    return re.search(r"[A-Za-z]", plain) is None


def in_radians(mine: str, unit: Unit | None, right: str, asked: Unit | None) -> tuple[str, str]:
    """Return both angles in radians where one is in degrees and the other a part of pi."""
    if unit == DEGREE and asked != DEGREE and "\\pi" in right:
        return f"\\frac{{({mine}) \\pi}}{{180}}", right
    if asked == DEGREE and unit != DEGREE and "\\pi" in mine:
        return mine, f"\\frac{{({right}) \\pi}}{{180}}"
    return mine, right
