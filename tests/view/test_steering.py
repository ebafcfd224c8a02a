"""What steered a stage is named in the live line and under the end table."""

from etude.view.progress import StageProgress
from etude.view.record import StageRecord
from etude.view.steering import moved, steering

STEPS = [
    {"reward/mean": 0.5, "curriculum/limit": 21.0, "curriculum/phase": 1.0, "curriculum/x": 3.0},
    {"curriculum/limit": 64.0, "curriculum/phase": 1.0, "rollout/budget/mean_size": 4.25},
]


def test_the_first_numbers_of_each_that_steers_are_shown_as_they_stand() -> None:
    progress = StageProgress("rl", 2)
    for step, metrics in enumerate(STEPS):
        progress.step_done(step, metrics, {})
    shown = [str(figure) for figure in progress.figures()]
    assert shown[-3:] == ["limit 64", "phase 1", "mean size 4.25"]


def test_the_end_says_how_far_they_moved() -> None:
    record = StageRecord()
    for metrics in STEPS:
        record.step_done(metrics)
    assert moved(record.steered) == "limit 21 → 64, phase 1, mean size 4.25"


def test_a_stage_that_nothing_steers_says_nothing() -> None:
    assert steering({"reward/mean": 1.0, "curriculums": 2.0}) == {}
