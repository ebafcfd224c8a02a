"""The arithmetic problems of each level of difficulty, numbered, and how each is worked out.

A level is a space of problems: every integer code below its size is one expression (mixed radix
over operations and operands). Operand ranges differ from level to level, so no expression belongs
to two levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """One level of difficulty: which operations stand between which ranges of operands.

    ``operands`` are inclusive ranges; one operation stands between each two neighbours.
    """

    operations: tuple[str, ...]
    operands: tuple[tuple[int, int], ...]
    doc: str

    @property
    def size(self) -> int:
        """Return the number of codes; those that :meth:`valid` refuses included."""
        total = 1
        for operations in self.operations:
            total *= len(operations)
        for low, high in self.operands:
            total *= high - low + 1
        return total

    def split_codes(self, codes: Codes) -> tuple[list[Codes], list[Codes]]:
        """Return operation indices (one array a gap) and operands (one array a place)."""
        rest = codes
        operations: list[Codes] = []
        operands: list[Codes] = []
        for choices in self.operations:
            rest, index = np.divmod(rest, len(choices))
            operations.append(index)
        for low, high in self.operands:
            rest, offset = np.divmod(rest, high - low + 1)
            operands.append(low + offset)
        return operations, operands

    def valid(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which codes are problems: no step may give a negative number."""
        operations, operands = self.split_codes(codes)
        value = operands[0]
        fine = np.ones(codes.shape, dtype=bool)
        for choices, index, operand in zip(self.operations, operations, operands[1:], strict=True):
            symbols = np.array(list(choices))[index]
            value = np.where(
                symbols == "+",
                value + operand,
                np.where(symbols == "-", value - operand, value * operand),
            )
            fine &= value >= 0
        return fine

    def expression(self, code: int) -> Expression:
        """Return the expression with this code."""
        operations, operands = [], []
        for choices in self.operations:
            code, index = divmod(code, len(choices))
            operations.append(choices[index])
        for low, high in self.operands:
            code, offset = divmod(code, high - low + 1)
            operands.append(low + offset)
        return Expression(tuple(operands), tuple(operations))

    def code(self, expression: Expression) -> int | None:
        """Return the code of an expression, None where it is of no problem of this level."""
        if len(expression.operations) != len(self.operations):
            return None
        code, radix = 0, 1
        for choices, symbol in zip(self.operations, expression.operations, strict=True):
            if symbol not in choices:
                return None
            code += radix * choices.index(symbol)
            radix *= len(choices)
        for (low, high), operand in zip(self.operands, expression.operands, strict=True):
            if not low <= operand <= high:
                return None
            code += radix * (operand - low)
            radix *= high - low + 1
        return code


@dataclass(frozen=True)
class Expression:
    """Operands and the operations between them, evaluated from left to right."""

    operands: tuple[int, ...]
    operations: tuple[str, ...]

    def __str__(self) -> str:
        pairs = zip(self.operations, self.operands[1:], strict=True)
        return str(self.operands[0]) + "".join(f"{symbol}{operand}" for symbol, operand in pairs)

    def partial_values(self) -> list[int]:
        """Return the value after each operation."""
        value = self.operands[0]
        values = []
        for symbol, operand in zip(self.operations, self.operands[1:], strict=True):
            value = APPLY[symbol](value, operand)
            values.append(value)
        return values

    @property
    def answer(self) -> int:
        """Return the value of the whole expression."""
        return self.partial_values()[-1]

    def steps(self) -> list[str]:
        """Return the worked steps, each an equation (``7+8=15``) a small model can learn.

        One operation is done digit by digit; several are done one whole operation at a time.
        """
        if len(self.operations) > 1:
            before = self.operands[0]
            lines = []
            for symbol, operand, value in zip(
                self.operations, self.operands[1:], self.partial_values(), strict=True
            ):
                lines.append(f"{before}{symbol}{operand}={value}")
                before = value
            return lines
        return list(BY_DIGITS[self.operations[0]](*self.operands))


def _digits(number: int) -> list[int]:
    return [int(digit) for digit in reversed(str(number))]


def _addition(left: int, right: int) -> Iterator[str]:
    lefts, rights = _digits(left), _digits(right)
    carry = 0
    for place in range(max(len(lefts), len(rights))):
        terms = [digits[place] for digits in (lefts, rights) if place < len(digits)]
        terms += [carry] if carry else []
        total = sum(terms)
        if len(terms) > 1:
            yield f"{'+'.join(map(str, terms))}={total}"
        carry = total // 10


def _subtraction(left: int, right: int) -> Iterator[str]:
    rights = _digits(right)
    borrow = 0
    for place, digit in enumerate(_digits(left)):
        top = digit - borrow
        if place >= len(rights):
            if borrow:
                yield f"{digit}-1={(digit - 1) % 10}"
            borrow = int(top < 0)
            continue
        borrow = int(top < rights[place])
        top += 10 * borrow
        yield f"{top}-{rights[place]}={top - rights[place]}"


def _multiplication(left: int, right: int) -> Iterator[str]:
    if right < 10:
        carry = 0
        for digit in _digits(left):
            total = digit * right + carry
            yield f"{digit}*{right}{f'+{carry}' if carry else ''}={total}"
            carry = total // 10
        return
    units, tens = right % 10, right - right % 10
    yield f"{left}*{units}={left * units}"
    yield f"{left}*{tens}={left * tens}"
    yield f"{left * units}+{left * tens}={left * right}"


APPLY: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
}

BY_DIGITS: dict[str, Callable[[int, int], Iterator[str]]] = {
    "+": _addition,
    "-": _subtraction,
    "*": _multiplication,
}

LEVELS: tuple[Level, ...] = (
    Level(("+-",), ((10, 99), (1, 9)), "two digits plus or minus one digit"),
    Level(("+-",), ((10, 99), (10, 99)), "two digits plus or minus two digits"),
    Level(("+-",), ((100, 999), (10, 99)), "three digits plus or minus two digits"),
    Level(("*",), ((10, 99), (2, 9)), "two digits times one digit"),
    Level(("+-",), ((100, 999), (100, 999)), "three digits plus or minus three digits"),
    Level(("+-", "+-"), ((10, 99), (10, 99), (10, 99)), "three two-digit numbers, two steps"),
    Level(("*",), ((100, 999), (2, 9)), "three digits times one digit"),
    Level(("*", "+-"), ((10, 99), (2, 9), (10, 99)), "a product, then a sum or a difference"),
    Level(("*",), ((10, 99), (11, 99)), "two digits times two digits"),
)


def level_of(expression: Expression) -> tuple[int, int] | None:
    """Return (level, code) of an expression, None where it belongs to no level."""
    for number, level in enumerate(LEVELS, 1):
        code = level.code(expression)
        if code is not None:
            return number, code
    return None
