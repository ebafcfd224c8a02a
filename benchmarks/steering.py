"""Seconds a step of what steers a run, relative to a run that nothing steers.

    python benchmarks/steering.py                        # every component of every group below
    python benchmarks/steering.py curriculum objective/shaping
    python benchmarks/steering.py curriculum=riac --more curriculum.region_size=50

Stages of one model, taught a little, are opened side by side, the plain ones among them, and
stepped in turn, so that all of them meet the same load. Seconds are those of the processor in the
process that trains (answers are judged in others); the ratio is of the medians, after a first step
that counts for nothing. What steers may have other prompts drawn and other answers sampled:
`tokens` are the mean of a step. `own` is the time of a curriculum's own work (plan and observe) in
milliseconds.
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
from equal_tokens import trained

from etude import schema
from etude.config.prepare import prepare
from etude.learner.context import StageContext
from etude.learner.make import make_learner

#: Group → what it holds where nothing steers; None: no part at all.
PLAIN: dict[str, str | None] = {
    "reward_weighting": "weighted_sum",
    "curriculum": "constant",
    "rollout/budget": "uniform",
    "objective/selection": None,
    "objective/shaping": None,
    "objective/sample_weights": "none",
}

SIZE = (
    "execution.micro_batch_tokens=4096",
    "execution.threads=1",
    "tracker=none",
    "sources.arithmetic.train_size=500",
    "sources.arithmetic.test_size=100",
)

#: Recipe → how large its steps are.
STEPS = {
    "rl": ("training.prompts_per_step=8", "rollout.max_new_tokens=40", "verifier.timeout=120"),
    "sft": ("training.rows_per_step=64",),
}

#: Constraints are set against a divergence.
CONSTRAINED = ("objective/shaping=[kl_penalty]", "objective.shaping.kl_penalty.coef=0.1")

#: Overrides by which one does its work, and does it within a few steps.
SUITED: dict[str, tuple[str, ...]] = {
    "reward_weighting=hypervolume": (
        "objective=dr_grpo",
        "evaluations.objectives.evaluation=part_means",
        "reward_weighting.evaluation=objectives",
        "reward_weighting.maximised=[accuracy,format]",
    ),
    "reward_weighting=lagrangian": CONSTRAINED,
    "reward_weighting=maxmin": ("reward_weighting.groups=[accuracy,format]",),
    "reward_weighting=robust": ("reward_weighting.heads=[accuracy,format]",),
    "reward_weighting=threshold_search": CONSTRAINED,
    "reward_weighting=trust": ("verifier.thought=true",),
    "curriculum=alp_gmm": ("curriculum.fit_rate=64",),
    "curriculum=covar_gmm": ("curriculum.fit_rate=64",),
    "curriculum=easy_to_hard": ("curriculum.steps=[2]",),
    "curriculum=length_progressive": ("curriculum.limits=[40]",),
    "rollout/budget=adaptive": ("rollout.budget.start=4",),
    "rollout/budget=broad": ("rollout.budget.chunk=4",),
    "rollout/budget=knapsack": ("rollout.budget.up=32", "data_mix.train.arithmetic.limit=64"),
    "objective/shaping=kl_penalty": CONSTRAINED[1:],
}


def overrides(choice: str) -> list[str]:
    """Return the command of a stage with a component, ``group=name``, or with none, ``rl``."""
    group, _, name = choice.partition("=")
    recipe = "sft" if choice == "sft" or group == "objective/sample_weights" else "rl"
    chosen = [choice] if name else []
    if name and PLAIN[group] is None:
        chosen = [f"{group}=[{name}]"]
    return [f"recipe={recipe}", *SIZE, *STEPS[recipe], *chosen, *SUITED.get(choice, ())]


def plain_of(choice: str) -> str:
    """Return the plain stage that one with a component is compared with."""
    return "sft" if choice.startswith("objective/sample_weights") else "rl"


def stage(words: list[str], start: Path, folder: Path) -> Any:
    """Return an opened stage."""
    config = prepare([*words, "execution.samples=0"]).runs[0][1][0].config
    return make_learner(config, StageContext(config["seed"], folder, {"start": start}))


def timed(work: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    """Return a function that does the same and adds what it took to the last of ``spent``."""

    def done(*given: Any) -> Any:
        began = time.process_time()
        found = work(*given)
        spent[-1] += time.process_time() - began
        return found

    return done


def choices(asked: list[str]) -> list[str]:
    """Return the components of the groups that are asked for, as ``group=name``."""
    found: list[str] = []
    for word in asked:
        names = [word] if "=" in word else []
        if not names:
            known = schema.load().choices(word)
            names = [f"{word}={name}" for name in known if name != PLAIN[word]]
        found += names
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", nargs="*", default=list(PLAIN), help="GROUP or GROUP=NAME")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--start", type=Path, help="folder of the model; none: one is taught")
    parser.add_argument("--sft-steps", type=int, default=100)
    parser.add_argument("--more", nargs="*", default=[], help="overrides of all but the plain ones")
    args = parser.parse_args()
    torch.set_num_threads(1)
    wanted = choices(args.what)
    plain = list(dict.fromkeys(plain_of(choice) for choice in wanted))
    names = [*plain, *wanted]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    tokens: dict[str, list[float]] = {name: [] for name in names}
    own: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        taught = ["recipe=sft", *SIZE, f"training.steps={args.sft_steps}", "optimizer.lr=1e-3"]
        start = args.start or trained([*taught, f"outputs={folder}", "evaluation=null"]).model
        stages = {}
        for name in names:
            more = [] if name in plain else args.more
            stages[name] = stage([*overrides(name), *more], start, Path(folder))
            if name.startswith("curriculum="):
                steering = stages[name].live["curriculum"]
                steering.plan = timed(steering.plan, own[name])
                steering.observe = timed(steering.observe, own[name])
        for step in range(args.steps):
            for name in names:
                own[name].append(0.0)
                began = time.process_time()
                metrics = stages[name].step(step).metrics
                seconds[name].append(time.process_time() - began)
                rows, length = (metrics.get(f"rollout/{key}", 0.0) for key in ("rows", "length"))
                tokens[name].append(rows * length)
        for each in stages.values():
            each.close()
    print("| | s/step | ratio | tokens | own ms |\n| --- | --- | --- | --- | --- |")
    for name in names:
        median = statistics.median(seconds[name][1:])
        base = statistics.median(seconds[plain_of(name) if name not in plain else name][1:])
        mean = 1000 * statistics.mean(own[name][1:])
        count = statistics.mean(tokens[name][1:])
        shown = f"{mean:.2f}" if name.startswith("curriculum=") else ""
        sampled = f"{count:.0f}" if count else ""
        print(f"| {name} | {median:.3f} | {median / base:.2f} | {sampled} | {shown} |")


if __name__ == "__main__":
    main()
