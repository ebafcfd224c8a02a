"""Runs a graph in this process, node after node; finished work is used as it is."""

from __future__ import annotations

import gc
import tempfile
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from etude.config import evaluations
from etude.config.evaluations import MAIN
from etude.distributed.world import has_left
from etude.errors import EtudeError, Fenced, Interrupted, ModelError, StorageError
from etude.events import Observer
from etude.execute import atomic, ranks, run_folder
from etude.execute.evaluation import Evaluate, failed_evaluation, run_evaluation_node
from etude.execute.hearing import Hearing
from etude.execute.inputs import NodeInputs
from etude.execute.lock import JobState
from etude.execute.outcomes import Outcome, State, blocked, problems, stopped
from etude.execute.stage import LearnerFactory, execution_of, run_stage
from etude.execute.stop import Stop
from etude.learner.context import Folders
from etude.notices import noticed_by
from etude.plan import layout
from etude.plan.contents import Contents
from etude.plan.digest import FileHashes
from etude.plan.fingerprint import evaluation_fingerprint
from etude.plan.inputs import measured_beside
from etude.plan.nodes import MEASURED, EvaluationNode, Graph, Run, StageNode
from etude.plan.references import Base, Folder
from etude.schema import Schema


def run(
    graph: Graph,
    observers: Iterable[Observer],
    *,
    make_learner: LearnerFactory | None = None,
    evaluate: Evaluate | None = None,
    stop: Stop | None = None,
    record: bool = True,
    job_state: JobState | None = None,
) -> int:
    """Do everything a graph asks for; return the exit code: 0 done, 1 failed, 130 interrupted.

    A failed stage stops what depends on it, the rest of a sweep goes on. Observers hear of every
    event; what went wrong is in ``graph.outcomes`` and the run's result.json. ``record`` is False
    for a part of a run whose folder is kept by others. Raises StorageError when ``outputs`` cannot
    be used at all, Fenced when another process took over what this one was working on.
    """
    check_outputs(graph)
    if record and graph.folder is None:
        graph.folder = run_folder.make(graph)
    heard = Hearing(observers)
    return _LocalRun(graph, heard, make_learner, evaluate, stop or Stop(), record, job_state).run()


def check_outputs(graph: Graph) -> None:
    """Refuse to begin where ``outputs`` cannot be written or the disk is too full."""
    with atomic.storing(graph.outputs):
        graph.outputs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=graph.outputs) as probe:
            probe.write(b"\0")
    free = atomic.free_bytes(graph.outputs) / 2**30
    least = max((execution_of(node.config).minimum_free_gib for node in graph.order), default=0.0)
    if free < least:
        raise StorageError(
            f"{graph.outputs} has {free:.2f} GiB free and execution.minimum_free_gib is {least:g}. "
            "Free some space (etude clean shows what could go), choose another place "
            "(outputs=FOLDER), or type execution.minimum_free_gib=0"
        )


class _LocalRun:
    """One pass over a graph's nodes in order."""

    def __init__(
        self,
        graph: Graph,
        observers: Hearing,
        make_learner: LearnerFactory | None,
        evaluate: Evaluate | None,
        stop: Stop,
        record: bool,
        job_state: JobState | None,
    ) -> None:
        self.record = record
        self.job_state = job_state
        self.held = False
        self.graph = graph
        self.observers = observers
        self.make_learner = make_learner
        self.evaluate = evaluate
        self.stop = stop

    def run(self) -> int:
        """Drive every node and return the exit code; the result is written whatever happens."""
        graph = self.graph
        state = "failed"
        self.observers.run_started(graph)
        try:
            with self.stop.listening(), noticed_by(self.observers.warned):
                for node in graph.order:
                    if has_left():
                        break
                    ranks.check(self.stop)
                    self._write_result("running")
                    self._node(node)
            for text in stopped(graph):
                self.observers.warned(text)
            state = "failed" if problems(graph) else "done"
        except (Interrupted, KeyboardInterrupt) as error:
            state = "interrupted"
            self.observers.warned(str(error) or "aborted; what was not saved is done again")
        except Exception as error:
            _note_place(error, graph)
            raise
        finally:
            graph.state = state
            self._write_result(state)
            self.observers.run_finished(graph)
        return {"done": 0, "failed": 1, "interrupted": Interrupted.exit_code}[state]

    def _write_result(self, state: str) -> None:
        if not self.record:
            return
        try:
            run_folder.write_result(self.graph, state)
        except StorageError as error:
            # The stages have files of their own; on a full disk they say what matters.
            self.observers.warned(str(error))

    def _node(self, node: StageNode | EvaluationNode) -> None:
        if self.held:
            # Before the next node and not after the last: a process that ends frees everything.
            _release()
            self.held = False
        if isinstance(node, StageNode):
            why = blocked(self.graph, node.fingerprint)
            if why is not None:
                self.graph.outcomes[node.fingerprint] = Outcome("waiting", error=why)
                self.observers.warned(f"{node.name} ({node.fingerprint[:8]}) does not run: {why}")
                return
            self._stage(node)
        elif self._measurable(node):
            self._evaluation(node)

    def _measurable(self, node: EvaluationNode) -> bool:
        if node.stage is None:
            return True
        outcome: Outcome | None = self.graph.outcomes.get(node.stage)
        return outcome is not None and outcome.good

    def _stage(self, node: StageNode) -> None:
        folder = str(layout.stage_folder(self.graph.outputs, node.name, node.fingerprint))
        try:
            done, trained = run_stage(
                node,
                lambda: self._given(node),
                outputs=self.graph.outputs,
                observers=self.observers,
                stop=self.stop,
                make_learner=self.make_learner,
                job_state=self.job_state,
            )
        except (Interrupted, Fenced):
            raise
        except EtudeError as error:
            # A stage's failure is a value here: other members of the sweep go on.
            self.graph.outcomes[node.fingerprint] = Outcome("failed", folder, error=str(error))
            return
        finally:
            self.held = True
        seconds = float(done.get("seconds", 0.0))
        state: State = "done" if trained else "skipped"
        self.graph.outcomes[node.fingerprint] = Outcome(state, folder, seconds)

    def _given(self, node: StageNode | EvaluationNode) -> Folders:
        """Return the folders of a node's inputs, their hashes checked."""
        return NodeInputs(self.graph, node, self.observers.warned).folders()

    def _evaluation(self, node: EvaluationNode) -> None:
        folder = layout.evaluation_folder(self.graph.outputs, node.name, node.fingerprint)
        try:
            result = run_evaluation_node(
                node,
                lambda: self._given(node),
                outputs=self.graph.outputs,
                observers=self.observers,
                stop=self.stop,
                evaluate=self.evaluate,
                job_state=self.job_state,
            )
        except (Interrupted, Fenced):
            raise
        except (Exception, SystemExit) as error:
            # Training does not rest on a measurement: the failure is recorded and listed.
            message = failed_evaluation(node, folder, error)
            self.graph.outcomes[node.fingerprint] = Outcome("failed", str(folder), error=message)
            self.observers.evaluation_failed(node, error=message)
            return
        self.held = self.held or torch.cuda.is_initialized()
        self.graph.outcomes[node.fingerprint] = Outcome("done", str(folder), evaluation=result)


def _note_place(error: Exception, graph: Graph) -> None:
    """Have an error that nobody foresaw say where the run's files are, its traceback among them."""
    if isinstance(error, EtudeError) or graph.folder is None:
        return
    path = graph.folder / "traceback"
    try:
        atomic.write_text(path, "".join(traceback.format_exception(error)))
    except StorageError:
        return  # the sentence that ends the command says how to see the traceback
    error.add_note(f"the traceback is in {path}")


def _release() -> None:
    """Free what a finished node held, on the GPU too, before the next one begins."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def run_evaluation(
    config: dict[str, Any],
    checkpoint: Path | str | None,
    observers: Iterable[Observer],
    *,
    evaluate: Evaluate | None = None,
    schema: Schema | None = None,
    overrides: tuple[str, ...] = (),
    begun: Callable[[Graph], None] = lambda graph: None,
) -> int:
    """Measure a model by all evaluations of a config; return the exit code, as :func:`run` does.

    ``begun`` is called with the graph once its run's folder is made.

    ``checkpoint`` is a model's folder or a stage's folder; None measures the base model. Raises
    ModelError when there is no model in it.
    """
    if schema is None:
        from etude.schema import load

        schema = load()
    outputs = Path(config.get("outputs") or "outputs").expanduser().absolute()
    model = None if checkpoint is None else model_folder(Path(checkpoint))
    hashes = FileHashes(outputs)
    contents = Contents(hashes)
    measured = Base() if model is None else contents.of(Folder(model))
    beside = measured_beside(config, schema, contents)
    found: dict[str, EvaluationNode] = {}
    for of in evaluations.measuring(config):
        own = evaluations.view(config, of)
        inputs = {MEASURED: measured, **beside[of]}
        key = evaluation_fingerprint(own, inputs, schema=schema, hashes=hashes)
        name = ("base" if model is None else _name_of(model)) + (f".{of}" if of != MAIN else "")
        fresh = bool(config.get("fresh"))
        found.setdefault(key, EvaluationNode(name, key, own, inputs, fresh, of))
    asked = Run("evaluate", overrides, (), config)
    graph = Graph({}, found, list(found.values()), [asked], outputs)
    check_outputs(graph)
    graph.folder = run_folder.make(graph)
    begun(graph)
    code = run(graph, observers, evaluate=evaluate)
    hashes.save()
    return code


def model_folder(path: Path) -> Path:
    """Return the Hugging Face folder that a path means: itself, or a stage's ``model/``."""
    place = path.expanduser().absolute()
    for folder in (place, place / "model"):
        if (folder / "config.json").is_file():
            return folder
    if not place.exists():
        raise ModelError(f"checkpoint={path}: there is no such folder")
    raise ModelError(
        f"checkpoint={path}: neither the folder nor its model/ holds a config.json; name a "
        "folder in Hugging Face format, such as outputs/stages/STAGE/model"
    )


def _name_of(model: Path) -> str:
    """Return what an evaluation of a folder is called: the stage's name, or the folder's."""
    if model.name == "model":
        return model.parent.name.rpartition("-")[0] or model.parent.name
    return model.name
