"""A short stage of distillation, from a teacher's text and from its logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from supervised_runs import short_teaching

from etude.errors import ModelError

ROWS = ("data_mix=arithmetic_teacher", "sources.arithmetic_candidates.problems=60")
TEXT = ("objective=distillation", *ROWS)
LOGITS = ("objective.token_loss.alpha=0.7", "objective.token_loss.tau=2.0")


def test_the_right_answers_of_a_teacher_are_learned_as_in_sft(learner: Any, tmp_path: Path) -> None:
    metrics = short_teaching(learner, tmp_path, *TEXT)
    plain = learner("objective=sft", *ROWS, stage="sft")
    for step, found in enumerate(metrics):
        expected = plain.step(step).metrics
        assert found["loss"] == expected["loss"]
        assert 0.2 < found["data/arithmetic_candidates/kept"] < 0.6
        assert 0.6 < found["data/arithmetic_candidates/covered_prompts"] < 1


def test_a_student_comes_closer_to_its_teacher(learner: Any, tmp_path: Path) -> None:
    teacher = learner("seed=5", "optimizer.lr=1e-2", stage="sft")
    for step in range(4):
        teacher.step(step)
    teacher.export(tmp_path)
    metrics = short_teaching(
        learner,
        tmp_path,
        *TEXT,
        *LOGITS,
        f"models.teacher={tmp_path / 'model'}",
        "optimizer.lr=1e-2",
        steps=4,
    )
    distances = [step["objective/teacher_kl"] for step in metrics]
    assert distances[0] > distances[-1] > 0
    for step in metrics:
        mixed = 0.7 * 4 * step["objective/teacher_kl"] + 0.3 * step["objective/token_nll"]
        assert step["loss"] == pytest.approx(mixed, rel=1e-5)


def test_packing_changes_nothing_about_the_teacher(learner: Any, tmp_path: Path) -> None:
    learner("seed=5", stage="sft").export(tmp_path)
    given = (*TEXT, *LOGITS, f"models.teacher={tmp_path / 'model'}")
    plain = learner(*given, stage="sft").step(0).metrics
    packed = learner(*given, "training.packing=bfd", stage="sft").step(0).metrics
    assert packed["loss"] == pytest.approx(plain["loss"], rel=1e-5)
    assert packed["gradient_norm"] == pytest.approx(plain["gradient_norm"], rel=1e-4)


def test_a_teacher_of_other_tokens_is_refused(learner: Any, tmp_path: Path) -> None:
    learner("model.tokenizer=bytes", stage="sft").export(tmp_path)
    with pytest.raises(ModelError, match=r"models\.teacher=.* has another tokenizer"):
        learner(*TEXT, *LOGITS, f"models.teacher={tmp_path / 'model'}", stage="sft")
