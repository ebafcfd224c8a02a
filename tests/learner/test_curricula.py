"""Each curriculum: neutral it is the plain step to the bit, and it goes on from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from etude.config.prepare import prepare
from etude.curriculum.difficulty_band import DifficultyBand
from etude.curriculum.easy_to_hard import EasyToHard
from etude.curriculum.phases import PhaseRule, Phases, equal_shares
from etude.curriculum.prioritised import Prioritised
from etude.errors import ConfigError, DataError

#: A setting of each component that changes nothing.
NEUTRAL = {
    "length_progressive": ("curriculum=length_progressive", "curriculum.limits=[24]"),
    "difficulty_band": ("curriculum=difficulty_band", "curriculum.low=0", "curriculum.high=1"),
    "prioritised": ("curriculum=prioritised", "curriculum.uniform=1"),
    "easy_to_hard": ("curriculum=easy_to_hard", "curriculum.phases=1"),
    "filter": (
        "objective/filter=band",
        "objective.filter.low=0",
        "objective.filter.high=1",
    ),
    "filter of rows": (
        "data_mix/filter=[band]",
        "data_mix.filter.band.column=level",
        "data_mix.filter.band.low=0",
    ),
}

#: A setting of each in which it does what it is for, within a few steps.
ACTIVE = {
    "length_progressive": (
        "curriculum=length_progressive",
        "curriculum.limits=[6,10,20]",
        "curriculum.rollouts=[4,6,4]",
        "curriculum.temperatures=[1.0,0.8,1.0]",
        "curriculum.truncated=[0.5]",
        "curriculum.min_steps=[1]",
    ),
    "difficulty_band": (
        "curriculum=difficulty_band",
        "curriculum.solved=0.5",
        "data_mix.train.arithmetic.limit=24",
    ),
    "prioritised": ("curriculum=prioritised", "data_mix.train.arithmetic.limit=24"),
    "thompson": (
        "curriculum=prioritised",
        "curriculum.law=thompson",
        "data_mix.train.arithmetic.limit=24",
    ),
    "easy_to_hard": (
        "curriculum=easy_to_hard",
        "curriculum.edges=[1,2]",
        "curriculum.steps=[1]",
        "curriculum.replay=0.5",
        "data_mix.train.arithmetic.levels=[1,2,3]",
    ),
    "easy to hard with hints": (
        "curriculum=easy_to_hard",
        "curriculum.phases=2",
        "curriculum.hints=[0.5,0]",
        "data_mix.train.arithmetic.levels=[1,2]",
        "curriculum.goal=[0]",
        "curriculum.min_steps=[1]",
    ),
    "filter": ("objective/filter=band", "objective.filter.oversample=2"),
}


def same(one: Any, other: Any) -> bool:
    pairs = zip(one.policy.model.parameters(), other.policy.model.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", NEUTRAL)
def test_a_neutral_one_is_the_plain_step_to_the_bit(learner: Any, name: str) -> None:
    plain, neutral = learner(), learner(*NEUTRAL[name])
    for step in range(2):
        one, other = plain.step(step), neutral.step(step)
        assert one.samples == other.samples
        assert one.metrics.items() <= other.metrics.items()
    assert same(plain, neutral)


@pytest.mark.slow
@pytest.mark.parametrize("name", ACTIVE)
def test_one_that_acts_goes_on_from_its_first_step_to_the_bit(short_run: Any, name: str) -> None:
    found = short_run(*ACTIVE[name], steps=4)
    if name == "length_progressive":
        assert [line["curriculum/limit"] for line in found[:2]] == [6, 10]
        assert [line["curriculum/phase"] for line in found[:2]] == [1, 2]
        assert [line["rollout/rows"] for line in found[:2]] == [32, 48]
        assert found[0]["rollout/length_max"] == 6
    if name == "easy_to_hard":
        assert [line["curriculum/phase"] for line in found] == [1, 2, 3, 3]
        assert found[0]["curriculum/replayed"] == 0
        assert 0 < sum(line["curriculum/replayed"] for line in found[1:]) < 3
    if name == "easy to hard with hints":
        assert [line["curriculum/hints"] for line in found] == [0.5, 0, 0, 0]
    if name == "difficulty_band":
        assert found[-1]["curriculum/excluded"] > 0 and 0 < found[-1]["curriculum/known_inside"] < 1
    if name in ("prioritised", "thompson"):
        assert found[0]["curriculum/expected"] == 0.5 and found[3]["curriculum/surprise"] > 0
    if name == "filter":
        assert [line["rollout/rows"] for line in found] == [64] * 4


def test_answers_that_were_cut_off_leave_their_group_and_its_mean(learner: Any) -> None:
    chosen = ("objective=grpo", "objective/filter=finished", "objective.filter.least=1")
    ends = "rollout.stop_token_ids=[3,5,7,11,13,17,19,23,29,31]"
    result = learner(*chosen, ends, "rollout.max_new_tokens=8").step(0)
    ended = [row.stop_reason != "length" for row in result.told.rows]
    assert 0 < result.told.trained == sum(ended) < len(ended)
    room = (ends, "rollout.max_new_tokens=200")
    plain, neutral = learner(*room), learner(*room, *chosen)
    one, other = plain.step(0), neutral.step(0)
    assert all(row.stop_reason != "length" for row in one.told.rows)
    assert one.samples == other.samples and same(plain, neutral)


@pytest.mark.slow
def test_a_band_trains_on_groups_with_signal_where_there_are_some(stage_from: Any) -> None:
    chosen = ("training.steps=2", "objective/filter=band", "objective.filter.oversample=3")
    stage = stage_from(*chosen, "objective.filter.fill=false")
    result = stage.step(0)
    groups: dict[str, list[bool]] = {}
    for row in result.told.rows:
        groups.setdefault(row.id, []).append(row.outcome == "correct")
    inside = [sum(group) for group in groups.values() if 0.2 <= sum(group) / len(group) <= 0.8]
    assert len(groups) == 24 and result.told.trained == 4 * min(8, len(inside))
    filled = stage_from(*chosen).step(0)
    assert filled.told.trained == 32 and filled.told.dropped == 64


def test_phases_end_by_their_steps_or_by_a_share_and_the_last_goes_on() -> None:
    phases = Phases(PhaseRule((3, 2, 1), (2, 1, 1), (0.5, 9.0, 0.0)))
    seen = []
    for share in (1.0, 0.4, 0.0, 0.8, 0.8, 1.0, 1.0):
        phases.heard(share)
        seen.append(phases.phase)
    assert seen == [0, 0, 1, 1, 2, 2, 2]
    again = Phases(phases.rule)
    again.load_state_dict(phases.state_dict())
    assert again == phases
    for steps in range(1, 30):
        shares = equal_shares(steps, 3)
        assert min(shares) >= 1 and (steps < 3 or sum(shares) == steps)


def known(rates: Sequence[float], last: Sequence[float], visits: Sequence[int]) -> Any:
    def pass_rate(*, last: bool = False, pair: Any = (rates, last)) -> Any:
        return np.array(pair[last], dtype=float)

    return SimpleNamespace(pass_rate=pass_rate, visits=lambda name: np.array(visits))


def test_a_band_takes_what_is_inside_then_what_is_near_then_what_was_solved() -> None:
    nan = float("nan")
    told = known([0.5, 0.1, 1.0, 0.9, nan], [0.5, 0.1, 1.0, 1.0, nan], [1, 1, 2, 1, 0])
    late = DifficultyBand(solved=1.0).distance(told)
    assert late.tolist() == pytest.approx([0, 0.1, 4.2, 4.1, 0])
    late = DifficultyBand(solved=1.0, visits=2, unjudged=False).distance(told)
    assert late.tolist() == pytest.approx([0, 0.1, 4.2, 0.1, 2])
    late = DifficultyBand(over="last").distance(told)
    assert late.tolist() == pytest.approx([0, 0.1, 0.2, 0.2, 0])


def test_thompson_takes_the_nearest_drawn_shares_and_as_many_uniform_ones_as_asked() -> None:
    rates = np.linspace(0, 1, 2001)
    near = Prioritised(law="thompson", uniform=0.0, target=0.25)
    order = np.argsort(near.order(rates, np.random.default_rng(0)))
    assert order[0] == 500 and set(order[:9]) == set(range(496, 505))
    mixed = Prioritised(law="thompson", uniform=0.5, target=0.25)
    order = np.argsort(mixed.order(rates, np.random.default_rng(0)))
    outside = sum(abs(row - 500) > 300 for row in order[:200]) / 200
    assert outside == pytest.approx(0.5 * 0.7, abs=0.1)
    assert sorted(order) == list(range(2001))


def test_prompts_are_cut_into_phases_by_edges_or_by_their_number() -> None:
    levels = np.array([1.0, 1.0, 2.0, 3.0, 3.0, np.nan])
    assert EasyToHard().bounds(levels).tolist() == [1.0, 2.0]
    assert EasyToHard(phases=2).bounds(levels).tolist() == [2.0]
    assert EasyToHard(phases=3).bounds(np.array([1.0, 2.0, 3.0, 3.0, 3.0])).tolist() == [1.0, 2.0]
    assert EasyToHard(phases=2).bounds(np.array([1.0, 2.0, 2.0])).tolist() == [1.0]
    assert EasyToHard(phases=9).bounds(np.ones(5)).tolist() == []
    lower = EasyToHard(by="rate", harder="lower", edges=[0.3, 0.7])
    assert lower.bounds(levels).tolist() == [-0.7, -0.3]
    weights = EasyToHard(replay=0.25).weights(np.array([0, 1, 1, 2]), 1)
    assert weights.tolist() == [0.25, 0.375, 0.375, 0]
    weights = EasyToHard(replay=0.25).weights(np.array([0, 0, 2]), 1)
    assert weights.tolist() == [0.5, 0.5, 0]  # a part without prompts of the phase


def test_a_phase_without_prompts_is_refused_when_the_stage_opens(learner: Any) -> None:
    with pytest.raises(DataError, match=r"phase 1 has no prompt; level is 1 to 3 in data_mix"):
        learner("curriculum=easy_to_hard", "curriculum.edges=[0.5]")
    fewer = ("curriculum.phases=9", "curriculum.hints=[0.9,0.8,0.7,0.6,0.5,0.4,0.3,0.2,0.1]")
    with pytest.raises(DataError, match=r"curriculum\.hints=.* make 3 of 9 phases"):
        learner("curriculum=easy_to_hard", *fewer)


def faults(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        prepare(["recipe=rl", *overrides])
    return "\n".join(fault.message for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("curriculum=length_progressive", "curriculum.limits=[64,9999]"), "the longest answer"),
        (("curriculum=length_progressive", "curriculum.steps=[5,5]"), "is [5,5]: give one number"),
        (("curriculum=difficulty_band", "curriculum.low=0.9"), "above curriculum.high=0.8"),
        (("curriculum=easy_to_hard", "curriculum.by=levle"), "the data column 'levle'"),
        (("curriculum=easy_to_hard", "curriculum.goal=[0.5,0.6]"), "one for each phase"),
        (("curriculum=easy_to_hard", "curriculum.hints=[0.5,0.2]"), "one for each phase"),
        (("curriculum=prioritised", "curriculum.law=variances"), "variance"),
        (("objective/filter=band", "objective.filter.refill=true"), "objective.filter.fill=false"),
        (("data_mix/filter=[band]",), "the data column 'pass_rate'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_starts(
    overrides: tuple[str, ...], said: str
) -> None:
    assert said in faults(*overrides)
