"""What is known of rows from the answers they had: shares of correct ones, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from etude.data_mix.row_table import RowTable
from etude.live import Live, Tree
from etude.rows import Outcome

if TYPE_CHECKING:
    from etude.feedback import RowRecord, StepFeedback

#: How many generated rows are remembered where nothing else is said.
GENERATED = 100_000


@dataclass(frozen=True)
class Visits:
    """What is known of one row: correct and judged answers in all visits and in the last one.

    A visit is a step in which at least one of its answers was judged; ``step`` is the last, −1
    where that was in an earlier stage.
    """

    correct: int = 0
    judged: int = 0
    last_correct: int = 0
    last_judged: int = 0
    visits: int = 0
    step: int = 0

    @property
    def pass_rate(self) -> float:
        """Return the share of correct answers among all that were judged."""
        return self.correct / self.judged

    @property
    def last_pass_rate(self) -> float:
        """Return the share of correct answers in the last visit."""
        return self.last_correct / self.last_judged

    def after(self, correct: int, judged: int, step: int) -> Visits:
        """Return what is known after a further visit."""
        return Visits(
            self.correct + correct, self.judged + judged, correct, judged, self.visits + 1, step
        )


#: The step of a visit in an earlier stage.
BEFORE = -1

#: The numbers of a row, which :meth:`History.column` has of all.
COLUMNS = tuple(field.name for field in fields(Visits))


class History(Live, Mapping[str, Visits]):
    """Row id → what is known of it; a row that was never judged has no entry.

    An answer that the verifier failed on counts nowhere. All sampled answers that were judged
    count, whatever a filter or a selection made of them. Rows of sources keep their place in the
    arrays of :meth:`column` for good. Of rows that a source generated on demand at most
    ``generated`` are remembered, apart from them: the one whose last visit is longest ago leaves
    first.
    """

    def __init__(self, generated: int = GENERATED) -> None:
        self._limit = generated
        self._table = RowTable(COLUMNS)
        self._made: dict[str, Visits | None] = {}  # last visited last; None before the first

    def __getitem__(self, row: str) -> Visits:
        place = self.places.get(row)
        if place is not None:
            return Visits(*self._table.of(place))
        visits = self._made.get(row)
        if visits is None:
            raise KeyError(row)
        return visits

    def __iter__(self) -> Iterator[str]:
        yield from self.places
        yield from self.generated

    def __len__(self) -> int:
        return len(self._table) + len(self.generated)

    @property
    def places(self) -> dict[str, int]:
        """Return the id of every row of a source that was judged → its place in columns."""
        return self._table.places

    def column(self, name: str) -> NDArray[np.int32]:
        """Return a number of :class:`Visits` of all these rows, in the order of their places."""
        return self._table.column(name)

    @property
    def generated(self) -> Mapping[str, Visits]:
        """Return what is known of rows that were made on demand."""
        return {row: visits for row, visits in self._made.items() if visits is not None}

    def note_generated(self, rows: Iterable[str]) -> None:
        """Be told which ids belong to generated rows, before their answers are judged.

        One that is known already as a row of a source stays one.
        """
        for row in rows:
            if row not in self.places:
                self._made[row] = self._made.pop(row, None)

    def observe(self, feedback: StepFeedback) -> None:
        """Learn from the judged answers of a step."""
        for row, (right, judged) in visited(feedback.rows).items():
            if row in self._made:
                before = self._made[row] or Visits()
                self._made[row] = before.after(right, judged, feedback.step)
                continue
            place = self._table.add(row)
            seen = Visits(*self._table.of(place)).after(right, judged, feedback.step)
            self._table.put(place, astuple(seen))
        while len(self._made) > self._limit:
            del self._made[next(iter(self._made))]

    def metrics(self) -> dict[str, float]:
        """Return how many rows are known, and the mean of their shares of correct answers."""
        if not len(self):
            return {}
        rates = self.column("correct") / self.column("judged")
        total = float(rates.sum()) + sum(visits.pass_rate for visits in self.generated.values())
        return {"rows": float(len(self)), "pass_rate": total / len(self)}

    def state_dict(self) -> Tree:
        """Return every row's numbers, in the order in which rows were first judged."""
        made = {row: v and list(astuple(v)) for row, v in self._made.items()}
        return {**self._table.state_dict(), "generated": made}

    def take_up(self, state: dict[str, Any]) -> None:
        """Begin with what the :meth:`state_dict` of an earlier stage knew; all of it was before."""
        self.load_state_dict(state)
        self.column("step")[:] = BEFORE
        known = self._made.items()
        self._made = {row: v and replace(v, step=BEFORE) for row, v in known}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self._table.load_state_dict(state)
        self._made = {row: v and Visits(*map(int, v)) for row, v in state["generated"].items()}


def visited(rows: Iterable[RowRecord]) -> dict[str, tuple[int, int]]:
    """Return row id → (correct answers, judged ones), of rows with judged answers."""
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row.outcome is not None and not row.outcome.failed:
            right, judged = found.get(row.id, (0, 0))
            found[row.id] = right + (row.outcome is Outcome.CORRECT), judged + 1
    return found
