"""One unit of a written graph, done in this process: `python -m etude.launch.job RUN UNIT`.

Every rank of a distributed stage runs this; only the first one writes and tells.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from etude.by_path import copies
from etude.cli.frame import Parser, guarded, let_threads_sleep, tell
from etude.distributed.together import by_main
from etude.errors import EtudeError, Interrupted
from etude.events import Observer
from etude.execute.outcomes import Outcome
from etude.execute.stop import Stop
from etude.launch import machine, registry, written
from etude.launch.units import Unit, ancestors, units_of
from etude.plan.nodes import EvaluationNode, Graph
from etude.report.at_end import after_job
from etude.unexpected import sentence


@dataclass(frozen=True)
class Ended:
    """How the work ended: ``state`` is done, failed, blocked or interrupted.

    ``signal`` is what interrupted it and ``step`` the finished steps of its stage. ``trained`` is
    True where only evaluations are left to make.
    """

    state: str
    why: str = ""
    signal: str = ""
    step: int = 0
    trained: bool = False

    @property
    def code(self) -> int:
        """Return the exit code: what waits for this job starts only after a 0."""
        if self.state == "interrupted" and self.trained:
            return 0  # what waits rests on the stage
        return {"done": 0, "interrupted": Interrupted.exit_code}.get(self.state, 1)


def work(folder: Path, fingerprint: str, *, stop: Stop, title: str = "") -> Ended:
    """Do one unit of the graph in a run's folder and return how it ended.

    ``title`` heads what is printed. Raises StorageError where the run cannot be read.
    """
    from etude.distributed.world import current
    from etude.execute import local
    from etude.launch.slurm.alive import asker

    # By one rank: others might see files of a moment before or after, and decide otherwise.
    content = by_main(lambda: written.read_plain(folder))
    plain = units_of(written.graph_of(folder, content, ()))[fingerprint]
    graph = written.graph_of(folder, content, {node.fingerprint for node in plain.nodes})
    unit = units_of(graph)[fingerprint]
    graph = _own(graph, unit)
    observers = _observers(graph, title) if current().is_main else []
    with copies.used(folder):
        code = local.run(graph, observers, stop=stop, record=False, job_state=asker())
    return _ended(graph, unit, code, stop)


def _own(graph: Graph, unit: Unit) -> Graph:
    """Return the graph as this unit needs it: its nodes to do, what others did read from disk."""
    from etude.launch.on_disk import on_disk

    own = replace(graph, order=list(unit.nodes), outcomes={})
    if unit.stage is not None:
        own.whole = graph.runs
        own.runs = [
            run for run in graph.runs if any(v.stage == unit.fingerprint for v in run.stages)
        ]
    before = set(ancestors(graph, unit.parents))
    measured = [key for key, node in graph.evaluations.items() if node.stage in before]

    def outcomes() -> dict[str, Outcome]:
        found = {key: on_disk(graph, key) for key in (*before, *measured)}
        return {key: outcome for key, outcome in found.items() if outcome is not None}

    own.outcomes = by_main(outcomes)
    return own


def _observers(graph: Graph, title: str) -> list[Observer]:
    from etude.view.job import JobView
    from etude.view.observers import with_tracker

    root = graph.runs[0].root
    return with_tracker(JobView.on_stdout(root, title), root)


def _ended(graph: Graph, unit: Unit, code: int, stop: Stop) -> Ended:
    """Return how a unit ended: what waits for it rests on its stage, not on measurements."""
    step = _steps(graph, unit)
    outcome: Outcome | None = graph.outcomes.get(unit.fingerprint)
    trained = outcome is not None and outcome.good
    if code == Interrupted.exit_code:
        return Ended("interrupted", f"interrupted ({stop.signal})", stop.signal, step, trained)
    if trained:
        return Ended("done", step=step)
    if outcome is not None and outcome.state == "waiting":
        return Ended("blocked", outcome.error, step=step)
    # Several ranks end together with an evaluation that fails, before their stage has begun.
    failed = [each.error for each in graph.outcomes.values() if each.state == "failed"]
    return Ended("failed", failed[0] if failed else "did not run", step=step)


def _steps(graph: Graph, unit: Unit) -> int:
    """Return the finished steps that a next attempt would keep."""
    from etude.plan.lookup import state_of

    node = graph.node(unit.fingerprint)
    return 0 if isinstance(node, EvaluationNode) else state_of(node, graph.outputs).step


def main(argv: Sequence[str] | None = None) -> int:
    """Do a unit in the world that the environment speaks of, and return the exit code."""
    return guarded(_main, argv)


def _main(argv: list[str]) -> int:
    parser = Parser("etude.launch.job", description=main.__doc__)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("unit", help="the fingerprint of a stage or an evaluation")
    given = parser.parse_args(argv)
    let_threads_sleep()
    from etude.distributed.world import joined

    stop = Stop()
    with stop.listening(), joined() as world:
        if not world.is_alone:
            # torchrun may be killed; ranks without it would go on unseen.
            machine.signal_when_parent_ends(signal.SIGTERM)
        try:
            ended = work(given.run, given.unit, stop=stop)
        except Exception as error:
            if world.is_main and not isinstance(error, EtudeError):
                _write(given.run, given.unit, Ended("failed", sentence(error)))
            raise
    if world.is_main:
        _write(given.run, given.unit, ended)
        after_job(given.run, tell)
    return ended.code


def _write(run: Path, unit: str, ended: Ended) -> None:
    about = {"state": ended.state, "why": ended.why, "step": ended.step, "code": ended.code}
    registry.write_ended(run, unit, about)


if __name__ == "__main__":
    from etude.distributed.world import end

    end(main())
