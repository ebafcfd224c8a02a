"""Which rows of which sources, in which proportion and form."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from etude.component import Need, component, option, slot, slots
from etude.data_mix.demonstrations import WorkedSolutions
from etude.data_mix.filter.kind import RowFilter
from etude.data_mix.form import Form
from etude.data_mix.history import GENERATED, History
from etude.data_mix.mixing.kind import Mixing
from etude.data_mix.sampling.kind import RowSampling
from etude.data_mix.share import OpenShare, Share, open_share
from etude.data_mix.stream import Findings, Stream
from etude.errors import DataError
from etude.sources.interface import Source, StageRows

#: Says which rows of an opened training part, in the given form, a stage can use.
Fits = Callable[[OpenShare, Form], NDArray[np.bool_]]


class RowsHost(Protocol):
    """What a mix is opened with: a stage."""

    fits: Fits | None

    @property
    def order_seed(self) -> int:
        """Return what the order of rows depends on."""

    @property
    def sources(self) -> Mapping[str, Source]:
        """Return the sources that rows come from, by name."""

    def handed(self, component: Any, field: str) -> Any:
        """Return the state that a field of a component takes up, None where it takes up none."""

    @property
    def stage_rows(self) -> Mapping[str, StageRows]:
        """Return the folders with the rows of stages, by the source that reads them."""


@component(
    requires=(Need("column:tools", when="tools == true", why="to tell the chat template"),),
    provides=(Need("column:response", when="response_template != None"),),
)
@dataclass(frozen=True)
class Mix:
    """Rows of any number of sources, mixed by weight, in the form that templates give them.

    Training and held-out rows are separate parts. A prompt that stands in both is counted, removed
    from training or refused, as ``overlap`` says; prompts are compared without regard to case and
    spacing.
    """

    train: dict[str, Share] = option(
        {}, "what is trained on: source → {source, split, weight, levels, limit}"
    )
    held_out: dict[str, Share] = option({}, "what is measured on and never trained on; same keys")
    demonstrations: dict[str, Share] = option(
        {},
        "where objectives that mix imitation into reinforcement find the column solution, same "
        "keys: rows are matched by prompt; empty: in the training rows themselves",
    )
    filter: Mapping[str, RowFilter] = slots(doc="which of the rows in train are trained on")
    mixing: Mixing | None = slot("fixed", "in which proportion the parts in train give rows")
    sampling: RowSampling | None = slot("passes", "how often each row of a part is visited")
    prompt_template: str = option("{prompt}", "user text; {column} is a column of the row")
    response_template: str | None = option(
        None, "text a demonstration teaches ('{solution}', '{answer}'); null: prompts only"
    )
    held_out_template: str | None = option(
        None,
        "user text of held-out rows where it is another, which are then measured without a "
        "demonstration; null: as in training",
    )
    system: str | None = option(
        None, "system text; null: the row's own column system, where there is one"
    )
    tools: bool = option(
        False, "tell the chat template of the tools whose JSON schemas the rows' column tools has"
    )
    shuffle: bool = option(True, "another order for each pass over a part; false: file order")
    deduplicate: bool = option(False, "train on the first of rows with the same prompt only")
    history: str | None = option(
        None,
        "what is known of rows to begin with: a stage that sampled from them, or the folder of its"
        " output data_mix.history",
        form="state reference",
        read_by="samples",
    )
    remember_generated: int = option(
        GENERATED,
        "rows made on demand of which a stage remembers how their answers were judged, the last "
        "visited; rows of sources are all remembered",
        ge=1,
        read_by="samples",
    )
    overlap: str = option(
        "report",
        "training prompts that are also held out: report, remove or refuse",
        choices=("report", "remove", "refuse"),
    )

    def open(self, host: RowsHost) -> Stream:
        """Return the rows of a stage, of which it can use those that ``fits``."""
        stream = self.stream(host.sources, host.order_seed, host.stage_rows, host.fits)
        known = host.handed(self, "history")
        if known is not None:
            stream.history.take_up(known)
        return stream

    def stream(
        self,
        sources: Mapping[str, Source],
        seed: int,
        stage_data: Mapping[str, StageRows] | None = None,
        fits: Fits | None = None,
    ) -> Stream:
        """Return the rows in an order that ``seed`` decides.

        ``stage_data`` maps sources that read a stage to the folders with the rows it wrote.
        ``fits`` says which training rows the stage can use, all of them read once, and may refuse.
        Warns of an overlap; raises DataError for a missing source, column or row,
        and for an overlap when it is refused.
        """
        folders = stage_data or {}
        train = [
            open_share(name, part, "train", "train", sources, seed, folders)
            for name, part in self.train.items()
        ]
        held_out = [
            open_share(name, part, "held_out", "test", sources, seed, folders)
            for name, part in self.held_out.items()
        ]
        worked = [
            open_share(name, part, "demonstrations", "train", sources, seed, folders)
            for name, part in self.demonstrations.items()
        ]
        form, measured = self.form, self.measured
        filtered = self._filter(train)
        findings = self._compare(train, held_out, filtered)
        for message in [*findings.warnings(), *self._keep_apart(worked, held_out)]:
            warnings.warn(f"data_mix: {message}", stacklevel=2)
        if fits is not None:
            for part in train:
                part.keep(fits(part, form))
                if len(part) == 0:
                    raise DataError(f"data_mix.train.{part.name}: every row is too long")
        findings = replace(findings, filtered={**filtered, **self._weigh(train)})
        kept = [part for part in worked if len(part)]
        shown = WorkedSolutions(kept or train, form, seed, matched=bool(worked))
        return Stream(
            train,
            held_out,
            form,
            findings,
            shown,
            seed=seed,
            shuffle=self.shuffle,
            measured=measured,
            history=History(self.remember_generated),
            mixing=self.mixing,
        )

    @property
    def form(self) -> Form:
        """Return how a training row becomes an example."""
        templates = (self.prompt_template, self.response_template, self.system)
        return Form(*templates, tools=self.tools)

    @property
    def measured(self) -> Form:
        """Return how a held-out row becomes an example."""
        if self.held_out_template is None:
            return self.form
        templates = (self.held_out_template, None, self.system)
        return Form(*templates, "held_out_template", tools=self.tools)

    def _keep_apart(self, worked: list[OpenShare], held_out: list[OpenShare]) -> list[str]:
        """Treat demonstrations of held-out prompts as ``overlap`` says; return what to warn of."""
        if not worked or not held_out:
            return []
        shared = _shared(
            [part.prompt_keys() for part in worked], [part.prompt_keys() for part in held_out]
        )
        count, total = int(sum(each.sum() for each in shared)), sum(map(len, worked))
        if not count:
            return []
        if self.overlap == "refuse" or (self.overlap == "remove" and count == total):
            raise DataError(
                f"{count} demonstrations have a prompt that is held out (of {total} in"
                " data_mix.demonstrations); data_mix.overlap=report goes on with them"
            )
        if self.overlap == "report":
            done = "they teach what is measured; data_mix.overlap=remove drops them"
        else:
            done = "they were dropped"
            for part, part_shared in zip(worked, shared, strict=True):
                part.keep(~part_shared)
        return [f"{count} of {total} demonstrations have a held-out prompt: {done}"]

    def _filter(self, train: list[OpenShare]) -> dict[str, float]:
        """Drop the rows that a filter does not keep; return what was found, by name for the log."""
        found: dict[str, float] = {}
        for part in train:
            for name, chosen in self.filter.items():
                with _named(part):
                    result = chosen.choose(part.columns(chosen.columns()))
                part.keep(result.kept)
                found |= {f"data/{part.name}/{key}": x for key, x in result.findings.items()}
                if len(part) == 0:
                    raise DataError(
                        f"data_mix.train.{part.name}: the filter {name} keeps none of its "
                        f"{len(result.kept)} rows; see data_mix.filter.{name}"
                    )
        return found

    def _weigh(self, train: list[OpenShare]) -> dict[str, float]:
        """Say how likely each row is to be drawn; return what was found, by name for the log."""
        found: dict[str, float] = {}
        if self.sampling is None:
            return found
        for part in train:
            with _named(part):
                weighed = self.sampling.weigh(part.columns(self.sampling.columns()))
            part.probabilities = weighed.probabilities
            found |= {f"data/{part.name}/{key}": x for key, x in weighed.findings.items()}
        return found

    def _compare(
        self, train: list[OpenShare], held_out: list[OpenShare], filtered: Mapping[str, float]
    ) -> Findings:
        """Drop duplicates and overlapping rows as configured; return what was found."""
        duplicates = overlap = 0
        if train and (held_out or self.deduplicate):
            keys = [part.prompt_keys() for part in train]
            shared = _shared(keys, [part.prompt_keys() for part in held_out])
            overlap = int(sum(part_shared.sum() for part_shared in shared))
            if overlap and self.overlap == "refuse":
                raise DataError(_overlap_message(train, shared, overlap))
            first = _first_of_equals(keys)
            if not self.deduplicate:
                first = [np.ones_like(part_first) for part_first in first]
            duplicates = int(sum((~part_first).sum() for part_first in first))
            for part, part_shared, part_first in zip(train, shared, first, strict=True):
                part.keep(part_first & ~part_shared if self.overlap == "remove" else part_first)
        for part in train:
            if len(part) == 0:
                raise DataError(
                    f"data_mix.train.{part.name}: every row was dropped ({overlap} rows have a"
                    f" held-out prompt, {duplicates} are duplicates)"
                )
        return Findings(
            train={part.name: len(part) for part in train},
            held_out={part.name: len(part) for part in held_out},
            duplicates=duplicates,
            overlap=overlap,
            removed=self.overlap == "remove",
            filtered=filtered,
        )


@contextmanager
def _named(part: OpenShare) -> Iterator[None]:
    """Say of which part of the mix an error is."""
    try:
        yield
    except DataError as error:
        raise DataError(f"data_mix.train.{part.name}: {error}") from error


def _shared(
    keys: list[NDArray[np.uint64]], measured: list[NDArray[np.uint64]]
) -> list[NDArray[np.bool_]]:
    """Return, for each part, which rows have a prompt that is measured on."""
    everything = np.concatenate([*measured, np.zeros(0, dtype=np.uint64)])
    return [np.isin(part_keys, everything) for part_keys in keys]


def _first_of_equals(keys: list[NDArray[np.uint64]]) -> list[NDArray[np.bool_]]:
    """Return, for each part, which rows have a prompt that no earlier row of any part has."""
    everything = np.concatenate(keys)
    first = np.zeros(len(everything), dtype=bool)
    first[np.unique(everything, return_index=True)[1]] = True
    return np.split(first, np.cumsum([len(part_keys) for part_keys in keys])[:-1])


def _overlap_message(train: list[OpenShare], shared: list[NDArray[np.bool_]], overlap: int) -> str:
    examples = [
        f"{part.source}:{part.row(int(position))['id']}"
        for part, part_shared in zip(train, shared, strict=True)
        for position in np.flatnonzero(part_shared)[:3]
    ]
    return (
        f"{overlap} training rows have a prompt that is held out ({', '.join(examples[:3])}…);"
        f" data_mix.overlap=remove drops them, data_mix.overlap=report goes on"
    )
