"""A budget is read by stages of groups alone, counts where it is read, and is said in a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etude import schema
from etude.by_path import rehearsal
from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.plan import rehearsed
from etude.plan.estimate import estimate
from etude.plan.graph import Graph, build_graph
from etude.plan.words import Words

LOOK = f"rollout/budget={Path(__file__).parents[1] / 'second_look.py'}:SecondLook"

CAPPED = """
from dataclasses import dataclass
from typing import ClassVar

from etude.component import Need, component, option
from etude.rollout.budget.kind import Budget, BudgetState


@component(provides=[Need("groups:unequal", when="even == false")])
@dataclass(frozen=True)
class Capped(Budget):
    at_most: ClassVar[str] = "most"

    most: int | None = option(None, "answers", ge=1)
    even: bool = option(False, "whether all get as many")

    def open(self, stage):
        return BudgetState()
"""


@pytest.fixture
def capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "capped.py").write_text(CAPPED)
    return "rollout/budget=./capped.py:Capped"


def graph(*typed: str) -> Graph:
    return build_graph(prepare([*typed, "outputs=/nowhere/outputs"]).runs)


def faults(*typed: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        prepare(list(typed))
    return [str(fault) for fault in caught.value.faults]


def prints(found: Graph) -> tuple[dict[str, str], set[str]]:
    """Return stage → fingerprint, and the fingerprints of evaluations."""
    stages = {node.name: key for key, node in found.stages.items()}
    return stages, set(found.evaluations)


def test_a_budget_counts_in_the_stages_of_groups_alone() -> None:
    plain, before = prints(graph("recipe=sft_then_rl"))
    other, _ = prints(graph("recipe=sft_then_rl", LOOK))
    assert plain["sft"] == other["sft"] and plain["rl"] != other["rl"]
    again, after = prints(graph("recipe=sft_then_rl", f"stages.rl.{LOOK}"))
    assert again == other
    shared = before & after  # the base model, and the one of the first stage, are measured once
    assert len(shared) == len(before) - 1


@pytest.mark.parametrize(
    "typed",
    [
        (LOOK,),
        (f"stages.sft.{LOOK}",),
        (LOOK.replace("rollout/budget", "rollout.budget"), "rollout.budget.first=2"),
    ],
    ids=("at the root", "in the stage", "by its path"),
)
def test_a_budget_of_a_stage_without_groups_is_refused(typed: tuple[str, ...]) -> None:
    found = faults("recipe=sft", *typed)
    assert len(found) == len(typed)
    for each in found:
        assert "changes no stage" in each and "is read by policy_gradient stages" in each, each


def test_a_part_that_needs_groups_of_one_size_refuses_a_budget_of_others(capped: str) -> None:
    (said,) = faults("recipe=rl", "objective=riskpo", LOOK)
    assert "riskpo needs groups of one size" in said and "SecondLook" in said
    prepare(["recipe=rl", "objective=riskpo", capped, "rollout.budget.even=true"])
    faults("recipe=rl", "objective=riskpo", capped)
    # What a stage that samples no groups is measured with asks nothing of it.
    prepare(["recipe=sft_then_rl", f"stages.rl.{LOOK}"])


def test_a_function_that_gives_no_size_a_prompt_is_told_before_the_first_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rehearsal, "problems", rehearsal.tried_here)  # in no process of its own
    (tmp_path / "own.py").write_text(
        "def few(sizes):\n    return sizes[:2]\n\n"
        "def none(pass_rates):\n    return [0 for _ in pass_rates]\n\n"
        "def broken(pass_rates):\n    return [round(1 / rate) for rate in pass_rates]\n\n"
        "def one(step):\n    return step\n\n"
        "def fine(sizes, judged):\n    return [s + (n > 3) for s, n in zip(sizes, judged)]\n\n"
        "def rows(sizes, columns):\n    return [len(c['prompt']) for c in columns]\n"
    )
    expected = {
        "few": "few (own.py:1) returned 2 numbers for 4 prompts",
        "none": "none (own.py:4) returned 0; it must be a whole number of 1 or more",
        "broken": "broken (own.py:7) failed: TypeError",
        "one": "one (own.py:10) returned no list (int); it returns one number a prompt",
        "fine": "",
        "rows": "",
    }
    for name, said in expected.items():
        found = rehearsed.faults(
            graph("recipe=rl", f"rollout/budget=./own.py:{name}"), schema.load()
        )
        assert (said in str(found[0])) if said else not found, (name, found)
    (fault,) = faults("recipe=rl", "rollout/budget=./own.py:fine", "rollout.budget.more=3")
    assert "has no key 'more'" in fault


def test_a_plan_says_what_decides_and_reckons_with_the_most(capped: str, tmp_path: Path) -> None:
    def told(*typed: str) -> tuple[dict[str, str], Any]:
        (config,) = [
            stage.config for stage in prepare(["recipe=rl", "model=scratch", *typed]).runs[0][1]
        ]
        said = Words(config, "policy_gradient", schema.load()).sentences()
        return said, estimate(config, "policy_gradient", tmp_path, schema.load())

    plain, least = told()
    assert "32 prompts × 8 rollouts = 256 rows → 1 update of 256 rows" in plain["batch"]
    assert "budget" not in plain
    look, same = told(LOOK)
    assert look["batch"] == plain["batch"] and same == least
    assert look["budget"].endswith("decides how many answers each prompt gets")
    most, more = told(capped, "rollout.budget.most=16")
    assert "× up to 16 rollouts = up to 512 rows → 1 update of up to 512 rows" in most["batch"]
    assert more.seconds > 1.5 * least.seconds and more.memory.peak >= least.memory.peak
    even, _ = told(capped, "rollout.budget.most=16", "rollout.budget.even=true")
    assert "32 prompts × 16 rollouts = 512 rows" in even["batch"]
    unset, _ = told(capped)
    assert "32 prompts × 8 rollouts = 256 rows" in unset["batch"]
