"""Runs a graph in worker processes of this machine: a unit starts when what it rests on is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from etude.cli.frame import tell, warn
from etude.errors import ConfigError, Fault, Interrupted
from etude.execute import atomic, outcomes, run_folder
from etude.execute.failures import apart
from etude.execute.local import check_outputs
from etude.execute.outcomes import Outcome
from etude.execute.stop import Stop
from etude.launch import machine, registry, written
from etude.launch.code import SAFE_PATH, snapshot
from etude.launch.fresh import move_fresh_aside
from etude.launch.on_disk import on_disk
from etude.launch.resources import Shape, not_here, shape_of
from etude.launch.units import Unit, units_of
from etude.plan import layout
from etude.plan.nodes import EvaluationNode, Graph, StageNode
from etude.plan.quantities import counted, duration
from etude.report.at_end import over

_POLL_SECONDS = 0.1
#: Seconds that workers get to save after a request to stop, before they are killed.
_PATIENCE = 600.0


@dataclass(frozen=True)
class Share:
    """What of this machine a run may use: workers at a time, GPUs by number; None: all there is."""

    workers: int | None = None
    gpus: Sequence[int] | None = None


#: Seconds more for torchrun, which kills its own ranks when the others are up.
_KILLING = 10.0


def run(graph: Graph, share: Share, root: Mapping[str, Any]) -> int:
    """Do a graph's units in processes and return the exit code, as ``execute.local.run`` does.

    Raises ConfigError for a stage that asks for more than this machine.
    """
    pool = Pool(graph, share)
    check_outputs(graph)
    move_fresh_aside(graph)
    graph.folder = run_folder.make(graph)
    written.write(graph, root["launcher"])
    return pool.run()


def take_up(folder: Path, share: Share) -> int:
    """Go on with a written run in worker processes; return the exit code."""
    graph, _ = written.read(folder)
    return Pool(graph, share).run()


def at_a_time(share: Share) -> int:
    """Return how many units work at the same time."""
    return share.workers or len(_gpus(share)) or max(1, machine.cores() // 2)


def _gpus(share: Share) -> list[str]:
    return machine.gpus() if share.gpus is None else [str(number) for number in share.gpus]


def _shape(unit: Unit) -> Shape:
    from etude.config.settings import Resources

    return shape_of(unit.resources, Resources(), f"stages.{unit.name}.resources")


def _check(units: Mapping[str, Unit], shapes: Mapping[str, Shape], gpus: list[str]) -> None:
    faults = {
        f"stages.{unit.name}.{key}": message
        for fingerprint, unit in units.items()
        for key, message in not_here(shapes[fingerprint], gpus)
    }
    if faults:
        raise ConfigError([Fault(typed, message) for typed, message in faults.items()])


@dataclass
class _Worker:
    unit: Unit
    process: subprocess.Popen[bytes]
    gpus: list[str]
    log: Path
    stream: IO[bytes]
    started: float = field(default_factory=time.monotonic)


class Pool:
    """The units of a graph, the processes at work on them, and the GPUs that are free."""

    def __init__(self, graph: Graph, share: Share) -> None:
        self.graph = graph
        self.units = units_of(graph)
        self.shapes = {key: _shape(unit) for key, unit in self.units.items()}
        self.free = _gpus(share)
        self.given = 1 if self.free else 0
        self.most = at_a_time(share)
        self.waiting = dict(self.units)
        self.ended: dict[str, bool] = {}
        self.working: list[_Worker] = []
        self.stop = Stop()
        _check(self.units, self.shapes, self.free)

    def run(self) -> int:
        """Start units as they become ready until all have ended; return the exit code."""
        graph = self.graph
        assert graph.folder is not None  # made before
        self.code = snapshot(graph.outputs, graph.folder, tell)
        tell(f"{graph.folder.name} · {counted(len(self.units), 'stage')}, {self.most} at a time")
        self._pass_over_done()
        state = "failed"
        try:
            with self.stop.listening():
                while (self.waiting or self.working) and not self.stop.requested:
                    self._write_result("running")
                    self._start_ready()
                    self._reap()
                if self.stop.requested:
                    self._end_workers()
        finally:
            self._read_outcomes()
            if self.stop.requested:
                state = "interrupted"
            elif all(self.ended.values()) and not outcomes.problems(graph):
                state = "done"
            graph.state = state
            self._write_result(state)
        self._tell_end()
        over(graph, tell, lambda text: warn([text]))
        return {"done": 0, "failed": 1, "interrupted": Interrupted.exit_code}[state]

    def _pass_over_done(self) -> None:
        """Take units whose nodes are all finished for ended well: their process would find that."""
        for key, unit in self.units.items():
            if all(on_disk(self.graph, node.fingerprint) is not None for node in unit.nodes):
                del self.waiting[key]
                self.ended[key] = True
        if self.ended:
            are = "stages are" if len(self.ended) > 1 else "stage is"
            tell(f" {len(self.ended)} {are} done already")

    def _start_ready(self) -> None:
        for key, unit in list(self.waiting.items()):
            known = [self.ended.get(parent, parent not in self.units) for parent in unit.parents]
            if any(parent in self.ended and not self.ended[parent] for parent in unit.parents):
                self._lost(unit)
            elif all(known) and len(self.working) < self.most and self._gpus_for(unit) is not None:
                del self.waiting[key]
                self.working.append(self._start(unit))

    def _lost(self, unit: Unit) -> None:
        """Give up a unit that rests on one that did not end well."""
        del self.waiting[unit.fingerprint]
        self.ended[unit.fingerprint] = False
        names = [
            self.units[parent].name for parent in unit.parents if not self.ended.get(parent, True)
        ]
        tell(f" {_called(unit)} does not run: {', '.join(names)} did not finish")

    def _gpus_for(self, unit: Unit) -> list[str] | None:
        """Return the GPUs a unit would get now, or None while too few are free."""
        wanted = self.shapes[unit.fingerprint].gpus_per_node or self.given
        return self.free[:wanted] if wanted <= len(self.free) else None

    def _start(self, unit: Unit) -> _Worker:
        assert self.graph.folder is not None
        gpus = self._gpus_for(unit) or []
        self.free = [each for each in self.free if each not in gpus]
        place = registry.log_folder(
            self.graph.folder, unit.name, unit.fingerprint, "local", self._number(unit)
        )
        log = place / "rank0.log"
        with atomic.storing(log):
            place.mkdir(parents=True, exist_ok=True)
            registry.forget_ended(self.graph.folder, unit.fingerprint)
            stream = log.open("ab")
        path = os.environ.get("PYTHONPATH")
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.code) + (f"{os.pathsep}{path}" if path else ""),
            "CUDA_VISIBLE_DEVICES": ",".join(gpus),
            "PYTHONUNBUFFERED": "1",
            # torchrun kills its ranks so long after it was asked to end; it would be 30 seconds.
            "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": f"{_PATIENCE:.0f}",
        }
        shape = self.shapes[unit.fingerprint]
        process = subprocess.Popen(
            command(self.graph.folder, unit, shape),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on once
            preexec_fn=_end_with_parent if shape.tasks == 1 else _as_torchrun,
        )
        tell(f" {_called(unit)} starts · {log}")
        return _Worker(unit, process, gpus, log, stream)

    def _number(self, unit: Unit) -> int:
        assert self.graph.folder is not None
        place = registry.log_folder(self.graph.folder, unit.name, unit.fingerprint, "local", 0)
        return len(list(place.parent.glob("local.*"))) if place.parent.is_dir() else 0

    def _reap(self) -> None:
        for worker in list(self.working):
            if worker.process.poll() is not None:
                self._over(worker)
        time.sleep(_POLL_SECONDS)

    def _over(self, worker: _Worker) -> None:
        self.working.remove(worker)
        worker.stream.close()
        self.free += worker.gpus
        code = worker.process.returncode
        unit = worker.unit
        self.ended[unit.fingerprint] = code == 0
        seconds = duration(time.monotonic() - worker.started)
        why = self._why(worker, code) or f"done in {seconds}"
        tell(f" {_called(unit)} {why}")

    def _why(self, worker: _Worker, code: int) -> str:
        assert self.graph.folder is not None
        about = registry.ended(self.graph.folder, worker.unit.fingerprint)
        # torchrun ends with 1 whatever the code of its ranks.
        told = about is not None and about.get("state") == "interrupted"
        if code == 0:
            return "trained; interrupted before it was evaluated" if told else ""
        if told or code == Interrupted.exit_code:
            step = about.get("step") if about is not None else 0
            return f"interrupted; it goes on from {f'step {step}' if step else 'its beginning'}"
        if about is not None and about.get("why"):
            return f"FAILED: {apart(str(about['why']))[0]}"
        how = f"exit code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
        return f"FAILED by {how}; its log is {worker.log}"

    def _end_workers(self) -> None:
        """Ask every worker to save and end; kill those that do not."""
        tell(f" {self.stop.signal}: {counted(len(self.working), 'stage')} save and end")
        for worker in self.working:
            worker.process.terminate()
        end = time.monotonic() + _PATIENCE + _KILLING
        while self.working and time.monotonic() < end:
            self._reap()
        for worker in list(self.working):
            os.killpg(worker.process.pid, signal.SIGKILL)
            worker.process.wait()
            self._over(worker)

    def _read_outcomes(self) -> None:
        """Fill in how every node ended, from what lies on disk."""
        graph = self.graph
        assert graph.folder is not None
        for key, unit in self.units.items():
            about = registry.ended(graph.folder, key) or {}
            for node in unit.nodes:
                outcome = on_disk(graph, node.fingerprint)
                if outcome is not None:
                    graph.outcomes[node.fingerprint] = outcome
                elif (why := _unmeasured(graph, node)) is not None:
                    graph.outcomes[node.fingerprint] = Outcome("failed", error=why)
                elif node.fingerprint == key and about.get("state") == "failed":
                    graph.outcomes[key] = Outcome("failed", error=str(about.get("why")))
                elif node.fingerprint == key and self.ended.get(key) is False:
                    why = str(about.get("why") or f"{_called(unit)} did not finish")
                    failed = key not in self.waiting and not any(
                        self.ended.get(parent) is False for parent in unit.parents
                    )
                    failed = failed and about.get("state") != "interrupted"
                    graph.outcomes[key] = Outcome("failed" if failed else "waiting", error=why)

    def _write_result(self, state: str) -> None:
        if state != "running" or not self.working:
            run_folder.write_result(self.graph, state)

    def _tell_end(self) -> None:
        from etude.view.ending import end_lines
        from etude.view.record import RunRecord

        record = RunRecord()
        for fingerprint, outcome in self.graph.outcomes.items():
            if fingerprint in self.graph.stages:
                known = record.stage(fingerprint)
                known.state, known.seconds = outcome.state, outcome.seconds
                known.folder, known.problem = outcome.folder, apart(outcome.error)[1]
            elif outcome.state == "failed":
                record.unmeasured[fingerprint] = self.graph.evaluations[fingerprint].name
            elif outcome.evaluation is not None:
                record.evaluations[fingerprint] = outcome.evaluation
        tell()
        for line in end_lines(self.graph, record):
            tell(line)


def command(folder: Path, unit: Unit, shape: Shape) -> list[str]:
    """Return the command of a unit: Python alone, or torchrun for several processes."""
    python = [sys.executable, SAFE_PATH]
    work = [*python, "-m", "etude.launch.job", str(folder), unit.fingerprint]
    if shape.tasks == 1:
        return work
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    return [*python, *torchrun, str(shape.tasks), "--no-python", *work]


def _unmeasured(graph: Graph, node: StageNode | EvaluationNode) -> str | None:
    """Return why an evaluation failed, as its process wrote down; None where none did."""
    if not isinstance(node, EvaluationNode):
        return None
    folder = layout.evaluation_folder(graph.outputs, node.name, node.fingerprint)
    about = layout.read_json(folder / layout.FAILED)
    return None if about is None else str(about.get("error"))


def _called(unit: Unit) -> str:
    return f"{unit.name}-{unit.fingerprint[:4]}"


def _end_with_parent() -> None:
    """Have the kernel ask a worker to save and end when this process dies."""
    machine.signal_when_parent_ends(signal.SIGTERM)


def _as_torchrun() -> None:
    """Do the same, and let torchrun hear it: it would inherit the signals that are blocked here.

    A worker of our own keeps them blocked until it listens, so none of them is lost.
    """
    _end_with_parent()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM, signal.SIGHUP])
