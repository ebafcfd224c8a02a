"""A short stage of critique fine-tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supervised_runs import short_teaching

CRITIQUES = (
    "objective=cft",
    "data_mix=arithmetic_critiques",
    "sources.arithmetic_candidates.problems=60",
    "optimizer.lr=1e-2",
)


def test_critiques_are_learned_and_their_ratio_is_told(learner: Any, tmp_path: Path) -> None:
    metrics = short_teaching(learner, tmp_path, *CRITIQUES, steps=4)
    assert metrics[-1]["loss"] < metrics[0]["loss"]
    for step in metrics:
        assert 0.25 < step["data/arithmetic_candidates/right_solutions"] < 0.6
        assert 0.8 < step["data/arithmetic_candidates/kept"] < 1
        assert step["rows/dropped"] == 0


def test_rows_that_are_too_long_are_dropped_and_never_cut(learner: Any) -> None:
    from etude.objective.supervised import loss_mask_of

    made = learner(*CRITIQUES, "training.too_long=drop", "training.max_length=90", stage="sft")
    rows = [row for step in range(6) for row in made.learner._draw(step)]
    assert made.learner.dropped > 0
    end = made.policy.tokenizer.eos_token_id
    for row in rows:
        assert len(row.prompt) + len(row.tokens) <= 90
        assert row.tokens[-1] == end
        assert "Conclusion: " in made.policy.decode(row.tokens)
        assert row.loss_mask == [1] * len(row.tokens)
        assert sum(loss_mask_of(len(row.prompt), len(row.tokens))) == len(row.tokens)
