"""Problems of Countdown, made from their solution: numbers, a target, and the way there."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

#: How tightly the operations of a formula bind; a number alone binds tightest.
_SUM, _PRODUCT, _NUMBER = 1, 2, 3


@dataclass(frozen=True)
class Problem:
    """Numbers in the order they are shown, the target, a formula for it and its operations."""

    numbers: tuple[int, ...]
    target: int
    formula: str
    steps: tuple[str, ...]

    @property
    def ident(self) -> str:
        """Return what the problem is known by."""
        return f"{'-'.join(map(str, self.numbers))}={self.target}"


@dataclass(frozen=True)
class _Part:
    """A part of a formula: its value, its text, and how tightly its last operation binds."""

    value: int
    text: str
    rank: int


def drawn(random: Random, count: int, largest: int) -> Problem:
    """Return a problem of ``count`` numbers from 1 to ``largest``, joined two at a time.

    Every value on the way is a positive whole number: a difference is taken from the larger of two,
    and a quotient only where it is whole.
    """
    numbers = tuple(random.randint(1, largest) for _ in range(count))
    parts = [_Part(number, str(number), _NUMBER) for number in numbers]
    steps: list[str] = []
    while len(parts) > 1:
        left = parts.pop(random.randrange(len(parts)))
        right = parts.pop(random.randrange(len(parts)))
        operators = ["+", "*"]
        if left.value > right.value:
            operators.append("-")
        if left.value % right.value == 0:
            operators.append("/")
        joined = _join(left, random.choice(operators), right)
        steps.append(f"{joined[0]}={joined[1].value}")
        parts.append(joined[1])
    return Problem(numbers, parts[0].value, parts[0].text, tuple(steps))


def _join(left: _Part, operator: str, right: _Part) -> tuple[str, _Part]:
    """Return an operation in numbers (``8*5``), and the part it makes of two others."""
    rank = _SUM if operator in "+-" else _PRODUCT
    first = left.text if left.rank >= rank else f"({left.text})"
    # What stands behind - or / binds tighter than it, or changes its meaning.
    tight = right.rank > rank or (right.rank == rank and operator in "+*" and "/" not in right.text)
    second = right.text if tight else f"({right.text})"
    value = {
        "+": left.value + right.value,
        "-": left.value - right.value,
        "*": left.value * right.value,
        "/": left.value // right.value,
    }[operator]
    return f"{left.value}{operator}{right.value}", _Part(value, first + operator + second, rank)
