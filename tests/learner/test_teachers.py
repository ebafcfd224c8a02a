"""Curricula over a box of tasks: what they ask for, what they learn from, and that they resume."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from etude.config.prepare import prepare
from etude.curriculum.alp_gmm import AlpGMM
from etude.curriculum.covar_gmm import CovarGMM
from etude.curriculum.oracle_window import OracleWindow
from etude.curriculum.riac import Riac
from etude.curriculum.task_space import TaskSpace
from etude.errors import ConfigError, DataError
from etude.feedback import RowRecord, StepFeedback
from etude.primitives import gaussian_mixture
from etude.primitives.regions import Regions, Splitting
from etude.rows import Outcome

GIVEN = os.environ.get("ETUDE_GOLDEN") or Path(__file__).parents[3] / "shared" / "golden"

#: A setting of each in which it does what it is for, within a few steps of eight prompts.
ACTIVE = {
    "alp_gmm": ("curriculum=alp_gmm", "curriculum.fit_rate=8", "curriculum.components=[1,2]"),
    "covar_gmm": ("curriculum=covar_gmm", "curriculum.fit_rate=8", "curriculum.components=[1,2]"),
    "riac": ("curriculum=riac", "curriculum.region_size=8", "curriculum.fewest=2"),
    "oracle_window": ("curriculum=oracle_window", "curriculum.rate=8", "curriculum.goal=-1"),
}
BOX = ("+curriculum.parameters={digits: [1,2], terms: [2,3]}",)


@pytest.mark.slow
@pytest.mark.parametrize("name", ACTIVE)
def test_a_teacher_goes_on_from_its_first_step_to_the_bit(short_run: Any, name: str) -> None:
    found = short_run(*ACTIVE[name], *BOX, steps=4)
    assert all(1 <= line["curriculum/digits"] <= 2 for line in found)
    assert all(2 <= line["curriculum/terms"] <= 3 for line in found)
    if name.endswith("gmm"):
        assert [line.get("curriculum/components", 0) > 0 for line in found] == [True] * 4
    if name == "riac":
        assert found[-1]["curriculum/regions"] > 1
    if name == "oracle_window":
        assert found[-1]["curriculum/digits"] > found[0]["curriculum/digits"]


@pytest.mark.slow
def test_rows_that_are_there_are_chosen_by_a_column_of_difficulty(short_run: Any) -> None:
    chosen = ("curriculum=oracle_window", "curriculum.columns=[level]", "curriculum.rate=8")
    levels = ("data_mix.train.arithmetic.levels=[1,2,3,4]", "curriculum.slide=[0.4]")
    found = short_run(*chosen, *levels, "curriculum.goal=-1", steps=4)
    asked = [line["curriculum/level"] for line in found]
    assert asked[0] < 1.6 and asked[1] == pytest.approx(asked[0] + 1.2, abs=0.3) and asked[3] > 3.4


def test_a_box_reads_tasks_from_rows_made_and_from_columns() -> None:
    low, high = np.array([1.0, 2.0]), np.array([3.0, 2.0])
    made = TaskSpace(("digits", "terms"), low, high, "arithmetic", by_reward=False)
    columns = TaskSpace(("digits", "terms"), low, high, None, by_reward=True)
    assert made.values(np.array([[0.5, 0.5], [1.5, 0]])) == [
        {"digits": 2.0, "terms": 2.0},
        {"digits": 3.0, "terms": 2.0},
    ]

    def row(name: str, outcome: Outcome | None, **given: Any) -> RowRecord:
        return RowRecord(name, 0, "a", given, 1, outcome, reward=given.pop("reward", 0.0))

    task = {"digits": 2.0, "terms": 2.0}
    rows = [
        row("a", Outcome.CORRECT, parameters=task, reward=0.25),
        row("b", Outcome.WRONG, parameters={**task, "digits": 3.0}),
        row("a", Outcome.WRONG, parameters=task),
        row("a", Outcome.CRASHED, parameters=task),
        row("c", Outcome.CORRECT, **task, reward=0.75),
        row("d", Outcome.CORRECT, digits=2.0, terms=None),
        row("e", None, **task),
        row("f", Outcome.CORRECT, **task, reward=float("nan")),
    ]
    points, scores = made.heard(StepFeedback(0, 1, {}, rows=rows))
    assert points.tolist() == [[0.5, 0.0], [1.0, 0.0]] and scores.tolist() == [0.5, 0.0]
    points, scores = columns.heard(StepFeedback(0, 1, {}, rows=rows))
    assert points.tolist() == [[0.5, 0.0]] and scores.tolist() == [0.75]


def in_three_blobs(random: np.random.Generator, size: int = 400) -> np.ndarray:
    centres = np.array([[0.2, 0.2, 0.0], [0.8, 0.3, 0.5], [0.5, 0.9, 0.1]])
    return centres[random.integers(3, size=size)] + 0.04 * random.standard_normal((size, 3))


def test_a_mixture_finds_the_blobs_that_points_are_drawn_from() -> None:
    found = 0
    for seed in range(10):
        random = np.random.default_rng(seed)
        points = in_three_blobs(random)
        mixture = AlpGMM(criterion="bic").fitting.best(points, random)
        assert mixture.weights.sum() == pytest.approx(1)
        if len(mixture.weights) == 3:
            order = np.argsort(mixture.means[:, 2])
            spread = np.sqrt(np.linalg.det(mixture.covariances)) ** (1 / 3)
            found += np.allclose(mixture.means[order, 2], [0, 0.1, 0.5], atol=0.02)
            assert spread == pytest.approx([0.04] * 3, rel=0.15)
    assert found >= 8


def test_equal_points_have_a_mixture_with_a_density() -> None:
    mixture = gaussian_mixture.fit(np.full((9, 2), 0.5), 3, np.random.default_rng(0))
    assert np.isfinite(mixture.log_likelihood(np.full((9, 2), 0.5)))
    assert np.allclose(mixture.means[mixture.weights > 0.1], 0.5)


@pytest.mark.skipif(not Path(GIVEN).is_dir(), reason="no golden files")
def test_a_fit_is_as_likely_as_the_published_one() -> None:
    cases = json.loads((Path(GIVEN) / "alp_gmm.json").read_text())["cases"]
    (case,) = [each for each in cases if each["config"]["kind"] == "selection"]
    points = np.array(case["inputs"]["points_task_plus_alp"])
    for each in case["expected"]["per_k"]:
        fits = [gaussian_mixture.fit(points, each["k"], np.random.default_rng(s)) for s in range(9)]
        assert max(fit.log_likelihood(points) for fit in fits) > each["loglik"] - 1.0
        assert fits[0].parameters == each["n_params"]


@pytest.mark.parametrize(
    "curriculum", [AlpGMM(), CovarGMM(), Riac()], ids=lambda c: type(c).__name__
)
def test_a_teacher_comes_to_ask_for_what_is_being_learned(curriculum: Any) -> None:
    """Tasks below 0.3 are solved and those above 0.7 never are; those between get better."""
    random = np.random.default_rng(1)
    teacher = curriculum.teacher(1)
    for step in range(90):
        points = teacher.ask(16, random)
        rising = np.clip((points[:, 0] < 0.3) + step / 90 * (points[:, 0] < 0.7), 0, 1)
        teacher.tell(points, (random.random(16) < rising).astype(float), random)
    asked = teacher.ask(2000, random)[:, 0]
    assert ((asked > 0.3) & (asked < 0.7)).mean() > 0.5
    again = curriculum.teacher(1)
    again.load_state_dict(teacher.state_dict())
    one, other = (t.ask(9, np.random.default_rng(2)) for t in (teacher, again))
    assert (one == other).all()


def test_a_constant_reward_has_no_progress_and_all_components_are_alike() -> None:
    random = np.random.default_rng(0)
    teacher = AlpGMM(fit_rate=50, components=[2]).teacher(2)
    for _ in range(4):
        teacher.tell(random.random((25, 2)), np.ones(25), random)
    assert teacher.mixture is not None and not teacher.known.progress.any()
    assert AlpGMM().chances(teacher.mixture) == pytest.approx([0.5, 0.5])


def test_regions_hold_what_lies_in_them_and_are_no_narrower_than_allowed() -> None:
    random = np.random.default_rng(0)
    tree = Regions(2, Splitting(most=40, least=2, window=40, width=0.1))
    for _ in range(1500):
        task = random.random(2)
        tree.add(task, float(task[0] < 0.4) * random.random(), random)
    leaves = [region for region in tree.regions if region.leaf]
    assert len(leaves) > 5 and sum(np.prod(r.high - r.low) for r in leaves) == pytest.approx(1)
    for region in tree.regions:
        assert (region.high - region.low >= 0.1).all() and len(region.rewards) <= 41
        assert all(region.has(task) for task in region.tasks)
    full = Regions(1, Splitting(most=8, least=8, discard=0.25))
    for n in range(9):
        full.add(np.array([0.5]), float(n), random)
    assert len(full.regions) == 1 and full.regions[0].rewards.tolist() == [2, 3, 4, 5, 6, 7, 8]


def test_a_window_slides_downwards_where_its_slide_is_negative() -> None:
    random = np.random.default_rng(0)
    teacher = OracleWindow(window=0.5, slide=[-0.25, 0.1], rate=2, goal=0.5).teacher(2)
    assert teacher.low.tolist() == [0.5, 0.0]
    teacher.tell(np.zeros((4, 2)), np.array([1.0, 1.0, 1.0, 0.0]), random)
    assert teacher.low.tolist() == [0.25, 0.1]
    points = teacher.ask(100, random)
    assert (points >= teacher.low).all() and (points <= teacher.low + 0.5).all()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("+curriculum.parameters={digit: [1,2]}",), "it has terms, digits, products"),
        (("+curriculum.parameters={digits: [1,9]}",), "within 1 and 6"),
        (("curriculum.columns=[prompt]",), "the column prompt, which holds"),
        (("rollout.max_prompt_tokens=20",), r"a prompt of terms 12, digits 1.* tokens, and one"),
    ],
)
def test_a_box_that_is_none_is_refused_when_the_stage_opens(
    learner: Any, overrides: tuple[str, ...], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        learner("curriculum=alp_gmm", *overrides)


def test_a_part_that_is_not_trained_on_is_refused_when_composed(learner: Any) -> None:
    with pytest.raises(ConfigError, match=r"'other', and data_mix\.train has the parts arithmetic"):
        learner("curriculum=alp_gmm", "curriculum.part=other")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("curriculum.columns=[level,levle]",), "the data column 'levle'"),
        (("curriculum.columns=[level]", "curriculum.part=arithmetic"), "give columns of the rows"),
        (("curriculum.fit_rate=5",), "above curriculum.fit_rate=5"),
        (("data_mix=gsm8k", "verifier=number"), "rows made from parameters"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused_before_anything_starts(
    overrides: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(["recipe=rl", "curriculum=alp_gmm", *overrides])
    assert any(said in fault.message for fault in caught.value.faults)


def test_as_many_tasks_are_asked_for_as_prompts_are_sampled(learner: Any) -> None:
    stage = learner("curriculum=riac", "objective/filter=band", "objective.filter.oversample=3")
    draw = stage.live["curriculum"].plan(0).draw
    assert len(draw.parameters["arithmetic"]) == 12
    told = SimpleNamespace(rows=[], step=0)
    before = stage.live["curriculum"].teacher.regions
    stage.live["curriculum"].observe(told)
    assert len(before.regions[0].rewards) == 0
