"""Whether a final answer says the same as the right one: from what is read at once to algebra.

The order is: the same text, choices, words, numbers with units, general solutions, intervals and
inequalities, lists and sets, tuples, vectors and matrices, equations, then expressions. The first
that reads both decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from etude.verifier.answers import parameters, ranges, reading, symbolic
from etude.verifier.answers.choices import choice, letter
from etude.verifier.answers.clean import clean, squeezed
from etude.verifier.answers.kinds import pieces
from etude.verifier.answers.numerals import Numeral, close, numeral
from etude.verifier.answers.phrases import is_phrase, meaning, same_phrase
from etude.verifier.answers.sequences import (
    is_name,
    matrix,
    named,
    sequence,
    sides,
    vector,
)
from etude.verifier.answers.units import DEGREE, PERCENT, Unit, factor, without_unit

#: The most entries of a list or set that are compared in any order.
MOST_ENTRIES = 40

_LEAD = re.compile(
    r"^(?:\\text\s*\{[^{}]*(?:\bis|\bare|=|:|\bequals|\bget)\s*:?\s*\}\s*:?"
    r"|(?:[^\W\d_]+[\s,]+){0,8}?(?:answer|solution|value|result)\s+(?:is|are|equals)\s*:?\s+"
    r"|(?:so|thus|therefore|hence|approximately|about|exactly|roughly)[\s,]+"
    r"|\\(?:approx|therefore|implies|Rightarrow|sim)(?![A-Za-z])|\u2248)\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Rules:
    """How numbers are compared; see :func:`etude.verifier.answers.numerals.close`."""

    tolerance: Fraction | None = None
    usual: Fraction = Fraction(1, 2 * 10**6)
    percent: bool = True


def same(given: str, gold: str, rules: Rules) -> bool:
    """Return whether a final answer says the same as the right one; both as they were written."""
    return _Comparison(rules).same(clean(given), clean(gold))


@dataclass(frozen=True)
class _Comparison:
    """One comparison of cleaned texts; its methods return None where they cannot decide."""

    rules: Rules
    depth: int = 0

    def same(self, given: str, gold: str) -> bool:
        if squeezed(given) == squeezed(gold) and given:
            return True
        if not gold or not given or self.depth > 4:
            return False
        deciding = (
            self._choices,
            self._words,
            self._numbers,
            self._based,
            self._families,
            self._ranges,
            self._lists,
            self._arrays,
            self._equations,
        )
        for decide in deciding:
            found = decide(given, gold)
            if found is not None:
                return found
        return self._expressions(given, gold)

    def _inner(self, given: str, gold: str) -> bool:
        return _Comparison(self.rules, self.depth + 1).same(clean(given), clean(gold))

    def _choices(self, given: str, gold: str) -> bool | None:
        right = choice(gold)
        if right is None or (letter(gold) is None and len(right[1]) > 80):
            return None
        mine = choice(given)
        if letter(gold) is not None:
            return mine is not None and mine[0] == right[0]
        return mine[0] == right[0] if mine is not None else self._inner(given, right[1])

    def _words(self, given: str, gold: str) -> bool | None:
        mine, right = meaning(given), meaning(gold)
        if mine is not None and right is not None:
            return mine == right
        in_words = is_phrase(given) and numeral(given) is None
        if is_phrase(gold) and numeral(gold) is None:
            if right == "all":
                return None
            return same_phrase(given, gold)
        if (
            not in_words
            and (lead := _LEAD.match(given)) is not None
            and given[lead.end() :].strip()
        ):
            return self._inner(given[lead.end() :], gold)
        return False if in_words and mine is None else None

    def _numbers(self, given: str, gold: str) -> bool | None:
        right = reading.quantity(gold, letters=False) or reading.quantity(gold, letters=True)
        mine = reading.quantity(given, letters=True)
        if right is None or mine is None:
            return None
        (value, unit), (wanted, asked) = mine, right
        if PERCENT in (unit, asked):
            return self._percentages(value, unit, wanted, asked)
        times = factor(unit, asked)
        if times is None:
            return False
        scaled = Numeral(value.value * times, value.places if times == 1 else None)
        if times != 1 and value.places is not None:
            scaled = Numeral(scaled.value, value.places + 3)
        return close(scaled, wanted, self.rules.tolerance, self.rules.usual)

    def _percentages(
        self, value: Numeral, unit: Unit | None, wanted: Numeral, asked: Unit | None
    ) -> bool:
        def parted(number: Numeral) -> Numeral:
            places = None if number.places is None else number.places + 2
            return Numeral(number.value / 100, places)

        mine = parted(value) if unit == PERCENT else value
        right = parted(wanted) if asked == PERCENT else wanted
        rules = self.rules
        if close(mine, right, rules.tolerance, rules.usual):
            return True
        if unit == asked or not rules.percent:
            return False
        if unit == PERCENT and (asked is not None or abs(value.value) < 1):
            return False  # 0.5% is not 0.5
        return close(value, wanted, rules.tolerance, rules.usual)

    def _based(self, given: str, gold: str) -> bool | None:
        mine, right = reading.in_base(given), reading.in_base(gold)
        if mine is None and right is None:
            return None
        return mine is not None and mine == right

    def _families(self, given: str, gold: str) -> bool | None:
        mine, right = parameters.families(given), parameters.families(gold)
        if right is None:
            return None
        if mine is None:
            value = given.rpartition("=")[2].strip()
            mine = ([value], right[1])
        if parameters.same_families(mine, right):
            return True
        return False if len(mine[0]) == len(right[0]) == 1 else None

    def _ranges(self, given: str, gold: str) -> bool | None:
        strict = (ranges.is_interval(given), ranges.is_interval(gold))
        if not any(strict) or meaning(given) == "none" or meaning(gold) == "none":
            return None
        mine, right = (
            ranges.ranges(reading.all_numbers(given)),
            ranges.ranges(reading.all_numbers(gold)),
        )
        if mine is not None and right is not None:
            return ranges.same_ranges(mine, right, self._inner, symbolic.as_float)
        if (strict[0] and mine is not None) or (strict[1] and right is not None):
            other = given if right is not None and strict[1] else gold
            relation = ranges.is_relation(other) or "=" in other or "|" in other
            return None if relation else False
        return None

    def _lists(self, given: str, gold: str) -> bool | None:
        mine, right = reading.entries(given), reading.entries(gold)
        if mine is None and right is None:
            return None
        tuple_mine, tuple_right = reading.row(given), reading.row(gold)
        names = named(pieces(given)), named(pieces(gold))
        if names[0] is not None or names[1] is not None:
            return self._named(names, given, gold)
        if tuple_right is not None and mine is not None:
            return self._ordered(mine, list(tuple_right))
        if tuple_mine is not None and right is not None and len(right) > 1:
            ordered = self._ordered(list(tuple_mine), right)
            return ordered or self._unordered(list(tuple_mine), right)
        if mine is None and right is not None and re.fullmatch(r"\d{1,3}(?:,\d{3})+", given):
            mine = given.split(",")  # 60,120 beside 60^\circ, 120^\circ
        mine = [given] if mine is None else mine
        right = [gold] if right is None else right
        if len(right) > 1 and matrix(given) is not None:
            return None
        if self._unordered(mine, right):
            return True
        if len(mine) == len(right) == 1:
            return None
        return self._as_group(gold, right, mine)

    def _as_group(self, gold: str, right: list[str], mine: list[str]) -> bool | None:
        """Return whether a right answer written like ``100,200`` is a list after all."""
        if len(right) == 1 and re.fullmatch(r"\d{1,3}(?:,\d{3})+", gold):
            return self._unordered(mine, gold.split(","))
        return False

    def _named(
        self, names: tuple[dict[str, str] | None, dict[str, str] | None], given: str, gold: str
    ) -> bool | None:
        mine, right = names
        if mine is not None and right is not None:
            if set(mine) != set(right):
                return False
            return all(self._inner(mine[name], right[name]) for name in right)
        held = mine or right or {}
        values = [held[name] for name in sorted(held)]
        other = gold if mine is not None else given
        entries = reading.row(other) or reading.entries(reading.value_side(other))
        if entries is None or len(entries) != len(values):
            return None if "=" in other else False
        pair = (values, list(entries)) if mine is not None else (list(entries), values)
        return self._ordered(*pair)

    def _ordered(self, mine: list[str], right: list[str]) -> bool:
        return len(mine) == len(right) <= MOST_ENTRIES and all(
            self._inner(a, b) for a, b in zip(mine, right, strict=True)
        )

    def _unordered(self, mine: list[str], right: list[str]) -> bool:
        """Return whether each entry of either list is in the other."""
        if max(len(mine), len(right)) > MOST_ENTRIES or (len(mine) == 1) != (len(right) == 1):
            return False  # 2,2 is not 2
        left = list(right)
        for entry in mine:
            found = next((each for each in left if self._inner(entry, each)), None)
            if found is not None:
                left.remove(found)
            elif not any(self._inner(entry, each) for each in right):
                return False
        return all(any(self._inner(each, entry) for each in mine) for entry in left)

    def _arrays(self, given: str, gold: str) -> bool | None:
        given, gold = reading.value_side(given), reading.value_side(gold)
        mine, right = sequence(given), sequence(gold)
        if mine is not None and right is not None:
            return reading.same_brackets(mine, right) and self._ordered(
                list(mine.entries), list(right.entries)
            )
        rows, wanted = matrix(given), matrix(gold)
        if rows is not None and wanted is not None:
            if (len(rows), len(rows[0])) != (len(wanted), len(wanted[0])):
                return False
            if len(rows) * len(rows[0]) > MOST_ENTRIES:
                return None
            return all(self._ordered(list(a), list(b)) for a, b in zip(rows, wanted, strict=True))
        entries = mine.entries if mine is not None else vector(given)
        asked = right.entries if right is not None else vector(gold)
        if entries is not None and asked is not None:
            return self._ordered(list(entries), list(asked))
        if mine is not None or rows is not None:
            return False if reading.quantity(gold, letters=True) is not None else None
        return None

    def _equations(self, given: str, gold: str) -> bool | None:
        mine, right = sides(given), sides(gold)
        if len(mine) == 1 and len(right) == 1:
            return None
        if not all(mine):
            return False
        if len(right) == 2 and is_name(right[0]) and is_name(mine[0]) and len(mine) > 1:
            first, second = squeezed(mine[0]), squeezed(right[0])
            if len(first) == len(second) == 1 and first != second:
                return False
        if len(mine) == len(right) == 2 and not is_name(mine[0]):
            return None
        if len(mine) > 1 and reading.is_equation(right):
            return None if len(mine) == 2 else False
        value = right[-1] if len(right) > 1 and (is_name(right[0]) or len(right) > 2) else gold
        if len(mine) == 1:
            return self._inner(given, value) if value != gold else None
        return self._chain(mine, value)

    def _chain(self, parts: list[str], gold: str) -> bool:
        """Return whether the end of a chain of equals signs is right, and no link of it is false.

        Its first side may be a name; ``5 = x`` ends in one.
        """
        if is_name(parts[-1]) and not is_name(parts[0]):
            parts = parts[:-1]
        elif is_name(parts[0]) or (len(parts) == 2 and not reading.is_constant(parts[0])):
            parts = parts[1:]
        if len(parts) > 8 or not self._inner(parts[-1], gold):
            return False
        return all(self._inner(a, b) for a, b in pairwise(parts))

    def _expressions(self, given: str, gold: str) -> bool:
        (mine, unit), (right, asked) = (
            without_unit(given, letters=False),
            without_unit(gold, letters=False),
        )
        if PERCENT in (unit, asked) and unit != asked:
            unit = asked = None
        mine, right = reading.in_radians(mine, unit, right, asked)
        if unit != asked and DEGREE not in (unit, asked):
            times = factor(unit, asked)
            if times is None:
                return False
            if times != 1:
                mine = f"({mine}) \\cdot \\frac{{{times.numerator}}}{{{times.denominator}}}"
        if symbolic.same_value(mine, right, self.rules.tolerance or self.rules.usual):
            return True
        renamed = parameters.renamed_constant(mine, right)
        return renamed is not None and symbolic.same_value(renamed, right, self.rules.usual)
