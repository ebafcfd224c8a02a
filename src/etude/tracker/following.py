"""What every tracker does with the events of a run: a record a stage, whole also after a restart.

The stage's own files are the truth; a record is a copy for looking at. Where a stage is taken up
again, its record begins with what its files hold of it, so that each step is there once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.config.evaluations import MAIN
from etude.errors import Fenced, Interrupted
from etude.execute.attempt import NAMED
from etude.plan import layout, records
from etude.tracker.again import step_numbers, told_before
from etude.tracker.evaluations import head_of, numbers_of
from etude.tracker.glance import at_a_glance
from etude.tracker.interface import Ended, Following, Place, Record
from etude.tracker.naming import differences
from etude.tracker.samples import as_table, last_lines, read_samples

if TYPE_CHECKING:
    from etude.plan.nodes import Graph

#: Tables of samples from a stage's training, beside those of its evaluations: one at a checkpoint
#: once so large a part of the steps has passed since the last.
_TABLES = 20


class StageFollowing(Following):
    """Keeps a record of each stage, which stays open for the evaluation of its model.

    It is closed when the next stage begins. Where nothing is trained, an evaluation has a record
    of its own. ``samples`` are the rows of a table.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self.graph: Graph | None = None
        self._record: Record | None = None
        self._stage: Any = None
        self._attempt = Path()
        self._last_step = 0
        self._tabled = 0
        self._trained = False
        self._models: list[tuple[Any, Mapping[str, Any]]] = []

    @abstractmethod
    def open(self, node: Any, kind: str, config: Mapping[str, Any], *, again: bool) -> Record:
        """Begin the record of a stage or an evaluation; ``again`` where the stage is taken up."""

    @abstractmethod
    def open_sweep(self, graph: Graph) -> Record:
        """Begin the record of a sweep as a whole."""

    def run_started(self, run: Any) -> None:
        """Take up what is known of the run: its graph."""
        self.graph = run

    def stage_started(self, node: Any, *, attempt: int, first_step: int, folder: str) -> None:
        """Open the stage's record; one that goes on begins with what its files have."""
        self._close("done")
        self._stage, self._attempt, self._trained = node, Path(folder), True
        self._last_step = self._tabled = first_step
        about = {"learner": node.learner, "fingerprint": node.fingerprint, "attempt": attempt}
        config = {**node.config, **about, "differs": differences(node, self.graph)}
        self._record = self.open(node, node.learner, config, again=first_step > 0)
        for measured, evaluation in self._measured_before(node):
            self._log_measured(0, measured, evaluation)
        for place, values, came in told_before(self._attempt) if first_step else ():
            self._log(place, values, came)

    def step_done(
        self, node: Any, step: int, metrics: Mapping[str, float], timing: Mapping[str, float]
    ) -> None:
        """Log the metrics of a step, numbered as in metrics.jsonl."""
        self._last_step = step + 1
        self._log(Place(step, trained=True), step_numbers(metrics, timing))

    def checkpoint_written(self, node: Any, step: int, path: str) -> None:
        """Log a table of the last samples, now and then; checkpoints stay on disk."""
        if step - self._tabled >= max(1, node.steps // _TABLES) and step < node.steps:
            self._table_samples(step, self._attempt)
            self._tabled = step

    def evaluated(self, node: Any, step: int | None, evaluation: Mapping[str, Any]) -> None:
        """Log an evaluation; that of a model is logged again by the stages that start from it."""
        if step is not None:
            name = evaluation.get(NAMED, MAIN)
            self._log(Place(step), numbers_of(evaluation, name))
            path = self._attempt / "evaluation_samples.jsonl"
            own = {"step": step, NAMED: None if name == MAIN else name}
            self._table(f"{head_of(name)}/samples", step, last_lines(path, self._samples, own))
            return
        self._models.append((node, evaluation))
        if self.graph is not None and not self.graph.stages:
            self._record = self.open(node, "evaluation", node.config, again=False)
            self._log_evaluation(0, node, evaluation, MAIN)
            self._close("done")
        elif self._stage is not None and node.stage == self._stage.fingerprint:
            self._log_measured(self._last_step, node, evaluation)

    def stage_finished(self, node: Any, *, seconds: float, folder: str) -> None:
        """Log the last samples, and how long it took; the record closes when the next one opens."""
        self._table_samples(self._last_step, Path(folder))
        if self._record is not None:
            self._record.facts({"seconds": seconds, "folder": folder, **self._report()})

    def stage_failed(self, node: Any, *, step: int | None, error: BaseException) -> None:
        """Close the stage's record as failed, or as one that goes on later or elsewhere."""
        goes_on = isinstance(error, (Interrupted, Fenced, KeyboardInterrupt))
        self._close("interrupted" if goes_on else "failed")

    def run_finished(self, run: Any) -> None:
        """Close what is open, with the run's report; a sweep gets a record of its own."""
        if self._record is not None and (report := self._report()):
            self._record.page("report_page", Path(report["report"]))
        self._close("done")
        if len(run.runs) > 1 and self._trained and not run.whole:
            self.compare(run)

    def compare(self, graph: Graph) -> None:
        """Give a sweep a record of its own: how its members compare, and its report."""
        from etude.tracker.comparison import as_facts, as_table_of, found_in

        comparison = found_in(graph)
        if comparison is None:
            return
        record = self.open_sweep(graph)
        record.table("comparison", Place(0), *as_table_of(comparison))
        record.facts({**as_facts(comparison), **self._report()})
        if report := self._report():
            record.page("report_page", Path(report["report"]))
        record.close("done")

    def stage_skipped(self, node: Any, *, seconds_saved: float) -> None:
        """Log nothing: the run that trained the stage has it."""
        return

    def evaluation_failed(self, node: Any, *, error: str) -> None:
        """Log nothing: there is no number."""
        return

    def warned(self, message: str) -> None:
        """Log nothing: warnings are for the person at the terminal."""
        return

    def _log(self, place: Place, values: Mapping[str, float], came: float | None = None) -> None:
        if self._record is not None and values:
            self._record.log(place, {**values, **at_a_glance(values)}, came)

    def _measured_before(self, node: Any) -> list[tuple[Any, Mapping[str, Any]]]:
        """Return the evaluations of the model that a stage starts from, of other processes too."""
        found = [each for each in self._models if each[0].model == node.start]
        heard = {measured.fingerprint for measured, _ in self._models}
        if self.graph is None:
            return found
        for key, measured in self.graph.evaluations.items():
            if key in heard or measured.model != node.start:
                continue
            folder = layout.evaluation_folder(self.graph.outputs, measured.name, key)
            if layout.finished(folder) is not None:
                result = layout.read_json(folder / "result.json", records.MEASURED)
                found += [(measured, result)] if result is not None else []
        return found

    def _log_measured(self, step: int, measured: Any, evaluation: Mapping[str, Any]) -> None:
        """Log an evaluation under every name that the stage's runs have for it."""
        runs = self.graph.runs if self.graph is not None else ()
        own = self._stage.fingerprint
        names = {
            each.name
            for run in runs
            for seen in run.stages
            if seen.stage == own
            for each in seen.evaluations
            if measured.fingerprint in (each.before, each.after)
        }
        for name in sorted(names) or [measured.of]:
            self._log_evaluation(step, measured, evaluation, name)

    def _log_evaluation(
        self, step: int, node: Any, evaluation: Mapping[str, Any], name: str
    ) -> None:
        self._log(Place(step), numbers_of(evaluation, name))
        if self.graph is not None:
            folder = layout.evaluation_folder(self.graph.outputs, node.name, node.fingerprint)
            found = last_lines(folder / "samples.jsonl", self._samples)
            self._table(f"{head_of(name)}/samples", step, found)

    def _table_samples(self, step: int, folder: Path) -> None:
        self._table("samples", step, read_samples(folder, self._samples))

    def _table(self, name: str, step: int, samples: list[dict[str, Any]]) -> None:
        if self._record is not None and samples:
            self._record.table(name, Place(step), *as_table(samples))

    def _report(self) -> dict[str, str]:
        """Return where the run's report is, or will be when the run is over."""
        graph = self.graph
        if graph is None or graph.folder is None or not graph.runs:
            return {}
        wanted = (graph.runs[0].root.get("execution") or {}).get("report")
        return {"report": str(graph.folder / "report.html")} if wanted else {}

    def _close(self, ended: Ended) -> None:
        record, self._record, self._stage = self._record, None, None
        if record is not None:
            record.close(ended)
