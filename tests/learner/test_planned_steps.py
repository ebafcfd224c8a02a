"""A curriculum plans a step: which rows it draws and how many, by what is known of them."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from etude.curriculum.interface import StepPlan
from etude.data_mix.draw import Draw
from etude.errors import DataError, StageError
from etude.execute import tree
from etude.live import Live


class Planned(Live):
    """A curriculum of plans that are told beforehand, one a step; the last one goes on."""

    def __init__(self, *plans: StepPlan) -> None:
        self.plans = plans

    def plan(self, step: int) -> StepPlan:
        return self.plans[min(step, len(self.plans) - 1)]


def planned(stage: Any, *plans: StepPlan) -> Any:
    """Give a stage a curriculum."""
    stage.keep("curriculum", Planned(*plans))
    return stage


def parameters(stage: Any) -> list[Any]:
    return [p.detach().clone() for p in stage.policy.model.parameters()]


def same(one: Any, other: Any) -> bool:
    return all(map(torch.equal, parameters(one), parameters(other)))


def prompts(result: Any) -> list[str]:
    return list(dict.fromkeys(sample["id"] for sample in result.samples))


def assert_equal(one: Any, other: Any) -> None:
    """Hold two states to the bit, tensors among them."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    else:
        assert one == other


def test_a_plan_that_asks_for_nothing_is_the_plain_step_to_the_bit(learner: Any) -> None:
    plain, neutral = learner(), planned(learner(), StepPlan(draw=Draw()))
    for step in range(2):
        one, other = plain.step(step), neutral.step(step)
        assert one.metrics == other.metrics
        assert one.samples == other.samples
    assert same(plain, neutral)
    state, expected = neutral.state_dict()["live"], plain.state_dict()["live"]
    for path in ("data_mix", "data_mix.history"):
        assert_equal(state[path], expected[path])


def test_a_step_takes_the_rows_and_the_number_of_prompts_that_are_planned(learner: Any) -> None:
    stage = planned(
        learner(),
        StepPlan(draw=Draw(levels=[2])),
        StepPlan(draw=Draw(count=2, levels=[1])),
        StepPlan(draw=Draw(count=7)),
    )
    first, second, third = (stage.step(step) for step in range(3))
    assert all(re.fullmatch(r"arithmetic:\d\d[+-]\d\d", row) for row in prompts(first))
    assert all(re.fullmatch(r"arithmetic:\d\d[+-]\d", row) for row in prompts(second))
    assert (len(prompts(first)), len(prompts(second)), len(prompts(third))) == (4, 2, 7)
    assert [r.metrics["rollout/rows"] for r in (first, second, third)] == [16, 8, 28]
    # What was planned took nothing out of the order of the mix.
    assert prompts(third)[:4] == prompts(learner().step(0))


#: Objectives that read the longest response of a step, each in another place.
LIMITED = {
    "overlong punishment": ("objective=dapo", "objective.filter.metric=length"),
    "overlong filter": ("objective=grpo", "objective/masking=[overlong_filter]"),
    "fixed length": ("objective=dr_grpo",),
    "shortness": (
        "objective=drpo",
        "objective.policy_loss.threshold=0.25",
        "rollout.stop_token_ids=[3,5,7,11,13,17,19,23,29,31]",
    ),
    "demonstrations": (
        "objective=relift",
        "objective.extra_update.relift.size=1",
        "objective.extra_update.relift.optimizer.lr=1e-3",
    ),
}


@pytest.mark.parametrize("name", LIMITED)
def test_a_planned_limit_is_that_of_a_stage_configured_with_it(learner: Any, name: str) -> None:
    chosen = LIMITED[name]
    half = planned(learner(*chosen), StepPlan(max_new_tokens=12))
    configured = learner(*chosen, "rollout.max_new_tokens=12")
    for step in range(2):
        one, other = half.step(step), configured.step(step)
        assert one.metrics == other.metrics
        assert one.samples == other.samples
    assert same(half, configured)
    whole = learner(*chosen)
    assert whole.step(0).metrics["rollout/length_max"] > 12


def test_the_limit_of_a_step_ends_with_it(learner: Any) -> None:
    stage = planned(learner(), StepPlan(max_new_tokens=6), StepPlan())
    assert stage.step(0).metrics["rollout/length_max"] == 6
    assert stage.step(1).metrics["rollout/length_max"] > 6


def test_made_prompts_and_longer_answers_are_held_to_the_models_room(learner: Any) -> None:
    made = {"arithmetic": [{"digits": 1.0}, {"digits": 6.0, "terms": 9.0}]}
    long = StepPlan(draw=Draw(4, parameters=made))
    asked = ("rollout.max_prompt_tokens=30",)
    with pytest.raises(DataError, match=r"the curriculum's draw: 2 of 4 prompts .*30 tokens"):
        planned(learner(*asked), long).step(0)
    drop = (*asked, "rollout.too_long=drop")
    some = {"arithmetic": [{"digits": 1.0}, {"digits": 2.7, "terms": 7.0}]}  # some are too long
    with pytest.warns(UserWarning, match="they are left out"):
        found = planned(learner(*drop), StepPlan(draw=Draw(4, parameters=some))).step(0)
    lengths = [len(prompt.removeprefix("arithmetic:")) for prompt in prompts(found)]
    assert [length > 20 for length in lengths] == [False, True] * 2 and max(lengths) < 30
    told = r"after 20 draws only 2 of 4 prompts fit .* is made from \{'digits': 6.0, 'terms': 9.0\}"
    with pytest.warns(UserWarning), pytest.raises(DataError, match=told):
        planned(learner(*drop), long).step(0)
    cut = planned(learner(*asked, "rollout.too_long=cut"), long).step(0)
    assert max(map(len, prompts(cut))) > 60
    room = learner().policy.causal_lm.config.max_position_embeddings
    with pytest.raises(DataError, match=r"the curriculum's draw: 4 of 4 prompts"):
        planned(learner(), StepPlan(max_new_tokens=room - 2)).step(0)


def test_a_plan_refuses_numbers_that_mean_nothing() -> None:
    with pytest.raises(StageError, match="max_new_tokens is 0"):
        StepPlan(max_new_tokens=0)
    with pytest.raises(StageError, match="temperature is -1"):
        StepPlan(temperature=-1.0)


def test_answers_that_are_learned_from_are_drawn_and_a_plan_of_greedy_ones_is_refused(
    learner: Any,
) -> None:
    with pytest.raises(StageError, match=r"plans temperature=0 for step 0: .* above 0"):
        planned(learner(), StepPlan(temperature=0.0)).step(0)


@pytest.mark.parametrize("objective", ["grpo", "ppo", "dapo"])
def test_a_step_of_which_no_group_is_kept_changes_no_weight_and_the_stage_goes_on(
    learner: Any, tmp_path: Path, objective: str
) -> None:
    (tmp_path / "own.py").write_text("def none(correct):\n    return len(correct) > 99\n")
    stage = learner(f"objective={objective}", f"objective/filter={tmp_path}/own.py:none")
    before = parameters(stage)
    for step in range(2):
        result = stage.step(step)
        assert result.metrics["update/skipped"] == 1.0
        assert result.metrics["rollout/rows"] == result.told.dropped == 16
        assert result.told.trained == 0
    assert all(map(torch.equal, before, parameters(stage)))


def answers(result: Any) -> dict[str, list[str]]:
    """Return prompt → its answers in the order of their numbers."""
    found: dict[str, list[tuple[int, str]]] = {}
    for sample in result.samples:
        found.setdefault(sample["id"], []).append((sample["index"], sample["response"]))
    return {prompt: [text for _, text in sorted(pairs)] for prompt, pairs in found.items()}


@pytest.mark.parametrize("sizes", [4, [4, 4, 4, 4], {}], ids=str)
def test_planned_sizes_that_are_the_configs_own_change_nothing(learner: Any, sizes: Any) -> None:
    plain, stage = learner(), planned(learner(), StepPlan(sizes=sizes))
    one, other = plain.step(0), stage.step(0)
    assert other.samples == one.samples
    assert {k: v for k, v in other.metrics.items() if "groups/size" not in k} == one.metrics
    assert same(plain, stage)


def test_each_prompt_gets_as_many_answers_as_planned_and_the_same_ones(learner: Any) -> None:
    sizes = [1, 6, 2, 4]
    plain = answers(learner("training.rollouts_per_prompt=6").step(0))
    result = planned(learner(), StepPlan(sizes=sizes)).step(0)
    found = answers(result)
    assert [len(found[prompt]) for prompt in plain] == sizes
    assert all(found[prompt] == plain[prompt][: len(found[prompt])] for prompt in plain)
    metrics = result.metrics
    assert metrics["rollout/rows"] == 13
    assert (metrics["groups/size_min"], metrics["groups/size_max"]) == (1, 6)
    chosen = list(plain)[2]
    by_id = answers(planned(learner(), StepPlan(sizes={chosen: 7})).step(0))
    assert [len(by_id[prompt]) for prompt in plain] == [4, 4, 7, 4]


def test_unequal_groups_train_alike_however_they_are_cut(learner: Any) -> None:
    plan = StepPlan(sizes=[1, 6, 2, 4])
    for chosen in (("objective=drpo", "objective.policy_loss.threshold=1.0"), ("objective=dapo",)):
        # Adam divides by the size of a gradient: this keeps rounding from being blown up.
        common = (*chosen, "training.updates_per_step=2", "optimizer.epsilon=1e-2")
        if "objective=dapo" in chosen:
            common = (*common, "objective.filter.metric=length")
        stages = [
            planned(learner(*common, f"execution.micro_batch_tokens={budget}"), plan)
            for budget in (64, 100_000)
        ]
        one, other = (stage.step(0) for stage in stages)
        assert one.samples == other.samples
        for a, b in zip(*map(parameters, stages), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


#: Objectives that treat groups each in a way of their own.
GROUPING = {
    "hints": ("objective=ghpo",),
    "guided": ("objective=guide", "objective.guidance.fallback_ratio=0.5"),
    "demonstrated": ("objective=luffy",),
    "split": ("objective=rl_plus",),
    "disagreement": ("objective=tw_grpo",),
    "pairs": ("objective=pacs", "objective.policy_loss.threshold=2.3"),
    "critic": ("objective=ppo",),
    "refilled": ("objective=dapo", "objective.filter.metric=length"),
    "best": ("objective=grpo", "objective/selection=[best]"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GROUPING)
def test_objectives_take_unequal_groups(learner: Any, name: str) -> None:
    # Many tokens end an answer, so that lengths, and with them rewards, differ in every group.
    chosen = (*GROUPING[name], "rollout.stop_token_ids=[20,22,24,26,28,30,32,34,36,38,40,42]")
    stage = planned(learner(*chosen), StepPlan(sizes=[2, 6, 3, 4]))
    for step in range(2):
        metrics = stage.step(step).metrics
        assert all(math.isfinite(value) for value in metrics.values())
        assert metrics["groups/size_max"] >= 6 and metrics["groups/size_min"] >= 2
    assert not same(stage, learner(*chosen))


def test_a_part_that_needs_groups_of_one_size_refuses_others(learner: Any) -> None:
    chosen = ("objective=riskpo", "objective.advantage.bundle_size=2")
    planned(learner(*chosen), StepPlan(sizes=[2, 2, 2, 2])).step(0)
    with pytest.raises(StageError, match=r"objective\.advantage needs groups of one size"):
        planned(learner(*chosen), StepPlan(sizes=[2, 2, 2, 3])).step(0)


def test_sizes_that_fit_no_prompts_are_refused(learner: Any) -> None:
    with pytest.raises(StageError, match="each must be at least 1"):
        StepPlan(sizes=[1, 0])
    with pytest.raises(StageError, match="3 sizes for 4 prompts"):
        planned(learner(), StepPlan(sizes=[1, 2, 3])).step(0)


@pytest.mark.slow
def test_the_history_counts_the_judged_answers_of_every_row(stage_from: Any) -> None:
    stage = stage_from("training.steps=3")
    counted: Counter[tuple[str, bool]] = Counter()
    last: dict[str, int] = {}
    for step in range(3):
        for sample in stage.step(step).samples:
            counted[sample["id"], sample["outcome"] == "correct"] += 1
            last[sample["id"]] = step
    assert set(stage.history) == {row for row, _ in counted}
    for row, visits in stage.history.items():
        right, wrong = counted[row, True], counted[row, False]
        assert (visits.correct, visits.judged) == (right, right + wrong)
        assert visits.step == last[row]
    assert len({visits.pass_rate for visits in stage.history.values()}) > 1


@pytest.mark.slow
def test_a_band_of_shares_draws_what_the_policy_sometimes_solves_and_resumes_to_the_bit(
    stage_from: Any, tmp_path: Path
) -> None:
    band = Draw(pass_rate=(0.2, 0.8), unjudged=False)
    plans = [StepPlan(draw=Draw(count=16)), StepPlan(draw=band), StepPlan(draw=band)]
    whole = planned(stage_from("training.steps=3"), *plans)
    results = [whole.step(0)]
    between = {row for row, visits in whole.history.items() if 0.2 <= visits.pass_rate <= 0.8}
    results += [whole.step(1), whole.step(2)]
    drawn = set(prompts(results[1]))
    assert between and (drawn <= between or between < drawn)

    before = planned(stage_from("training.steps=3"), *plans)
    before.step(0)
    before.step(1)
    tree.save(before.state_dict(), tmp_path / "saved")
    after = planned(stage_from("training.steps=3"), *plans)
    after.load_state_dict(tree.load(tmp_path / "saved"))
    again = after.step(2)
    assert (again.metrics, again.samples) == (results[2].metrics, results[2].samples)
    assert same(whole, after)


def test_planned_hints_stand_in_the_prompts_that_rows_are_sampled_and_trained_in(
    stage_from: Any,
) -> None:
    stage = planned(stage_from("objective=grpo"), StepPlan(hints=0.5))
    rollouts = stage.learner.rollouts
    found = rollouts.gather(0, StepPlan(hints=0.5))
    for group in found.groups:
        for row in group:
            solution = rollouts.stream.demonstrations.of(row.example)
            half = solution[: round(len(solution) / 2)]
            assert row.example.prompt.endswith(f"\nA hint: {half}") and half
            assert row.prompt == row.sampled_prompt == stage.policy.encode_example(row.example)
    assert found.counts["curriculum/hinted"] == (8, 8)


def test_hints_are_planned_by_id_as_texts_and_an_empty_one_changes_nothing(stage_from: Any) -> None:
    plain = stage_from("objective=grpo").step(0)
    first = plain.samples[0]["id"]
    named = StepPlan(hints={first: "think"}, hint_template="{hint}: {prompt}")
    hinted = planned(stage_from("objective=grpo"), named).step(0)
    for before, sample in zip(plain.samples, hinted.samples, strict=True):
        head = "think: " if sample["id"] == first else ""
        assert sample["prompt"] == head + before["prompt"]
        assert head or sample == before | {"reward": sample["reward"]}
    none = planned(stage_from("objective=grpo"), StepPlan(hints=0.0)).step(0)
    assert none.samples == plain.samples
    assert none.metrics == plain.metrics | {"curriculum/hinted": 0.0}


@pytest.mark.parametrize(
    "plan", [{"hints": 1.5}, {"hints": [True]}, {"hints": 0.5, "hint_template": "{hint}"}]
)
def test_hints_that_mean_nothing_are_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(StageError, match="hint"):
        StepPlan(**plan)
