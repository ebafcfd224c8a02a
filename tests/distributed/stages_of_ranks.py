"""Stages as one process or several ranks run them, from their first step to DONE.json.

Run as a program it is one of several ranks, and reads what to run from a file; imported it does
the same alone.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from etude.config.prepare import prepare
from etude.distributed.together import apart, by_all, by_main
from etude.distributed.world import current, end, joined
from etude.errors import StageError
from etude.execute import local
from etude.execute.stop import Stop
from etude.learner.interface import Learner, StepResult
from etude.learner.make import make_learner
from etude.plan.graph import build_graph

SFT = (
    "recipe=sft",
    "training.rows_per_step=7",
    "training.steps=4",
    "execution.threads=1",
    "execution.micro_batch_tokens=100",
    "execution.checkpoint_every=2",
    "execution.evaluate_every=2",
    "execution.minimum_free_gib=0",
    "execution.report=false",
    "evaluation.problems=3",
    "evaluation.samples=2",
    "evaluation.bootstrap=10",
    "rollout.max_new_tokens=8",
    "optimizer.lr=1e-2",
    # Adam divides by the size of a gradient: without this it would blow rounding errors up.
    "optimizer.epsilon=1e-3",
)

MODEL = (
    "model=scratch",
    "model.hidden_size=32",
    "model.layers=2",
    "model.heads=2",
    "model.kv_heads=1",
    "model.intermediate_size=64",
)
ROWS = ("data_mix.train.arithmetic.limit=200",)


@dataclass(frozen=True)
class Work:
    """A stage to run in ``outputs``; ``rank`` is asked to stop, or fails, when a step is over.

    ``measuring``: not then, but in the evaluation that follows. ``unmeasured``: no rank can measure
    the model before and after.
    """

    outputs: str
    overrides: tuple[str, ...] = (*MODEL, *ROWS)
    stop_after: int | None = None
    fail_after: int | None = None
    rank: int = 0
    measuring: bool = False
    unmeasured: bool = False


class Disturbed:
    """A learner that is asked to stop, or breaks, after one of its steps."""

    def __init__(self, learner: Learner, work: Work, stop: Stop) -> None:
        self.learner = learner
        self.steps = learner.steps
        self._work = work
        self._stop = stop
        self._asked = False

    def evaluate(self, name: str = "main") -> tuple[dict[str, Any], list[dict[str, Any]]]:
        if self._asked:
            self._stop.request("SIGUSR2")
        return self.learner.evaluate()

    def step(self, step: int) -> StepResult:
        result = self.learner.step(step)
        if current().rank == self._work.rank:
            self._asked = step + 1 == self._work.stop_after
            if self._asked and not self._work.measuring:
                self._stop.request("SIGUSR2")
            if step + 1 == self._work.fail_after:
                raise RuntimeError("the disk of this rank is on fire")
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.learner, name)


def run(work: Work) -> int:
    """Run a stage and the evaluations of its model; return the exit code."""
    graph = build_graph(prepare([*SFT, f"outputs={work.outputs}", *work.overrides]).runs)
    stop = Stop()

    def made(config: dict[str, Any], context: Any) -> Any:
        return Disturbed(make_learner(config, context), work, stop)

    def measure(*_: Any) -> Any:
        return apart(refuse)

    evaluate = measure if work.unmeasured else None
    return local.run(graph, [], make_learner=made, evaluate=evaluate, stop=stop, record=False)


def talk() -> dict[str, Any]:
    """Return what this rank hears when all tell each other things."""
    world = current()
    heard: dict[str, Any] = {
        "gathered": world.gather(world.rank * 10),
        "sent": world.broadcast({"from": world.rank}),
        "any": [world.any(world.rank == 1), world.any(False)],
        "first": world.first("spoken" if world.rank == 1 else ""),
        "collected": world.collect([number**2 for number in world.share(range(5))]),
        "main": by_main(lambda: world.rank + 7),
        "all": by_all(lambda: world.rank),
    }
    for name, together in (("main failed", by_main), ("all failed", by_all)):
        try:
            together(refuse)
        except StageError as error:
            heard[name] = str(error)
    return heard


def refuse() -> None:
    """Fail on every rank, each for its own reason."""
    raise StageError(f"rank {current().rank} will not")


def write(folder: Path, works: list[Work]) -> Path:
    """Write down what ranks are to run; return the file."""
    path = folder / "works.json"
    path.write_text(json.dumps([asdict(work) for work in works]))
    return path


if __name__ == "__main__":
    given = Path(sys.argv[1])
    works = [Work(**one) for one in json.loads(given.read_text())]
    with joined(patience=60) as world:
        (given.parent / f"heard.{world.rank}.json").write_text(json.dumps(talk()))
        codes = [run(one) for one in works]
        (given.parent / f"codes.{world.rank}.json").write_text(json.dumps(codes))
    end(codes[-1])
