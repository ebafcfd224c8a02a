"""An opened mix: the next examples to train on, the held-out ones, and what was found in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etude.data_mix.demonstrations import Demonstrations
from etude.data_mix.form import Form
from etude.data_mix.interleave import interleaved
from etude.data_mix.part import OpenPart
from etude.errors import DataError
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
    """The rows of a mix in an order that only the seed decides.

    The order does not depend on how many rows are asked for at a time, and the state is a few
    integers.
    """

    def __init__(
        self,
        train: list[OpenPart],
        held_out: list[OpenPart],
        form: Form,
        findings: Findings,
        demonstrations: Demonstrations,
        *,
        seed: int,
        shuffle: bool,
        measured: Form | None = None,
    ) -> None:
        self._train = train
        self._held_out = held_out
        self._form = form
        self._measured = measured or form
        self.findings = findings
        self.demonstrations = demonstrations
        self._order = interleaved(train, seed, shuffle=shuffle) if train else None

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

    def next(self, count: int) -> list[Example]:
        """Return the next ``count`` examples; raises DataError when the mix trains on nothing."""
        if self._order is None:
            raise DataError(
                "data_mix.train is empty: this mix only measures; choose another (data_mix=…)"
            )
        drawn = [self._order.draw() for _ in range(count)]
        return [self._form.example(self._train[part], position) for part, position in drawn]

    def held_out(self, limit: int | None = None) -> list[Example]:
        """Return at most ``limit`` held-out examples: the same ones in every run of this mix.

        Parts are mixed by weight until one is used up, then the others go on. Raises DataError
        when the mix holds nothing out.
        """
        if not self._held_out:
            raise DataError(
                "data_mix.held_out is empty: there is nothing to measure on; add a part"
                " (data_mix.held_out.<source>.split=test)"
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
        return {**order, "demonstrations": self.demonstrations.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where :meth:`state_dict` was taken; raises DataError for another mix."""
        if self._order is None:
            return
        state = dict(state)
        try:
            self.demonstrations.load_state_dict(state.pop("demonstrations"))
            self._order.load_state_dict(state)
        except ValueError as error:
            raise DataError(f"the saved position is that of another data_mix: {error}") from error
