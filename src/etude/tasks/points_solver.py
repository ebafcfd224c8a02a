"""All solutions of a hand of cards: formulas of every number once that have the target's value.

The forms are those of the published enumeration (arXiv 2510.00237): every order of the numbers,
every choice of operators, and no brackets, one pair around some of the operands, or for the first
four of them the two pairs ``(a·b)·(c·d)``. Deeper brackets are left out, so a hand without a
solution here may have one.

A form is the tree that precedence makes of it. All orders of all hands are evaluated at once, in
doubles, each part of a tree once; what comes near the target is then evaluated in exact fractions,
which alone decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from etude.tasks.formula import NoValue, exact_value, tokens

#: How far doubles may be from the exact value: parts of a formula of small numbers that are not 0
#: are larger than this by orders of magnitude, and rounding is smaller by orders.
_NEAR = 1e-6

#: Hands that are evaluated at once, and steps before those that have a solution are left out.
_HANDS = 128
_BLOCK = 400

#: A number's place, or (operator, left, right).
Tree = int | tuple[str, "Tree", "Tree"]

_APPLY = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}


@dataclass(frozen=True)
class Forms:
    """All forms with so many numbers: texts such as ``({0}+{1})*{2}-{3}`` and how to evaluate them.

    ``steps`` are (operator, left, right), where a side is the place of a number, or the number of
    numbers and the place of an earlier step. Several texts may be one step's; numbers alone are
    none's.
    """

    count: int
    steps: tuple[tuple[str, int, int], ...]
    texts: tuple[tuple[str, ...], ...]


@cache
def forms(count: int) -> Forms:
    """Return all forms with so many numbers, at least two."""
    places: dict[Tree, int] = {}
    steps: list[tuple[str, int, int]] = []
    texts: list[list[str]] = []

    def place_of(tree: Tree) -> int:
        if isinstance(tree, int):
            return tree
        if tree not in places:
            operator, left, right = tree
            steps.append((operator, place_of(left), place_of(right)))
            texts.append([])
            places[tree] = count + len(steps) - 1
        return places[tree]

    for operators in product("+-*/", repeat=count - 1):
        for pairs in _brackets(count):
            opened = {start: "(" for start, _ in pairs}
            closed = {end: ")" for _, end in pairs}
            pieces = [f"{opened.get(n, '')}{{{n}}}{closed.get(n, '')}" for n in range(count)]
            ends = [*operators, ""]
            text = "".join(piece + end for piece, end in zip(pieces, ends, strict=True))
            texts[place_of(_tree(operators, pairs, 0, count - 1)) - count].append(text)
    return Forms(count, tuple(steps), tuple(map(tuple, texts)))


def solutions(numbers: Sequence[int], target: int) -> tuple[str, ...]:
    """Return all solutions of a hand, which are the same for every order of it."""
    return _solutions(tuple(sorted(numbers)), target)


@lru_cache(maxsize=4096)
def _solutions(numbers: tuple[int, ...], target: int) -> tuple[str, ...]:
    known, orders = forms(len(numbers)), _orders(np.array([numbers]))
    near = np.abs(np.stack(_values(known, orders, len(known.steps))) - target) < _NEAR
    found: dict[str, None] = {}
    for step, place in zip(*np.nonzero(near), strict=True):
        written = [text.format(*orders[place]) for text in known.texts[step]]
        if written and written[0] not in found and _is_solution(written[0], target):
            found.update(dict.fromkeys(written))
    return tuple(found)


def solvable(hands: NDArray[np.int64], target: int) -> NDArray[np.bool_]:
    """Tell which hands, ``[H, n]``, have a solution."""
    alike, which = np.unique(np.sort(hands, axis=1), axis=0, return_inverse=True)
    pieces = [_solvable(alike[at : at + _HANDS], target) for at in range(0, len(alike), _HANDS)]
    return np.concatenate([np.zeros(0, dtype=bool), *pieces])[which.reshape(-1)]


def _solvable(hands: NDArray[np.int64], target: int) -> NDArray[np.bool_]:
    known = forms(hands.shape[1])
    has = np.zeros(len(hands), dtype=bool)
    done = 0
    while done < len(known.steps) and not has.all():
        left = np.flatnonzero(~has)
        orders = _orders(hands[left])
        begun, done = done, min(done + _BLOCK, len(known.steps))
        values = _values(known, orders, done)
        for step in range(begun, done):
            if not known.texts[step]:
                continue
            for place in np.flatnonzero(np.abs(values[step] - target) < _NEAR):
                hand = left[place * len(left) // len(orders)]
                if not has[hand]:
                    has[hand] = _is_solution(known.texts[step][0].format(*orders[place]), target)
    return has


def _is_solution(text: str, target: int) -> bool:
    """Tell whether a formula that comes near the target has exactly its value."""
    if "/" not in text:
        return True  # whole numbers as small as these are exact in doubles
    found = tokens(text)
    try:
        return found is not None and exact_value(found) == Fraction(target)
    except NoValue:
        return False


def _values(known: Forms, orders: NDArray[np.int64], steps: int) -> list[NDArray[np.float64]]:
    """Return the values of the first steps for each of the orders, ``[N, n]``."""
    values = list(orders.T.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for operator, left, right in known.steps[:steps]:
            values.append(_APPLY[operator](values[left], values[right]))
    return values[known.count :]


def _orders(hands: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return every order of every hand, ``[H · n!, n]``, those of a hand together."""
    places = np.array(list(permutations(range(hands.shape[1]))))
    return hands[:, places].reshape(-1, hands.shape[1])


def _brackets(count: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield the pairs of brackets of each form: (first number inside, last one)."""
    yield ()
    for first in range(count):
        for last in range(first + 1, count):
            if (first, last) != (0, count - 1):
                yield ((first, last),)
    if count >= 4:
        yield ((0, 1), (2, 3))


def _tree(
    operators: Sequence[str], pairs: Sequence[tuple[int, int]], first: int, last: int
) -> Tree:
    """Return the tree of the numbers first to last: products before sums, left before right."""
    operands: list[Tree] = []
    between: list[str] = []
    place = first
    while place <= last:
        end = next((e for s, e in pairs if s == place and (s, e) != (first, last)), place)
        operands.append(place if end == place else _tree(operators, (), place, end))
        if end < last:
            between.append(operators[end])
        place = end + 1
    for rank in ("*/", "+-"):
        place = 0
        while place < len(between):
            if between[place] in rank:
                operands[place : place + 2] = [
                    (between.pop(place), operands[place], operands[place + 1])
                ]
            else:
                place += 1
    (tree,) = operands
    return tree
