"""Worked solutions for objectives that mix imitation into reinforcement."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from etude.data_mix.form import Form
from etude.data_mix.interleave import interleaved
from etude.data_mix.share import OpenShare, prompt_key
from etude.errors import DataError
from etude.randomness import seed_of
from etude.rows import Example

#: The column that holds a demonstration, under the name recipes use.
COLUMN = "solution"


class WorkedSolutions:
    """The worked solution of a prompt, and a stream of solved problems of its own.

    ``parts`` hold the solutions. ``matched`` says that they are other rows than those trained on:
    a prompt's solution is then that of the row that reads the same.
    """

    def __init__(self, parts: Sequence[OpenShare], form: Form, seed: int, *, matched: bool) -> None:
        self._parts = list(parts)
        self._form = dataclasses.replace(form, response=None)
        self._matched = matched
        self._order = (
            interleaved(self._parts, seed_of("demonstrations", seed) >> 1, shuffle=True)
            if self._parts
            else None
        )

    def of(self, example: Example) -> str | None:
        """Return the worked solution of an example, None when it has none."""
        if not self._matched:
            return _text(example.columns.get(COLUMN))
        found = self._places.get(prompt_key(str(example.columns.get("prompt", ""))))
        return None if found is None else _text(self._parts[found[0]].row(found[1]).get(COLUMN))

    def next(self, count: int) -> list[Example]:
        """Return the next ``count`` solved problems, solutions as their responses.

        Rows without a solution are passed over; raises DataError when there is no other.
        """
        if self._order is None:
            raise DataError("data_mix.train is empty: there is nothing to demonstrate")
        rows: list[Example] = []
        passed = 0  # one after another
        every = sum(len(part) for part in self._parts)
        while len(rows) < count:
            part, position = self._order.draw()
            example = self._form.example(self._parts[part], position)
            text = _text(example.columns.get(COLUMN))
            if text is not None:
                rows.append(dataclasses.replace(example, response=text))
                passed = 0
                continue
            passed += 1
            if passed > 2 * every:  # each pass has an order of its own
                raise DataError(
                    f"no row has a worked solution: the column {COLUMN} is missing or empty in all "
                    "of them; map one (sources.NAME.columns.solution=COLUMN) or name a source "
                    "that has them (data_mix.demonstrations.SOURCE='{}')"
                )
        return rows

    @cached_property
    def _places(self) -> dict[int, tuple[int, int]]:
        """Return prompt key → (part, position); the first of rows that read the same."""
        places: dict[int, tuple[int, int]] = {}
        for number, part in enumerate(self._parts):
            for position, key in enumerate(part.prompt_keys()):
                places.setdefault(int(key), (number, position))
        return places

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream of solved problems stands."""
        return self._order.state_dict() if self._order else {"counts": {}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` was taken; raises ValueError for other parts."""
        if self._order is not None:
            self._order.load_state_dict(state)


def _text(value: Any) -> str | None:
    return str(value) if value not in (None, "") else None
