"""One stage as it was recorded: what it is, how far it is, and its lines by step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from etude.execute.attempt import lines_of
from etude.plan import layout, records
from etude.plan.records import Report, unsaid
from etude.recorded.evaluation import read_lines
from etude.recorded.named import Named


@dataclass(frozen=True)
class Stage(Named):
    """A stage in its folder, finished or not.

    ``about`` is its stage.json, ``done`` its DONE.json (None: not finished). Lines are those of one
    uninterrupted run: as published, or of an unfinished stage as its newest attempt has them. They
    are read when they are asked for, once.
    """

    folder: Path
    about: Mapping[str, Any]
    done: Mapping[str, Any] | None

    @property
    def learner(self) -> str:
        """Return the name of its learner; empty where it is not recorded."""
        return str(self.about.get("learner") or "")

    @property
    def seconds(self) -> float:
        """Return what its steps took, 0 where it is not finished."""
        return float((self.done or {}).get("seconds") or 0.0)

    @property
    def model(self) -> Path | None:
        """Return the folder of the model it hands on, None where there is none."""
        folder = self.folder / "model"
        return folder if self.done is not None and folder.is_dir() else None

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Return its whole config as its first attempt had it; empty where it cannot be read."""
        import yaml

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            text = (self.folder / "config.yaml").read_text(encoding="utf-8")
            found = yaml.load(text, Loader=loader)
        except (OSError, ValueError, yaml.YAMLError):
            return {}
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """Return a line for each step: only what the seed determines."""
        return self._lines("metrics")

    @cached_property
    def timing(self) -> list[dict[str, Any]]:
        """Return a line for each step: seconds, the time of day, throughput."""
        return self._lines("timing")

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        """Return the rows of steps that were written down, a part of those trained on."""
        return self._lines("samples")

    @cached_property
    def evaluations(self) -> list[dict[str, Any]]:
        """Return the evaluations made in training: ``step`` counts finished steps.

        ``evaluation`` names those beside main.
        """
        return self._lines("evaluations")

    @cached_property
    def evaluation_samples(self) -> list[dict[str, Any]]:
        """Return the answers that the evaluations in training rest on, with the same two keys."""
        return self._lines("evaluation_samples")

    def _lines(self, name: str) -> list[dict[str, Any]]:
        if self.done is not None:
            return read_lines(self.folder / f"{name}.jsonl", records.STEP)
        attempts = layout.attempts(self.folder)
        if not attempts:
            return []
        return [json.loads(raw) for raw in lines_of(attempts[-1], name, None)]


def read(folder: Path, report: Report = unsaid) -> Stage | None:
    """Return the stage in a folder; None where there is none.

    ``report`` is told which of its files cannot be read.
    """
    about = layout.read_json(folder / layout.STAGE, records.STAGE, report)
    done = layout.finished(folder, report)
    return None if about is None and done is None else Stage(folder, about or {}, done)
