"""A budget decides how many answers each prompt gets, in rounds, and the step is one step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from etude.curriculum.interface import StepPlan
from etude.errors import StageError
from etude.feedback import RowRecord
from etude.live import Live
from etude.rollout.budget.kind import Asked, BudgetState
from etude.rows import Outcome

FILE = Path(__file__).parents[1] / "second_look.py"
PAGE = Path(__file__).parents[2] / "docs/budgets.md"
LOOK = (f"rollout/budget={FILE}:SecondLook", "rollout.budget.first=2")

More = Callable[[Asked, Sequence[Sequence[RowRecord]]], Sequence[int]]


class Told(BudgetState):
    """A budget that does what it is told beforehand, and remembers what it was asked."""

    def __init__(self, *rounds: Sequence[int], more: More | None = None) -> None:
        self.rounds = rounds
        self.continues = more
        self.asked: list[Asked] = []
        self.seen: list[list[list[RowRecord]]] = []

    def sizes(self, asked: Asked) -> Sequence[int]:
        self.asked.append(asked)
        self.seen = []
        return self.rounds[0] if self.rounds else asked.sizes

    def more(self, asked: Asked, rows: Sequence[Sequence[RowRecord]]) -> Sequence[int]:
        self.seen.append([list(group) for group in rows])
        if self.continues is not None:
            return self.continues(asked, rows)
        return self.rounds[len(self.seen)] if len(self.seen) < len(self.rounds) else ()


class Planned(Live):
    def __init__(self, plan: StepPlan) -> None:
        self._plan = plan

    def plan(self, step: int) -> StepPlan:
        return self._plan


def budgeted(stage: Any, *rounds: Sequence[int], **how: Any) -> Any:
    stage.keep("rollout.budget", Told(*rounds, **how))
    return stage


def budget_of(stage: Any) -> Told:
    found: Told = stage.live["rollout.budget"]
    return found


def same(one: Any, other: Any) -> bool:
    pairs = zip(one.policy.model.parameters(), other.policy.model.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def answers(result: Any) -> dict[str, list[str]]:
    """Return prompt → its answers in the order of their numbers."""
    found: dict[str, list[tuple[int, str]]] = {}
    for sample in result.samples:
        found.setdefault(sample["id"], []).append((sample["index"], sample["response"]))
    assert all([at for at, _ in sorted(p)] == list(range(len(p))) for p in found.values())
    return {prompt: [text for _, text in sorted(pairs)] for prompt, pairs in found.items()}


def beside_sizes(metrics: dict[str, float]) -> dict[str, float]:
    said = ("groups/size", "rollout/rounds", "rollout/budget")
    return {k: v for k, v in metrics.items() if not k.startswith(said)}


def test_the_page_shows_the_budget_that_is_tried_here() -> None:
    assert f"```python\n{FILE.read_text()}```" in PAGE.read_text()


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_budget_that_gives_what_is_planned_is_the_plain_step_to_the_bit(
    learner: Any, rounds: int
) -> None:
    plain, stage = learner(), learner()
    parts = {1: ([4] * 4,), 3: ([1] * 4, [2] * 4, [1] * 4)}[rounds]
    budgeted(stage, *parts)
    for step in range(2):
        one, other = plain.step(step), stage.step(step)
        assert other.samples == one.samples
        assert beside_sizes(other.metrics) == one.metrics
        assert other.metrics["rollout/rounds"] == rounds
    assert same(plain, stage)


@pytest.mark.parametrize(
    "chosen",
    [
        ("rollout/budget=adaptive",),
        ("rollout/budget=broad", "rollout.budget.chunk=3"),
        ("rollout/budget=knapsack",),  # of prompts that were never judged
    ],
    ids=lambda chosen: chosen[0],
)
def test_budgets_at_their_neutral_setting_are_the_plain_step_to_the_bit(
    learner: Any, chosen: tuple[str, ...]
) -> None:
    plain, stage = learner(), learner(*chosen)
    for step in range(2):
        one, other = plain.step(step), stage.step(step)
        assert other.samples == one.samples
        assert beside_sizes(other.metrics) == one.metrics
    assert same(plain, stage)


#: What a budget that comes with etude does to groups of 4, in steps whose rows come again.
SHIPPED = {
    "knapsack": ("rollout/budget=knapsack", "rollout.budget.low=1", "rollout.budget.up=12"),
    "adaptive": (
        "rollout/budget=adaptive",
        "rollout.budget.start=2",
        "rollout.budget.more=3",
        "rollout.budget.most=8",
    ),
    "broad": ("rollout/budget=broad", "rollout.budget.rollouts=9", "rollout.budget.chunk=4"),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_budgets_go_on_from_their_first_step_to_the_bit(short_run: Any, name: str) -> None:
    found = short_run(*SHIPPED[name], "data_mix.train.arithmetic.limit=8")
    sizes = [(each["groups/size_min"], each["groups/size_max"]) for each in found]
    rows = [each["rollout/rows"] for each in found]
    if name == "knapsack":  # the first visit of every prompt is as planned
        assert sizes[0] == (4, 4) and rows == [32] * 3 and sizes[1][0] < 4 < sizes[1][1]
        assert found[1]["rollout/budget/value"] > found[1]["rollout/budget/value_as_planned"]
    elif name == "adaptive":
        assert {size for step in sizes for size in step} <= {2, 5, 8}
        for step in found:  # who is not decided is asked to the end, and nobody else decides that
            whole = step["rollout/budget/decided"] == 1
            assert whole or (step["groups/size_max"] == 8 and step["rollout/rounds"] == 3)
            assert step["rollout/rounds"] == 1 + (step["groups/size_max"] - 2) / 3
        # Those with right and wrong answers; others may differ in another part of the reward.
        assert all(step["rollout/budget/decided"] <= step["groups/signal"] for step in found)
    else:
        assert sizes == [(9, 9)] * 3 and found[0]["rollout/rounds"] == 3


def test_uniform_leaves_nothing_alive(learner: Any) -> None:
    stage = learner()
    assert "rollout.budget" not in stage.live
    assert not {"rollout/rounds", "groups/size"} & stage.step(0).metrics.keys()


def test_answers_of_later_rounds_are_those_of_a_larger_first_one(learner: Any) -> None:
    whole = answers(learner("training.rollouts_per_prompt=7").step(0))
    stage = budgeted(learner(), [1, 2, 3, 1], [0, 2, 0, 1], [0, 3, 0, 1])
    result = stage.step(0)
    found = answers(result)
    assert [len(found[prompt]) for prompt in whole] == [1, 7, 3, 3]
    assert all(found[prompt] == whole[prompt][: len(found[prompt])] for prompt in whole)
    assert result.metrics["rollout/rounds"] == 3
    sizes = [result.metrics[f"groups/size{end}"] for end in ("", "_min", "_max")]
    assert sizes == [3.5, 1, 7]
    assert [[len(group) for group in seen] for seen in budget_of(stage).seen] == [
        [1, 2, 3, 1],
        [1, 4, 3, 2],
        [1, 7, 3, 3],
    ]


def test_a_later_round_sees_what_the_answers_came_to_and_no_reward(learner: Any) -> None:
    stage = budgeted(learner(), [2, 2, 2, 2], [1, 0, 0, 0])
    result = stage.step(0)
    first = budget_of(stage).seen[0]
    told = {(row.id, row.index): row for row in result.told.rows}
    assert len(told) == 9
    for record in (row for group in first for row in group):
        after = told[record.id, record.index]
        assert (record.outcome, record.parts, record.length) == (
            after.outcome,
            after.parts,
            after.length,
        )
        assert record.reward != record.reward and after.reward == after.reward


def test_a_budget_starts_from_the_sizes_that_the_curriculum_plans(learner: Any) -> None:
    stage = budgeted(learner())
    stage.keep("curriculum", Planned(StepPlan(sizes=[2, 5, 3, 4])))
    assert stage.step(0).metrics["rollout/rows"] == 14
    (asked,) = budget_of(stage).asked
    assert (list(asked.sizes), asked.left, asked.step) == ([2, 5, 3, 4], 14, 0)
    assert asked.known == [None] * 4


def test_a_budget_is_told_what_is_known_of_prompts(stage_from: Any) -> None:
    stage = budgeted(stage_from("training.steps=3", "data_mix.train.arithmetic.limit=8"))
    stage.step(0)
    before = dict(stage.history)
    stage.step(1)
    asked = budget_of(stage).asked[1]
    assert [before[example.id] for example in asked.examples] == asked.known
    assert len({visits.pass_rate for visits in asked.known if visits}) > 1


def test_a_filter_that_draws_anew_asks_again_and_keeps_every_round(stage_from: Any) -> None:
    stage = stage_from("objective=dapo", "objective.filter.max_batches=0")

    def once(asked: Asked, rows: Sequence[Sequence[RowRecord]]) -> Sequence[int]:
        return [4 if len(group) == 2 else 0 for group in rows]

    budgeted(stage, [2] * 8, more=once)
    metrics = stage.step(0).metrics
    batches = len(budget_of(stage).asked)
    assert batches == metrics["groups/rounds"] > 1
    assert metrics["rollout/rounds"] == 2 * batches
    assert metrics["groups/size_min"] == metrics["groups/size_max"] == 6
    asked = budget_of(stage).asked
    assert [example.id for example in asked[0].examples] != [e.id for e in asked[1].examples]


def test_guidance_is_given_all_answers_of_all_rounds(learner: Any) -> None:
    guided = ("objective=guide", "objective.guidance.fallback_ratio=0.5")
    rounds = ([1, 2, 2, 1], [1, 0, 2, 0])
    stage = budgeted(learner(*guided, "objective.guidance.group=separate"), *rounds)
    result = stage.step(0)
    assert result.metrics["guidance/triggered"] == 1.0
    sizes = sorted(len(group) for group in result.told.judged)
    assert sizes == [1, 1, 2, 2, 2, 2, 4, 4]  # as many with a hint as without


def test_a_size_that_leaves_demonstrations_no_answer_beside_them_is_raised(learner: Any) -> None:
    stage = budgeted(learner("objective=luffy", "objective.guidance.count=2"), [1, 3, 4, 5])
    result = stage.step(0)
    assert budget_of(stage).asked[0].least == 3
    assert sorted(len(group) for group in result.told.judged) == [3, 3, 4, 5]
    assert result.metrics["demonstrations/rows"] == 8


def test_answers_that_the_verifier_failed_on_are_seen_as_such_and_left_out(learner: Any) -> None:
    stage = learner()
    verify = stage.learner.rollouts.verify

    def failing(rows: Any) -> None:
        verify(rows)
        for row in rows:
            if row.index == 0:
                row.verdict = type(row.verdict)(Outcome.CRASHED, {})

    stage.learner.rollouts.verify = failing

    def until_two(asked: Asked, rows: Sequence[Sequence[RowRecord]]) -> Sequence[int]:
        judged = [sum(row.outcome is not Outcome.CRASHED for row in group) for group in rows]
        return [max(0, 2 - count) for count in judged]

    result = budgeted(stage, [1, 1, 1, 1], more=until_two).step(0)
    assert [len(group) for group in result.told.judged] == [2] * 4
    assert len(result.told.rows) == 12 and result.told.trained == 8


@pytest.mark.parametrize(
    ("rounds", "said"),
    [
        ([[1, 2]], r"rollout.budget: sizes of step 0 gives 2 numbers for 4 prompts"),
        ([[1, 2, 0, 1]], r"sizes of step 0 gives 0; it must be a whole number of 1 or more"),
        ([[1, 2.5, 1, 1]], r"gives 2.5; it must be a whole number of 1"),
        ([[1, 1, 1, 1], [0, 0, -1, 1]], r"more of step 0 gives -1; it must be .* of 0 or more"),
        ([[1, 1, 1, 1], [0, 200_000, 0, 0]], r"gives arithmetic:\S+ 200,001 answers; 100,000 may"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(
    learner: Any, rounds: list[list[int]], said: str
) -> None:
    with pytest.raises(StageError, match=said):
        budgeted(learner(), *rounds).step(0)


def test_a_part_that_needs_groups_of_one_size_refuses_what_the_rounds_came_to(
    learner: Any,
) -> None:
    chosen = ("objective=riskpo", "objective.advantage.bundle_size=2")
    budgeted(learner(*chosen), [1, 2, 1, 2], [1, 0, 1, 0]).step(0)
    with pytest.raises(StageError, match=r"groups of one size, and rollout.budget .* 1 to 2"):
        budgeted(learner(*chosen), [1, 2, 1, 2], [0, 0, 1, 0]).step(0)


def test_a_budget_with_state_goes_on_from_its_first_step_to_the_bit(short_run: Any) -> None:
    found = short_run(*LOOK)
    assert found[2]["rollout/budget/spent"] > found[0]["rollout/budget/spent"] > 0
    assert all(metrics["rollout/rows"] <= 32 for metrics in found)
    assert found[0]["groups/size_min"] == 2 < found[0]["groups/size_max"]


def test_what_is_saved_on_agreeing_answers_goes_to_those_that_differ(stage_from: Any) -> None:
    result = stage_from(*LOOK).step(0)
    first = [group[:2] for group in result.told.judged]
    differ = [len({row.outcome is Outcome.CORRECT for row in group}) > 1 for group in first]
    assert any(differ) and not all(differ)
    for group, more in zip(result.told.judged, differ, strict=True):
        assert len(group) == (2 + 16 // sum(differ) if more else 2)


def test_the_function_of_the_page_decides_by_what_is_known(stage_from: Any, tmp_path: Path) -> None:
    shown = PAGE.read_text().split("```python\n")[1].split("```")[0]
    (tmp_path / "share.py").write_text(shown)
    stage = stage_from(
        f"rollout/budget={tmp_path}/share.py:hard",
        "rollout.budget.below=0.4",
        "data_mix.train.arithmetic.limit=16",
        "training.steps=3",
    )
    hard: set[str] = set()
    for step in range(3):
        counted = Counter(sample["id"] for sample in stage.step(step).samples)
        assert counted == {row: 8 if row in hard else 4 for row in counted}
        hard = {row for row, visits in stage.history.items() if visits.pass_rate < 0.4}
    assert hard and len(hard) < len(stage.history)


def test_rounds_cost_no_other_micro_batches(learner: Any) -> None:
    """The rows of all rounds are learned from together, however they are cut."""
    common = ("objective=drpo", "objective.policy_loss.threshold=1.0", "optimizer.epsilon=1e-2")
    stages = [
        budgeted(
            learner(*common, f"execution.micro_batch_tokens={budget}"), [1, 3, 2, 2], [0, 3, 0, 1]
        )
        for budget in (64, 100_000)
    ]
    one, other = (stage.step(0) for stage in stages)
    assert one.samples == other.samples
    pairs = zip(*(stage.policy.model.parameters() for stage in stages), strict=True)
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
