"""How the rows of a step are cut into updates."""

from __future__ import annotations

from typing import Any

import torch

from etude.learner.updates import cut_kept, cut_prompts

GROUPS = torch.arange(4).repeat_interleave(4)
ORDER = torch.tensor([2, 0, 3, 1])


def kept(*rows: int) -> torch.Tensor:
    mask = torch.zeros(16, dtype=torch.bool)
    mask[list(rows)] = True
    return mask


def cuts(*rows: int, updates: int = 4, whole: bool = False) -> list[tuple[list[int], float]]:
    found = cut_kept(
        GROUPS, kept(*rows), ORDER, updates, whole_groups=whole, rows_of_step=len(GROUPS)
    )
    return [(one.rows.tolist(), one.share) for one in found]


def test_prompts_are_dealt_to_updates_whole() -> None:
    found = [one.rows.tolist() for one in cut_prompts(GROUPS, ORDER, 2)]
    assert found == [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]]
    assert [one.share for one in cut_prompts(GROUPS, ORDER, 9)] == [1.0] * 4


def test_kept_rows_fill_fewer_updates_and_the_last_counts_less() -> None:
    # Sixteen rows in four updates are four a batch; seven of them fill one and three quarters.
    assert cuts(0, 1, 4, 8, 9, 13, 15) == [([0, 1, 8, 9], 1.0), ([4, 13, 15], 0.75)]
    assert cuts(5) == [([5], 0.25)]
    assert cuts() == []


def test_all_rows_kept_make_as_many_updates_as_asked_for() -> None:
    found = cuts(*range(16))
    assert [share for _, share in found] == [1.0] * 4
    assert sorted(row for rows, _ in found for row in rows) == list(range(16))


def test_a_prompts_rows_stay_together_where_the_loss_compares_them() -> None:
    found = cuts(0, 8, 9, 10, 12, 13, whole=True)
    assert found == [([0, 8, 9, 10], 1.0), ([12, 13], 0.5)]
    assert cuts(0, 1, 8, 9, 10, whole=True) == [([0, 1, 8, 9, 10], 1.25)]


def test_updates_of_a_step_fall_with_the_rows_that_are_dropped(short_run: Any) -> None:
    chosen = ("objective=nsr", "objective/selection=[wrong_first]", "training.updates_per_step=4")
    for step in short_run(*chosen, steps=2):
        # 32 rows in four updates are eight a batch.
        wrong = round(32 * step["objective/selected_rows"])
        assert step["update/batches"] == -(-wrong // 8)
    (right,) = short_run(
        "objective=psr",
        "objective/selection=[correct_first]",
        "training.updates_per_step=4",
        steps=1,
    )
    assert 0 < right["objective/selected_rows"] <= 0.75  # so an update is saved
    assert right["update/batches"] == -(-round(32 * right["objective/selected_rows"]) // 8) < 4


def test_a_step_without_a_wanted_answer_makes_no_update(short_run: Any) -> None:
    chosen = ("objective=psr", "objective/selection=[correct_first]")
    (step,) = short_run(*chosen, "objective.selection.correct.above=1.0", steps=1)
    assert (step["update/batches"], step["update/skipped"]) == (0, 1)
    assert "gradient_norm" not in step
