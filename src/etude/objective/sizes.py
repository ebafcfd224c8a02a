"""How many answers each prompt of a step gets: one number for all, one for each, or in rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import overload

from etude.rows import Row

#: A number of answers for every prompt, or one for each of them in order.
Size = int | Sequence[int]

#: Answers by prompt → how many each gets beside them; nothing where it is enough.
More = Callable[[list[list[Row]]], Sequence[int]]

#: Places of prompts, and how many answers each gets → the answers.
Ask = Callable[[list[int], list[int]], list[list[Row]]]


class Rounds(Sequence[int]):
    """Numbers of answers, one a prompt, that grow as answers come.

    At first they are those of the first round. Whoever is asked for so many answers asks for them
    with :meth:`play`, and from then on they are what each prompt came to.
    """

    def __init__(self, first: Sequence[int], more: More) -> None:
        self._counts = list(first)
        self._more: More | None = more

    @overload
    def __getitem__(self, place: int) -> int: ...

    @overload
    def __getitem__(self, place: slice) -> list[int]: ...

    def __getitem__(self, place: int | slice) -> int | list[int]:
        """Return the number of answers of a prompt."""
        return self._counts[place]

    def __len__(self) -> int:
        return len(self._counts)

    def play(self, ask: Ask) -> list[list[Row]]:
        """Return the answers to every prompt, asked for round by round.

        Played again, as many are asked for at once as there were the first time.
        """
        more, self._more = self._more, None
        groups = ask(list(range(len(self))), list(self._counts))
        while more is not None:
            counts = more(groups)
            asked = [place for place, count in enumerate(counts) if count]
            if not asked:
                break
            found = ask(asked, [counts[place] for place in asked])
            for place, rows in zip(asked, found, strict=True):
                groups[place] += rows
                self._counts[place] += counts[place]
        return groups

    def fewer(self, by: int) -> Size:
        """Return the same with so many answers less in the first round."""
        counts = [count - by for count in self._counts]
        return counts if self._more is None else Rounds(counts, self._more)


def sizes_of(size: Size, prompts: int) -> list[int]:
    """Return the number of answers of each of so many prompts."""
    return [size] * prompts if isinstance(size, int) else list(size)


def of_some(size: Size, places: Iterable[int]) -> Size:
    """Return the size of the prompts at some places."""
    return size if isinstance(size, int) else [size[place] for place in places]


def fewer(size: Size, by: int) -> Size:
    """Return the size with so many answers less for each prompt."""
    if isinstance(size, int):
        return size - by
    return size.fewer(by) if isinstance(size, Rounds) else [each - by for each in size]
