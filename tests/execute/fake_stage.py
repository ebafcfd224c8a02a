"""A small deterministic learner, and a process that runs graphs of it in forked children.

``python fake_stage.py`` reads one JSON command a line from stdin, runs it in a fork (torch is
imported once) and answers with the exit status. A command can kill or stop its child at a named
point, and leave it in the background.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from etude.errors import Fenced
from etude.execute import atomic, local, tree
from etude.learner import make  # noqa: F401  (a child imports it, and with it much of torch)
from etude.learner.interface import StepResult
from etude.plan import layout
from etude.plan.nodes import EvaluationNode, GateEdge, Graph, Run, RunStage, StageNode
from etude.plan.references import Base, Made

SIZE = 257

#: The exit status of a child that was fenced off.
FENCED = 71


def die() -> None:
    """Get the signal of the command; after SIGSTOP, and SIGCONT, this returns."""
    os.kill(os.getpid(), FakeLearner.signal)
    FakeLearner.kill_at = ""


def stuck() -> None:
    """Wait in native code, for ever."""
    select.select([], [], [])


class FakeLearner:
    """Momentum descent on noise that seed and step decide; its component counts with int keys."""

    kill_at = ""
    signal = int(signal.SIGKILL)

    def __init__(self, config: dict[str, Any], context: Any) -> None:
        self.name = config["fake"].get("name", "")
        self.fake = config["fake"]
        self.steps = config["training"]["steps"]
        self.seed = context.seed
        if context.start is None:
            self.weight = torch.randn(SIZE, generator=torch.Generator().manual_seed(self.seed))
        else:
            self.weight = load_file(context.start / "model.safetensors")["weight"]
        self.momentum = torch.zeros(SIZE, dtype=torch.bfloat16)
        self.counts: dict[int, int] = {}
        self.closed = False
        self.hands_on = None

    @property
    def ended(self) -> str:
        over = "over_at" in self.fake and sum(self.counts.values()) >= self.fake["over_at"]
        return "its gate closed" if over else ""

    def step(self, step: int) -> StepResult:
        if self.kill_at == f"step:{self.name}:{step}":
            die()
        if self.fake.get("hang_at") == step:
            stuck()
        if self.fake.get("fail_at") == step:
            raise RuntimeError("CUDA out of memory in the logits")
        noise = torch.randn(SIZE, generator=torch.Generator().manual_seed(self.seed * 1000 + step))
        self.momentum = self.momentum * 0.9 + (self.weight * 0.1 + noise).to(torch.bfloat16)
        self.weight = self.weight - 0.1 * self.momentum.float()
        self.counts[step % 3] = self.counts.get(step % 3, 0) + 1
        time.sleep(self.fake.get("delay", 0.0))
        loss = float(self.weight.pow(2).mean())
        if self.fake.get("nan_at") == step:
            loss = float("nan")
        samples = [{"id": f"p{step}-{index}", "text": "né…"} for index in range(2)]
        return StepResult(
            {"loss": loss, "count": float(len(self.counts))}, samples, {"tokens": 3.0}
        )

    def evaluate(self, name: str = "main") -> tuple[dict[str, Any], list[dict[str, Any]]]:
        if self.kill_at == f"evaluate:{self.name}":
            die()
        value = float(self.weight[: SIZE // 2].mean())
        return {"metrics": {"pass@1": {"value": value}}}, [{"id": "q", "value": value}]

    def state_dict(self) -> Any:
        return {"weight": self.weight, "momentum": self.momentum, "counts": dict(self.counts)}

    def load_state_dict(self, state: Any) -> None:
        self.weight, self.momentum = state["weight"].clone(), state["momentum"].clone()
        self.counts = dict(state["counts"])

    def export(self, folder: Path) -> None:
        (folder / "model").mkdir()
        save_file({"weight": self.weight}, folder / "model" / "model.safetensors")
        if self.kill_at == f"export:{self.name}":
            die()
        (folder / "model" / "config.json").write_text("{}")

    def close(self) -> None:
        self.closed = True


def fake_evaluate(
    config: dict[str, Any], inputs: Any, folder: Path, seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if FakeLearner.kill_at == "measure":
        die()
    if config["fake"].get("evaluation_fails"):
        raise RuntimeError("the verifier is gone")
    time.sleep(config["fake"].get("evaluation_delay", 0.0))
    value, model = 0.0, inputs.get("model")
    if model is not None:
        value = abs(float(load_file(model / "model.safetensors")["weight"].mean()))
    return {"metrics": {"pass@1": {"value": value, "low": 0.0, "high": 1.0}}}, [{"id": "q"}]


def config(name: str, steps: int, *, training: Any = None, **fake: Any) -> dict[str, Any]:
    execution = {"threads": 1, "checkpoint_every": 3, "keep": 2, "minimum_free_gib": 0.0}
    execution.update({key: fake.pop(key) for key in list(fake) if key in SETTINGS})
    return {
        "seed": fake.pop("seed", 1),
        "training": {"steps": steps, **(training or {})},
        "execution": execution,
        "evaluation": {"name": "fake"},
        "fake": {"name": name, **fake},
    }


SETTINGS = (
    "checkpoint_every",
    "evaluate_every",
    "hang_minutes",
    "keep",
    "minimum_free_gib",
    "micro_batch_tokens",
)


def chain(outputs: Path, *stages: tuple[str, dict[str, Any]], **more: Any) -> Graph:
    """Return a graph of stages one after the other, each measured before and after."""
    graph = Graph({}, {}, [], [], outputs)
    views, before, start = [], "e-base", None
    graph.evaluations[before] = EvaluationNode("base", before, stages[0][1])
    graph.order.append(graph.evaluations[before])
    for name, stage in stages:
        fingerprint = more.get("fingerprint", f"f{name}{stage['seed']}")
        waits = (start,) if start else ()
        node = StageNode(
            name,
            fingerprint,
            f"l{name}{stage['seed']}",
            stage,
            "fake",
            parents=waits,
            after=waits,
            inputs={"start": Made(start) if start else Base()},
            extendable=True,
            fresh=more.get("fresh", False),
        )
        after = f"e-{fingerprint}"
        graph.stages[fingerprint] = node
        graph.evaluations[after] = EvaluationNode(name, after, stage, {"model": Made(fingerprint)})
        graph.order += [node, graph.evaluations[after]]
        gate = more.get("gates", {}).get(name)
        edge = GateEdge(fingerprint, after, *gate) if gate else None
        gates = tuple(view.gate for view in views[-1:] if view.gate is not None)
        if gates and gates[0].on_fail == "keep_previous":
            graph.stages[fingerprint] = node = _kept(node, gates[0])
            graph.order[-2] = node
        views.append(RunStage(name, fingerprint, before, after, waits, edge, gates))
        before, start = after, fingerprint
    graph.runs.append(Run("fake", ("seed=1",), tuple(views), {"name": "fake"}))
    return graph


def _kept(node: StageNode, gate: GateEdge) -> StageNode:
    import dataclasses

    return dataclasses.replace(node, kept=(gate,))


def run(graph: Graph, observers: Any = (), **more: Any) -> int:
    return local.run(graph, observers, make_learner=FakeLearner, evaluate=fake_evaluate, **more)


def _arm(kill_at: str) -> None:
    """Make this process die at a point that a learner cannot reach by itself."""
    FakeLearner.kill_at = kill_at
    kind, _, where = kill_at.partition(":")
    if kind == "checkpoint":
        original, written = tree._safetensors, [0]

        def torn(tensors: Any) -> Any:
            written[0] += 1
            chunks = original(tensors)
            yield next(chunks)
            if written[0] == int(where):
                die()
            yield from chunks

        tree._safetensors = torn  # type: ignore[assignment]
    if kind == "done":
        original_json = atomic.write_json

        def late(path: Path, content: Any, *check: Any) -> None:
            if path.name == layout.DONE and path.parent.name.startswith(where):
                die()
            original_json(path, content, *check)

        atomic.write_json = late  # type: ignore[assignment]


class Dies:
    """An observer that kills the process when a stage has finished."""

    def __init__(self, kill_at: str) -> None:
        self.kill_at = kill_at

    def __getattr__(self, event: str) -> Any:
        def hear(*args: Any, **named: Any) -> None:
            if event == "stage_finished" and self.kill_at == f"between:{args[0].name}":
                die()

        return hear


def child(command: dict[str, Any]) -> int:
    os.environ.update(command.get("environment", {}))
    FakeLearner.signal = command.get("signal", FakeLearner.signal)
    _arm(command.get("kill_at", ""))
    stages = [(name, config(name, **options)) for name, options in command["stages"]]
    graph = chain(Path(command["outputs"]), *stages, **command.get("more", {}))
    return run(graph, [Dies(command.get("kill_at", ""))])


def serve() -> None:
    torch.set_num_threads(1)
    gc.freeze()  # children need not look at what torch's import left
    for line in sys.stdin:
        command = json.loads(line)
        if "wait" in command:
            print(exit_status(command["wait"]), flush=True)
            continue
        process = os.fork()
        if process == 0:
            code = 70
            try:
                code = child(command)
            except Fenced:
                code = FENCED
            finally:
                os._exit(code)
        if "signal_after" in command:
            seconds, number = command["signal_after"]
            time.sleep(seconds)
            os.kill(process, number)
        print(process if command.get("background") else exit_status(process), flush=True)


def exit_status(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    serve()
