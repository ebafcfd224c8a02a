"""etude from Python: what lies under ``outputs/`` as data frames, and a run as ``train`` runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.config.evaluations import MAIN
from etude.recorded.evaluation import Evaluation
from etude.recorded.outputs import Outputs
from etude.recorded.run import Run, read

if TYPE_CHECKING:
    from pandas import DataFrame


class Results:
    """Runs, stages, evaluations and samples of a folder of results, each as a data frame.

    Frames join on ``fingerprint``: that of a stage, and of an evaluation those that runs name as
    ``before`` and ``after``. Each is read when it is asked for. ``outputs`` has the records
    themselves, and ``outputs.problems`` which files could not be read.
    """

    def __init__(self, folder: Path | str = "outputs") -> None:
        self.outputs = Outputs(folder)

    @property
    def runs(self) -> DataFrame:
        """Return a row for each stage of each member of each run, newest run first.

        ``own`` is what tells the member from the others of its run; ``before`` and ``after`` are
        the fingerprints of main's evaluations.
        """
        return _frame(
            {
                "run": run.name,
                "state": run.state,
                "member": member.number,
                "own": " ".join(member.own),
                "overrides": " ".join(member.overrides),
                "seed": member.seed,
                "stage": stage.name,
                "fingerprint": stage.fingerprint,
                "before": stage.before.get(MAIN),
                "after": stage.after.get(MAIN),
            }
            for run in self.outputs.runs()
            for member in run.members
            for stage in member.stages
        )

    @property
    def stages(self) -> DataFrame:
        """Return a row for each stage: how far it is, what its steps took, where it lies."""
        return _frame(
            {
                "stage": stage.name,
                "fingerprint": stage.fingerprint,
                "learner": stage.learner,
                "finished": stage.done is not None,
                "steps": stage.about.get("steps"),
                "seconds": stage.seconds,
                "folder": str(stage.folder),
            }
            for stage in self.outputs.stages()
        )

    @property
    def metrics(self) -> DataFrame:
        """Return a row for each step of each stage, a column for each metric."""
        return _frame(
            {"stage": stage.name, "fingerprint": stage.fingerprint, **line}
            for stage in self.outputs.stages()
            for line in stage.metrics
        )

    @property
    def evaluations(self) -> DataFrame:
        """Return a row for each finished evaluation; ``pass@1``, ``pass@1/low``, ``pass@1/high``.

        ``of_stage`` is the fingerprint of the stage whose model was measured.
        """
        return _frame(
            {**_named(each), "problems": each.result.get("problems"), **_metrics(each.metrics)}
            for each in self.outputs.evaluations()
        )

    @property
    def samples(self) -> DataFrame:
        """Return a row for each judged answer of each finished evaluation; ``parts/accuracy``, …"""
        return _frame(
            {**_named(each), **_flat(record)}
            for each in self.outputs.evaluations()
            for record in each.samples
        )


def _named(each: Evaluation) -> dict[str, Any]:
    return {
        "evaluation": each.name,
        "of": each.of,
        "fingerprint": each.fingerprint,
        "of_stage": each.stage,
    }


def _metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            found[name] = value.get("value")
            found |= {f"{name}/{end}": value[end] for end in ("low", "high") if end in value}
        else:
            found[name] = value
    return found


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    parts = record.get("parts")
    found = {key: value for key, value in record.items() if key != "parts"}
    if isinstance(parts, Mapping):
        found |= {f"parts/{name}": value for name, value in parts.items()}
    return found


def _frame(rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    from pandas import DataFrame

    return DataFrame(list(rows))


def results(folder: Path | str = "outputs") -> Results:
    """Return what lies in a folder of results, as data frames: ``etude.results().evaluations``."""
    return Results(folder)


def run(overrides: Sequence[str] = (), *, multirun: bool = False) -> Run:
    """Do what ``train OVERRIDES`` does, and return the run as it was recorded.

    ``multirun`` is ``-m``: every combination of values separated by commas. Raises ConfigError for
    what cannot be, before anything starts, StageError where the run failed, and Interrupted.
    """
    from etude.cli.train import launched
    from etude.config import command
    from etude.errors import Interrupted, StageError
    from etude.execute.outcomes import problems

    words = [*(["-m"] if multirun else []), *overrides]
    graph, code = launched(command.read(words))
    assert graph.folder is not None  # every launcher makes one
    if code == Interrupted.exit_code:
        raise Interrupted(f"{graph.folder.name} was interrupted; the same call goes on")
    if code:
        raise StageError("\n".join(problems(graph)) or f"{graph.folder.name} failed")
    return read(graph.folder)
