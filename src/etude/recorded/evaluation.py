"""One evaluation as it was recorded: its numbers, what it rests on, and what was measured."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from etude.config.evaluations import MAIN
from etude.execute.lines import raw_lines
from etude.plan import layout, records
from etude.plan.records import Report, unsaid
from etude.plan.references import Made, each_of, of_json
from etude.recorded.named import Named

#: The input of an evaluation that is measured.
_MODEL = "model"


@dataclass(frozen=True)
class Evaluation(Named):
    """A finished measurement of one model, in the folder it was published in.

    ``about`` is what the evaluation says of itself (evaluation.json); empty where an earlier etude
    made it. ``done`` is its DONE.json. Files are read when they are asked for, once.
    """

    folder: Path
    about: Mapping[str, Any]
    done: Mapping[str, Any]

    @property
    def of(self) -> str:
        """Return which of a stage's evaluations it is; ``main`` without another name."""
        told = self.about.get("of")
        return str(told) if told else self.name.partition(".")[2] or MAIN

    @property
    def config(self) -> Mapping[str, Any] | None:
        """Return the config it was made under, None where it is not recorded."""
        found = self.about.get("config")
        return found if isinstance(found, Mapping) else None

    @property
    def stage(self) -> str | None:
        """Return the fingerprint of the stage whose model it measured; None where no stage made it.

        Of an evaluation that an earlier etude made, it is read from the folder of the model.
        """
        written = (self.about.get("inputs") or {}).get(_MODEL)
        if written is not None:
            try:
                made = each_of(of_json(written))[0]
            except (KeyError, TypeError, IndexError):
                return None  # of another shape than ours: whoever wrote it, no stage is named
            return made.stage if isinstance(made, Made) else None
        folder = self.done.get(_MODEL)
        if not folder or Path(folder).parent.parent.name != layout.STAGES:
            return None
        return Path(folder).parent.name.rpartition("-")[2]

    @cached_property
    def result(self) -> Mapping[str, Any]:
        """Return its JSON: metrics, outcomes, settings; empty where it cannot be read."""
        return layout.read_json(self.folder / "result.json", records.MEASURED) or {}

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Return its metrics by name, each ``{value, low, high}``."""
        return self.result.get("metrics") or {}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return how it sampled: temperature, max_new_tokens, seed."""
        return self.result.get("settings") or {}

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        """Return its judged answers, one record each: those to the first problem, then the next."""
        return list(read_lines(self.folder / "samples.jsonl"))


def read_lines(path: Path, shape: Any = dict, report: Report = unsaid) -> list[dict[str, Any]]:
    """Return the whole lines of a file of JSON lines; none where there is no file.

    ``shape`` is that of each, as in :mod:`etude.plan.records`. A damaged line is left out.
    """
    return _at_once(path, shape) or [content for content, _ in raw_lines(path, shape, report)]


def _at_once(path: Path, shape: Any) -> list[dict[str, Any]] | None:
    """Return the lines of a file as one JSON list, which takes half the time; None for damage."""
    try:
        *lines, _ = path.read_bytes().split(b"\n")  # what follows the last line break is torn
        with _unswept():
            found = json.loads(b"[" + b",".join(lines) + b"]")
    except (OSError, ValueError, RecursionError):
        return None
    whole = len(found) == len(lines) and set(map(type, found)) <= {dict}
    if whole and isinstance(shape, dict):
        whole = all(type(each.get(key)) is kind for key, kind in shape.items() for each in found)
    return found if whole else None


@contextmanager
def _unswept() -> Iterator[None]:
    """Have no garbage looked for while many small objects are made: none of them is any."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def read(folder: Path, report: Report = unsaid) -> Evaluation | None:
    """Return the evaluation in a folder; None where it is not finished.

    ``report`` is told which of its files cannot be read.
    """
    done = layout.finished(folder, report)
    if done is None:
        return None
    about = layout.read_json(folder / layout.EVALUATION, records.EVALUATION, report)
    return Evaluation(folder, about or {}, done)
