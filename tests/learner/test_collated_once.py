"""The rows of a step are laid out once, whichever passes read them."""

from __future__ import annotations

from typing import Any

import pytest

from etude.learner import layout


def test_every_micro_batch_of_a_step_is_laid_out_once(
    stage_from: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old log-probs, a role's, the critic's values, its update and the loss read the same ones."""
    stage = stage_from(
        "objective=ppo",
        "objective/regularizer=[kl]",
        "objective.regularizer.kl.coef=0.1",
        "objective/mismatch=tis",
        "objective.mismatch.built_in=true",
        "execution.micro_batch_tokens=256",
    )
    laid: list[tuple[int, ...]] = []
    shared: list[bool] = []
    collate = layout.collate

    def counted(rows: Any, **how: Any) -> Any:
        laid.append(tuple(map(id, rows)))
        shared.append(how["shared"])
        return collate(rows, **how)

    monkeypatch.setattr(layout, "collate", counted)
    stage.step(0)
    rows = [row for part in laid for row in part]
    assert len(laid) > 2
    assert len(set(rows)) == len(rows) == 32
    assert any(shared)  # answers stand behind one copy of their prompt
