"""Arithmetic problems by continuous parameters: how many numbers, how large, how often a product.

    numbers of a problem    ⌊terms⌋ or one more, terms on average
    a number                uniform among the integers from 10^(digits − 1) to 10^digits − 1
    first operation         a product with probability ``products``

All other operations are sums and differences, whichever falls, and a sum where a difference would
be negative. Difficulty is continuous in all three, so a curriculum may move by any amount.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from etude.sources.arithmetic_levels import APPLY, Expression
from etude.sources.made import within

#: Parameter → (least value, greatest value).
PARAMETERS: Mapping[str, tuple[float, float]] = {
    "terms": (2.0, 12.0),
    "digits": (1.0, 6.0),
    "products": (0.0, 1.0),
}

#: The value of a parameter that is not given.
USUAL: Mapping[str, float] = {"terms": 2.0, "digits": 2.0, "products": 0.0}


def checked(parameters: Mapping[str, float]) -> dict[str, float]:
    """Return all parameters; raises DataError for one that there is not or that is out of range."""
    return {**USUAL, **within(PARAMETERS, parameters, "arithmetic")}


def problems(parameters: Mapping[str, float], random: np.random.Generator) -> Iterator[Expression]:
    """Yield problems of the given parameters, all of which must be there.

    They have one form, drawn once: leaving some of them out makes no number of terms more frequent.
    """
    terms = math.floor(parameters["terms"] + random.random())
    product = random.random() < parameters["products"]
    low = round(10 ** (parameters["digits"] - 1))
    high = max(low, round(10 ** parameters["digits"]) - 1)
    while True:
        operands = [int(number) for number in random.integers(low, high + 1, terms)]
        operations = ["*"] if product else []
        value = operands[0]
        for place, operand in enumerate(operands[1:]):
            if place == len(operations):
                minus = random.random() < 0.5 and value >= operand
                operations.append("-" if minus else "+")
            value = APPLY[operations[place]](value, operand)
        yield Expression(tuple(operands), tuple(operations))
