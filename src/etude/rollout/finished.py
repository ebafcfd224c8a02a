"""Rows as they are finished: made at once, and judged while others are still sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from etude.rows import Candidate, Row, Sampled
from etude.verifier.interface import Ahead, Judge


class Expecting(Protocol):
    """Who has rows judged, and may begin before it is asked to."""

    @property
    def expects(self) -> bool:
        """Return whether there is anybody who can begin."""

    def expect(self, rows: Sequence[Row]) -> None:
        """Begin to judge rows that will be verified as they are."""

    def go_on(self) -> None:
        """Do what is to be done about them without waiting for anything."""


class Finished:
    """Makes rows of what an engine tells of (:class:`~etude.rollout.engine.Watch`)."""

    def __init__(self, judging: Expecting, make: Callable[[int, Sampled], Row]) -> None:
        self._judging = judging
        self._make = make
        self._rows: dict[int, Row] = {}

    def row(self, place: int, answer: Sampled) -> Row:
        """Return the row of what was sampled for the request at a place, all of it known by now."""
        row = self._rows.get(place) or self._make(place, answer)
        row.behaviour = row.behaviour or answer.combined
        return row

    def ended(self, found: Sequence[tuple[int, Sampled]]) -> None:
        """Make rows of what has ended, and have them judged."""
        rows = {place: self._make(place, answer) for place, answer in found}
        self._rows |= rows
        self._judging.expect(list(rows.values()))

    def meanwhile(self) -> None:
        """Look after those that are being judged."""
        self._judging.go_on()


class Expected:
    """What judges were told of rows before they are asked about them."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Row, Candidate]] = {}
        self._texts: dict[tuple[Any, ...], str] = {}

    def rendered(self, model: Any, prompt: tuple[int, ...]) -> str:
        """Return a prompt as a model reads it, as text; answers to one prompt share it."""
        key = (id(model), prompt)
        if key not in self._texts:
            self._texts[key] = model.rendered(prompt)
        return self._texts[key]

    def tell(self, judge: Judge, rows: Sequence[Row], candidates: Sequence[Candidate]) -> None:
        """Have a judge begin with rows, which it sees as candidates."""
        if isinstance(judge, Ahead):
            pairs = zip(rows, candidates, strict=True)
            self._known |= {id(row): (row, candidate) for row, candidate in pairs}
            judge.expect(candidates)

    def of(self, row: Row, candidate: Candidate) -> Candidate:
        """Return the candidate that a judge was told of a row, or this one where it is another.

        An episode may have changed a row since.
        """
        _, known = self._known.pop(id(row), (row, candidate))
        return known if known == candidate else candidate

    def forget(self) -> None:
        """Forget what was told: judges have been asked."""
        self._known.clear()
        self._texts.clear()
