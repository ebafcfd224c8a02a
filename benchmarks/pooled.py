"""Many members trained by one run of the launcher ``local_pool``, each to a budget of tokens.

What is done is found again by its fingerprint, so the same call a second time trains nothing, and
one that was cut short goes on. A first round of few steps tells what a step takes; members then go
on from their last checkpoints with as many steps as come nearest to their budgets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from equal_tokens import Trained
from member import Member

from etude.config.prepare import prepare
from etude.errors import Interrupted
from etude.launch import pool
from etude.plan.graph import build_graph
from etude.plan.layout import Folders
from etude.plan.nodes import Graph

#: Rounds after the first, the last of which stands however near it came.
ROUNDS = 3


@dataclass(frozen=True)
class Made:
    """The finished stages of a member in their order, and the evaluation of where they start."""

    stages: tuple[Trained, ...]
    before: Path | None = None

    @property
    def last(self) -> Trained:
        return self.stages[-1]

    @cached_property
    def spent(self) -> list[float]:
        """Tokens taken until the end of each step of the first stage: sampled, else taught."""
        first = self.stages[0]
        if "tokens/sampled" in first.steps[-1]:
            return first.tokens
        found, total = [], 0.0
        for line in first.steps:
            total += line["tokens"]
            found.append(total)
        return found

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)


def in_pool(
    members: Mapping[Any, Sequence[str]], outputs: Path, workers: int, report: Path | None = None
) -> dict[Any, Made]:
    """Train all members, each given by its overrides, and return their stages.

    One that fails is left out; the run has said why. ``report`` is where the run's report is
    written, too. Raises SystemExit where the run was cut short.
    """
    runs = []
    for overrides in members.values():
        wanted = f"execution.report={'true' if report else 'false'}"
        runs += prepare([*overrides, f"outputs={outputs}", "launcher=local_pool", wanted]).runs
    graph = build_graph(runs)
    code = pool.run(graph, pool.Share(workers), runs[0][0].root)
    if code == Interrupted.exit_code:
        raise SystemExit(f"the run {graph.folder} was cut short; type the same command again")
    if report is not None and graph.folder is not None:
        report.write_bytes((graph.folder / "report.html").read_bytes())
    made = {key: _made(graph, number) for number, key in enumerate(members)}
    return {key: each for key, each in made.items() if each is not None}


def _made(graph: Graph, number: int) -> Made | None:
    folders = Folders(graph.outputs)
    found = []
    for stage in graph.runs[number].stages:
        node = graph.stages[stage.stage]
        after = stage.after
        measured = None
        if after is not None:
            measured = folders.evaluation(graph.evaluations[after].name, after)
        found.append(Trained(folders.stage(node.name, node.fingerprint), measured))
        needed = [place for place in (found[-1].stage, measured) if place is not None]
        if not all((place / "DONE.json").exists() for place in needed):
            return None
    first = graph.runs[number].stages[0].before
    before = None
    if first is not None:
        before = folders.evaluation(graph.evaluations[first].name, first)
    return Made(tuple(found), before)


def to_budgets(
    members: Mapping[Any, Member],
    budgets: Mapping[Any, float],
    guess: int,
    outputs: Path,
    workers: int,
) -> dict[Any, list[str]]:
    """Train and measure members that take as many tokens as whole steps allow; return their words.

    ``guess`` is a number of steps, 2 or more, to begin with.
    """
    steps = dict.fromkeys(members, guess)
    words = {key: each.with_steps(guess, measured=False) for key, each in members.items()}
    found = in_pool(words, outputs, workers)
    for _ in range(ROUNDS):
        more = {key: missing(each.spent, budgets[key]) for key, each in found.items()}
        steps = {key: max(2, steps[key] + more[key]) for key in found}
        words = {key: members[key].with_steps(steps[key], measured=True) for key in found}
        found = in_pool(words, outputs, workers)
        if not any(missing(each.spent, budgets[key]) for key, each in found.items()):
            break
    return words


def missing(spent: Sequence[float], budget: float) -> int:
    """Return how many steps more come nearest to the budget; fewer, below 0, where it is passed."""
    if spent[-1] > budget:
        nearest = min(range(len(spent)), key=lambda step: abs(spent[step] - budget))
        return nearest + 1 - len(spent)
    half = (len(spent) - 1) // 2  # a step costs what the later ones did
    a_step = (spent[-1] - spent[half]) / (len(spent) - 1 - half)
    return round((budget - spent[-1]) / a_step)
