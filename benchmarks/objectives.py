"""A short run of every objective from one taught model: pass@1 before and after, cost of a step.

    python benchmarks/objectives.py                       # every policy-gradient objective
    python benchmarks/objectives.py grpo ghpo --levels 4  # some, on harder problems

One tiny model is taught worked arithmetic; each objective then trains a copy of it for the same
number of steps on the same prompts in this one process. Seconds a step are the median, given as a
ratio to grpo's; `signal` is the mean share of groups whose rewards differ.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from etude import schema
from etude.config.prepare import prepare
from etude.learner.context import StageContext
from etude.learner.make import make_learner

SIZE = ("execution.micro_batch_tokens=4096", "rollout.max_new_tokens=40")


def build(overrides: list[str], start: Path | None, folder: Path) -> Any:
    """Return the learner of the first stage that overrides describe."""
    config = prepare(overrides).runs[0][1][0].config
    return make_learner(config, StageContext(config["seed"], folder, {"start": start}))


def taught(steps: int, folder: Path) -> Path:
    """Return the folder of a model that was taught worked arithmetic."""
    made = build(
        ["recipe=sft", *SIZE, f"training.steps={steps}", "optimizer.lr=1e-3"], None, folder
    )
    for step in range(steps):
        made.step(step)
    made.export(folder)
    return folder / "model"


def measured(learner: Any) -> tuple[float, float, float]:
    """Return pass@1 and its interval."""
    result, _ = learner.evaluate()
    found = result["metrics"]["pass@1"]
    return found["value"], found["low"], found["high"]


def run(name: str, args: argparse.Namespace, start: Path, folder: Path) -> dict[str, Any]:
    """Train one objective and return what the table shows."""
    levels = [f"data_mix.train.arithmetic.levels=[{args.levels}]"] if args.levels else []
    learner = build(
        [
            "recipe=rl",
            *SIZE,
            f"objective={name}",
            f"training.steps={args.steps}",
            f"optimizer.lr={args.lr}",
            "optimizer.schedule.warmup_steps=5",
            f"seed={args.seed}",
            *levels,
        ],
        start,
        folder,
    )
    seconds, signal, finite = [], [], True
    for step in range(args.steps):
        began = time.perf_counter()
        metrics = learner.step(step).metrics
        seconds.append(time.perf_counter() - began)
        signal.append(metrics["groups/signal"])
        finite = finite and all(math.isfinite(value) for value in metrics.values())
    after = measured(learner)
    learner.close()
    return {
        "name": name,
        "after": after,
        "seconds": statistics.median(seconds),
        "signal": statistics.mean(signal),
        "finite": finite,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("objectives", nargs="*", help="names; none: all policy-gradient ones")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--sft-steps", type=int, default=130)
    parser.add_argument("--lr", default="1e-4")
    parser.add_argument("--levels", default="", help="levels of the training problems, e.g. 3,4")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    known = schema.load().choices("objective")
    names = args.objectives or sorted(
        name for name, info in known.items() if info.learner == "policy_gradient"
    )
    names = ["grpo", *(name for name in names if name != "grpo")]
    with tempfile.TemporaryDirectory() as folder:
        start = taught(args.sft_steps, Path(folder))
        learner = build(["recipe=rl", *SIZE, "objective=grpo"], start, Path(folder))
        before = measured(learner)
        learner.close()
        print(f"before: pass@1 {before[0]:.3f} [{before[1]:.3f}, {before[2]:.3f}]", flush=True)
        print("| objective | pass@1 after | 95 % interval | signal | s/step ÷ grpo | finite |")
        print("| --- | --- | --- | --- | --- | --- |", flush=True)
        base = None
        for name in names:
            row = run(name, args, start, Path(folder))
            base = base or row["seconds"]
            value, low, high = row["after"]
            print(
                f"| {name} | {value:.3f} | {low:.3f}–{high:.3f} | {row['signal']:.2f} "
                f"| {row['seconds'] / base:.2f} | {'yes' if row['finite'] else 'NO'} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
