"""Seconds a step of what steers a run, relative to a run that nothing steers.

    python benchmarks/steering.py                       # every curriculum
    python benchmarks/steering.py riac --more curriculum.region_size=50

Stages of one tiny model are opened side by side, the plain one among them, and stepped in turn, so
that all of them meet the same load. The ratio is of the medians, after a first step that counts for
nothing. What steers may have other prompts drawn and other answers sampled: `tokens` are the mean
of a step, and `own` is the time of its own work (plan and observe) in milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from etude import schema
from etude.config.prepare import prepare
from etude.learner.context import StageContext
from etude.learner.make import make_learner

PLAIN = "constant"

#: Overrides by which one does its work within a few steps.
SUITED = {
    "alp_gmm": ("curriculum.fit_rate=64",),
    "covar_gmm": ("curriculum.fit_rate=64",),
    "easy_to_hard": ("curriculum.steps=[2]",),
    "length_progressive": ("curriculum.limits=[64]",),
}


def stage(name: str, more: list[str], folder: Path) -> Any:
    """Return an opened stage with a curriculum of this name."""
    chosen = ["recipe=rl", f"curriculum={name}", *SUITED.get(name, ()), *more]
    config = prepare([*chosen, "execution.samples=0"]).runs[0][1][0].config
    return make_learner(config, StageContext(config["seed"], folder))


def timed(work: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    """Return a function that does the same and adds what it took to the last of ``spent``."""

    def done(*given: Any) -> Any:
        began = time.perf_counter()
        found = work(*given)
        spent[-1] += time.perf_counter() - began
        return found

    return done


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    known = [name for name in schema.load().choices("curriculum") if name != PLAIN]
    parser.add_argument("names", nargs="*", default=known)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--more", nargs="*", default=[], help="overrides of all but the plain one")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    names = [PLAIN, *args.names]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    tokens: dict[str, list[float]] = {name: [] for name in names}
    own: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        stages = {}
        for name in names:
            more = [] if name == PLAIN else args.more
            stages[name] = stage(name, more, Path(folder))
            steering = stages[name].live["curriculum"]
            steering.plan = timed(steering.plan, own[name])
            steering.observe = timed(steering.observe, own[name])
        for step in range(args.steps):
            for name in names:
                own[name].append(0.0)
                began = time.perf_counter()
                result = stages[name].step(step)
                seconds[name].append(time.perf_counter() - began)
                tokens[name].append(
                    result.metrics["rollout/length"] * result.metrics["rollout/rows"]
                )
        for each in stages.values():
            each.close()
    plain = statistics.median(seconds[PLAIN][1:])
    print(f"{'curriculum':20}{'s/step':>10}{'ratio':>8}{'tokens':>10}{'own ms':>9}{'most ms':>9}")
    for name in names:
        median = statistics.median(seconds[name][1:])
        mean, most = 1000 * statistics.mean(own[name][1:]), 1000 * max(own[name][1:])
        count = statistics.mean(tokens[name][1:])
        print(f"{name:20}{median:10.3f}{median / plain:8.2f}{count:10.0f}{mean:9.2f}{most:9.2f}")


if __name__ == "__main__":
    main()
