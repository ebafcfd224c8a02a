"""Drawing rows from a mix until enough of them can be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from etude.data_mix.stream import Stream
from etude.errors import DataError
from etude.rows import Example

Usable = TypeVar("Usable")


def draw_usable(
    stream: Stream, count: int, make: Callable[[Example], Usable | None], none_fits: str
) -> tuple[list[Usable], int]:
    """Return the next ``count`` rows that ``make`` can use, and how many it left out.

    ``make`` returns None for a row that is left out. Raises DataError with the message
    ``none_fits`` when more rows than the mix holds were left out.
    """
    found: list[Usable] = []
    left_out = 0
    while len(found) < count:
        for example in stream.next(count - len(found)):
            made = make(example)
            if made is None:
                left_out += 1
            else:
                found.append(made)
        if left_out > max(stream.size, count):
            raise DataError(none_fits)
    return found, left_out
