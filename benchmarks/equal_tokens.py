"""Runs of one stage that sample as many tokens as another did, and what they came to.

Runs are made in this process, as `train` makes them, and a finished one is found again by its
fingerprint: the same call a second time trains nothing. A run that has sampled less than its budget
goes on from its last checkpoint with more steps, until a step more would be further away.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import Any

from etude.config.prepare import prepare
from etude.execute import local
from etude.execute.stop import Stop
from etude.plan.graph import build_graph
from etude.plan.layout import Folders


@dataclass(frozen=True)
class Trained:
    """A finished stage, and the evaluation of its model where one was asked for."""

    stage: Path
    evaluation: Path | None

    @property
    def model(self) -> Path:
        return self.stage / "model"

    @cached_property
    def steps(self) -> list[dict[str, Any]]:
        return _lines(self.stage / "metrics.jsonl")

    @cached_property
    def seconds(self) -> float:
        return sum(line["seconds"] for line in _lines(self.stage / "timing.jsonl"))

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        assert self.evaluation is not None
        return _lines(self.evaluation / "samples.jsonl")

    @cached_property
    def tokens(self) -> list[float]:
        """Tokens sampled until the end of each step, those of evaluations in training included."""
        measured: dict[int, float] = defaultdict(float)
        for line in _lines(self.stage / "evaluations.jsonl"):
            answers = line["problems"] * line["samples"]
            measured[line["step"]] += answers * line["metrics"]["length"]["value"]
        found, beside = [], measured[0]
        for step, line in enumerate(self.steps, 1):
            beside += measured[step]
            found.append(line["tokens/sampled"] + beside)
        return found

    def mean(self, metric: str) -> float:
        return mean(line[metric] for line in self.steps)

    def right(self) -> list[bool]:
        """Return whether each held-out answer is right."""
        return [sample["outcome"] == "correct" for sample in self.samples]

    def by(self, group: Mapping[str, Any]) -> dict[Any, float]:
        """Return the share of right held-out answers, by what ``group`` has for their prompts."""
        found: dict[Any, list[bool]] = defaultdict(list)
        for sample, right in zip(self.samples, self.right(), strict=True):
            found[group[sample["prompt"]]].append(right)
        return {name: mean(each) for name, each in found.items()}

    def lengths(self) -> list[int]:
        return [sample["length"] for sample in self.samples]

    def cut(self) -> list[bool]:
        return [sample["stop_reason"] == "length" for sample in self.samples]

    def part(self, name: str) -> float:
        return mean(sample["parts"][name] for sample in self.samples)


def trained(overrides: Sequence[str]) -> Trained:
    """Train the only stage that overrides describe, unless it is there."""
    graph = build_graph(prepare(overrides).runs)
    if code := local.run(graph, [], stop=Stop()):
        raise SystemExit(f"{' '.join(overrides)}\nended with {code}: {graph.outcomes}")
    (node,) = graph.stages.values()
    after = graph.runs[0].stages[0].after
    folders = Folders(graph.outputs)
    measured = None
    if after is not None:
        measured = folders.evaluation(graph.evaluations[after].name, after)
    return Trained(folders.stage(node.name, node.fingerprint), measured)


def trained_to(budget: float, overrides: Sequence[str], guess: int) -> Trained:
    """Train until as many tokens were sampled as is possible in whole steps; then measure.

    ``guess`` is a number of steps, 2 or more, that stays below the budget.
    """
    steps = guess
    unmeasured = [word for word in overrides if not word.startswith("evaluation.")]
    while True:
        found = trained([*unmeasured, f"training.steps={steps}", "evaluation=null"])
        spent = found.tokens
        half = (len(spent) - 1) // 2  # a step costs what the later ones did
        a_step = (spent[-1] - spent[half]) / (len(spent) - 1 - half)
        if (more := round((budget - spent[-1]) / a_step)) <= 0:
            return trained([*overrides, f"training.steps={steps}"])
        steps += more


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
