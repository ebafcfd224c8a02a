"""An opened mix: the next examples to train on, the held-out ones, and what was found in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etude.data_mix.choosing import Chooser, Chosen, Made
from etude.data_mix.demonstrations import WorkedSolutions
from etude.data_mix.draw import Draw
from etude.data_mix.form import Form
from etude.data_mix.history import History
from etude.data_mix.interleave import interleaved, own_weights
from etude.data_mix.known import Numbers
from etude.data_mix.mixing.kind import Mixing
from etude.data_mix.share import OpenShare
from etude.errors import DataError, StageError
from etude.feedback import StepFeedback
from etude.rows import Example

#: Held-out rows are chosen and ordered alike in every run, so that runs can be compared in pairs.
HELD_OUT_SEED = 0


@dataclass(frozen=True)
class Findings:
    """What opening the mix found: rows in each part, duplicates dropped, overlap with held-out.

    ``overlap`` counts training rows whose prompt is also held out; ``removed`` says whether they
    were dropped. ``filtered`` are the numbers of the filters, by the name a log has for them.
    """

    train: Mapping[str, int]
    held_out: Mapping[str, int]
    duplicates: int = 0
    overlap: int = 0
    removed: bool = False
    filtered: Mapping[str, float] = field(default_factory=dict)

    def warnings(self) -> list[str]:
        """Return what a person should know, as sentences; empty when there is nothing."""
        if not self.overlap:
            return []
        done = (
            "they were dropped from training"
            if self.removed
            else "an evaluation on them is no measure of skill; data_mix.overlap=remove drops them"
        )
        total = sum(self.train.values()) + (self.overlap if self.removed else 0)
        return [f"{self.overlap} of {total} training rows have a held-out prompt: {done}"]


class Stream:
    """The rows of a mix in an order that only the seed decides, or as a draw asks for them.

    The order does not depend on how many rows are asked for at a time, and the state is a few
    integers. ``history`` is what draws know of rows.
    """

    def __init__(
        self,
        train: list[OpenShare],
        held_out: list[OpenShare],
        form: Form,
        findings: Findings,
        demonstrations: WorkedSolutions,
        *,
        seed: int,
        shuffle: bool,
        measured: Form | None = None,
        history: History | None = None,
        mixing: Mixing | None = None,
    ) -> None:
        self._train = train
        self._held_out = held_out
        self._form = form
        self._measured = measured or form
        self.findings = findings
        self.demonstrations = demonstrations
        self.history = History() if history is None else history
        self._mixing = mixing
        self._order = interleaved(train, seed, shuffle=shuffle) if train else None
        self._mix(0.0)
        self._chooser = (
            Chooser(train, self._order, self.history, seed) if self._order is not None else None
        )

    @property
    def size(self) -> int:
        """Return the number of rows of all training parts."""
        return sum(len(part) for part in self._train)

    @property
    def drawn(self) -> int:
        """Return how many rows were handed out since the beginning."""
        return self._order.drawn if self._order else 0

    @property
    def epoch(self) -> int:
        """Return how many times as many rows as the mix holds were handed out."""
        return self.drawn // self.size if self.size else 0

    @property
    def counts(self) -> dict[str, int]:
        """Return how many rows of each part were handed out."""
        return self._order.counts if self._order else {}

    def observe(self, feedback: StepFeedback) -> None:
        """Mix the parts for the next step as that point of the stage asks for."""
        self._mix((feedback.step + 1) / feedback.steps)

    def metrics(self) -> dict[str, float]:
        """Return the parts' shares of the next step, where they are not simply their weights."""
        if self._order is None or not self._order.moved:
            return {}
        names = own_weights(self._train)
        return {f"share/{n}": s for n, s in zip(names, self._order.shares, strict=True)}

    def _mix(self, progress: float) -> None:
        if self._mixing is not None and self._order is not None:
            own = own_weights(self._train)
            weights = self._mixing.weights(own, progress)
            self._order.reweigh([float(weights[name]) for name in own])

    def next(self, wanted: int | Draw) -> list[Example]:
        """Return the next examples: so many in the order of the mix, or those of a draw.

        A draw that asks for nothing but a count goes on in the order. Raises DataError when the mix
        trains on nothing, and StageError for a draw that it cannot serve.
        """
        if self._order is None or self._chooser is None:
            raise DataError(
                "data_mix.train is empty: this mix only measures; choose another (data_mix=…)"
            )
        if isinstance(wanted, Draw) and not wanted.is_plain:
            return [self._example(row) for row in self._chooser.choose(wanted)]
        count = wanted.count if isinstance(wanted, Draw) else wanted
        if count is None:
            raise StageError("a draw has no count")
        rows = [self._order.draw() for _ in range(count)]
        return [self._form.example(self._train[part], position) for part, position in rows]

    def again(self, draw: Draw, places: Sequence[int]) -> list[Example]:
        """Return other examples for some places of the last draw, which was this one.

        What each place was asked to be it is asked to be again: of its part, of its parameters.
        """
        if draw.is_plain or self._chooser is None:
            return self.next(len(places))
        return [self._example(row) for row in self._chooser.again(places)]

    def column(self, name: str) -> dict[str, Numbers]:
        """Return part → a column of its training rows as numbers, one that is missing being NaN.

        Raises DataError for a column that there is not, and for a value that is no number.
        """
        return {} if self._chooser is None else self._chooser.column(name)

    @property
    def parametric(self) -> dict[str, Mapping[str, tuple[float, float]]]:
        """Return part → name → (least value, greatest value), of parts that make rows on demand."""
        return {part.name: part.ranges for part in self._train if part.generate is not None}

    def made(self, part: str, parameters: Mapping[str, float], key: int) -> Example:
        """Return an example that a part's source makes of parameters; ``key`` decides which."""
        share = next(share for share in self._train if share.name == part)
        assert share.generate is not None
        row = {**share.generate(parameters, key), "parameters": dict(parameters)}
        return self._form.of_row(share.source, row)

    def _example(self, row: Chosen | Made) -> Example:
        part = self._train[row.part]
        if isinstance(row, Chosen):
            return self._form.example(part, row.position)
        example = self.made(part.name, row.parameters, row.key)
        self.history.note_generated([example.id])
        return example

    def held_out(self, limit: int | None = None) -> list[Example]:
        """Return at most ``limit`` held-out examples: the same ones in every run of this mix.

        Parts are mixed by weight until one is used up, then the others go on. Raises DataError
        when the mix holds nothing out.
        """
        if not self._held_out:
            raise DataError(
                "data_mix.held_out is empty: there is nothing to measure on; add a part"
                " (data_mix.held_out.SOURCE.split=test)"
            )
        total = sum(len(part) for part in self._held_out)
        wanted = total if limit is None else min(limit, total)
        chosen: list[tuple[int, int]] = []
        order = interleaved(self._held_out, HELD_OUT_SEED, shuffle=True)
        seen: set[tuple[int, int]] = set()
        while len(chosen) < wanted:
            place = order.draw()
            if place not in seen:
                seen.add(place)
                chosen.append(place)
        return [self._measured.example(self._held_out[part], place) for part, place in chosen]

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream and its demonstrations stand."""
        order = self._order.state_dict() if self._order else {"counts": {}}
        state = {**order, "demonstrations": self.demonstrations.state_dict()}
        if self._chooser is not None and self._chooser.used:
            state["draws"] = self._chooser.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where :meth:`state_dict` was taken; raises DataError for another mix."""
        if self._order is None or self._chooser is None:
            return
        state = dict(state)
        try:
            self._chooser.load_state_dict(state.pop("draws", None))
            self.demonstrations.load_state_dict(state.pop("demonstrations"))
            self._order.load_state_dict(state)
        except ValueError as error:
            raise DataError(f"the saved position is that of another data_mix: {error}") from error
