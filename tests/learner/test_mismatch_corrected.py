"""The mismatch between engine and trainer in a step: measured always, corrected by choice."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from etude.learner.recall import Recall
from etude.rollout.sampler import TransformersEngine
from etude.rollout.transformers import Transformers

TIS = ("objective/mismatch=tis", "objective.mismatch.high=1.2")


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The passes for old log-probs that were made: how many rows each had."""
    made: list[int] = []
    fill = Recall.fill

    def counted(self: Recall, rows: Any, temperature: float) -> None:
        made.append(len(rows))
        fill(self, rows, temperature)

    monkeypatch.setattr(Recall, "fill", counted)
    return made


def stepped(stage: Any) -> tuple[dict[str, float], list[torch.Tensor]]:
    """Return the numbers of a first step, and the weights after it."""
    metrics = dict(stage.step(0).metrics)
    return metrics, [weights.detach().clone() for weights in stage.policy.model.parameters()]


def test_the_built_in_engine_is_measured_without_a_pass_and_not_corrected(
    stage_from: Any, passes: list[int]
) -> None:
    plain, before = stepped(stage_from())
    assert abs(plain["mismatch/kl_k1"]) < 1e-5
    assert 0 <= plain["mismatch/kl_k3"] < 1e-5
    assert plain["mismatch/largest_ratio"] == pytest.approx(1.0, abs=1e-3)
    chosen, after = stepped(stage_from(*TIS))
    assert passes == []
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert "mismatch/outside" not in chosen and "objective/rollout_weight" not in chosen


def test_an_engine_that_computes_otherwise_is_corrected(
    stage_from: Any, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds each token e^-0.5 times as likely: every ratio is e^0.5, and cut off at 1.2."""
    sample = TransformersEngine.sample

    def other(self: Any, *given: Any, **how: Any) -> list[Any]:
        found = sample(self, *given, **how)
        return [replace(one, logprobs=tuple(x - 0.5 for x in one.logprobs)) for one in found]

    monkeypatch.setattr(Transformers, "samples_as_trained", False)
    monkeypatch.setattr(TransformersEngine, "sample", other)
    monkeypatch.setattr(TransformersEngine, "tells_what_ended", False)
    plain, _ = stepped(stage_from())
    assert passes == []
    corrected, _ = stepped(stage_from(*TIS))
    assert passes == [32]
    for metrics in (plain, corrected):
        assert metrics["mismatch/kl_k1"] == pytest.approx(-0.5, abs=1e-4)
        assert metrics["mismatch/largest_ratio"] == pytest.approx(math.exp(0.5), abs=1e-3)
    assert corrected["mismatch/outside"] == 1.0
    assert corrected["objective/rollout_weight"] == pytest.approx(1.2)
    assert corrected["gradient_norm"] == pytest.approx(1.2 * plain["gradient_norm"], rel=1e-4)
