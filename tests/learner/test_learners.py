"""Every learner: the same seed gives the same bits, also across a save and a restore."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

KINDS = {
    "sft": ("sft", ()),
    "grpo": ("rl", ()),
    "ppo-like": (
        "rl",
        (
            "training.updates_per_step=2",
            "training.epochs_per_step=2",
            "objective/regularizer=[kl]",
            "objective/shaping=[soft_overlong]",
        ),
    ),
    "generate": ("rl", ("objective=generate", "objective.keep=all")),
}


def parameters(learner: Any) -> list[torch.Tensor]:
    return [p.detach().clone() for p in learner.policy.model.parameters()]


def run(learner: Any, steps: range) -> list[tuple[Any, Any]]:
    results = [learner.step(step) for step in steps]
    return [(result.metrics, result.samples) for result in results]


@pytest.mark.parametrize("kind", KINDS)
def test_two_runs_with_one_seed_are_equal_to_the_bit(learner: Any, kind: str) -> None:
    stage, overrides = KINDS[kind]
    first, second = (learner(*overrides, stage=stage) for _ in range(2))
    assert run(first, range(2)) == run(second, range(2))
    for a, b in zip(parameters(first), parameters(second), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_gives_other_rows(learner: Any, kind: str) -> None:
    stage, overrides = KINDS[kind]
    first, second = (
        learner(*overrides, stage=stage),
        learner(*overrides, "seed=2", stage=stage),
    )
    assert run(first, range(1)) != run(second, range(1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_learner_goes_on_to_the_bit(learner: Any, kind: str, tmp_path: Path) -> None:
    from etude.execute import tree

    stage, overrides = KINDS[kind]
    whole, interrupted = (learner(*overrides, stage=stage) for _ in range(2))
    expected = run(whole, range(3))
    begun = run(interrupted, range(1))
    (tmp_path / "saved").mkdir()
    tree.save(interrupted.state_dict(), tmp_path / "saved")
    resumed = learner(*overrides, stage=stage)
    resumed.load_state_dict(tree.load(tmp_path / "saved"))
    assert begun + run(resumed, range(1, 3)) == expected
    for a, b in zip(parameters(whole), parameters(resumed), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", ["sft", "grpo"])
def test_a_handed_on_model_loads_with_transformers_to_the_bit(
    learner: Any, kind: str, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    stage, overrides = KINDS[kind]
    trained = learner(*overrides, stage=stage)
    run(trained, range(1))
    trained.export(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    saved = trained.policy.model.state_dict()
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, saved[name]), name
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tuple(tokenizer("37+48=")["input_ids"]) == tuple(
        trained.policy.tokenizer("37+48=")["input_ids"]
    )
    again = learner(*overrides, stage=stage, start=tmp_path / "model")
    for a, b in zip(parameters(trained), parameters(again), strict=True):
        assert torch.equal(a, b)


def test_generated_rows_keep_the_columns_of_their_problem(learner: Any, tmp_path: Path) -> None:
    made = learner("objective=generate", "objective.keep=all", "objective.samples_per_prompt=2")
    run(made, range(2))
    made.export(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "data" / "rows.jsonl").open()]
    assert rows
    assert all({"id", "prompt", "solution", "answer", "level"} <= set(row) for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)


def test_a_demonstration_that_is_too_long_is_refused_with_what_to_type(learner: Any) -> None:
    from etude.errors import ConfigError, DataError

    with pytest.raises(ConfigError, match=r"training\.max_length=12(.|\n)*training\.too_long=drop"):
        learner("training.max_length=12", stage="sft")
    # Only with what ends an answer, which is known when the stage opens, is the longest too long.
    with pytest.raises(DataError, match=r"training\.max_length=36(.|\n)*training\.too_long=drop"):
        run(learner("training.max_length=36", stage="sft"), range(1))
    dropped = learner("training.max_length=30", "training.too_long=drop", stage="sft")
    assert run(dropped, range(4))[-1][0]["rows/dropped"] > 0
    cut = learner("training.max_length=14", "training.too_long=cut", stage="sft")
    assert run(cut, range(1))[0][0]["rows/dropped"] == 0


@pytest.mark.parametrize("packing", ["bfd", "bfd_split", "wrapped"])
def test_packing_changes_no_loss(learner: Any, packing: str) -> None:
    plain = learner(stage="sft")
    packed = learner(f"training.packing={packing}", "training.max_length=512", stage="sft")
    for step in range(2):
        expected, found = (one.step(step).metrics for one in (plain, packed))
        assert found["tokens"] == expected["tokens"]
        assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)
        assert found["gradient_norm"] == pytest.approx(expected["gradient_norm"], rel=1e-4)


def test_dynamic_sampling_refills_and_says_how_often(learner: Any) -> None:
    from etude.errors import DataError

    made = learner("objective=dapo", "objective.filter.metric=length")
    metrics = made.step(0).metrics
    assert metrics["groups/rounds"] >= 1
    hopeless = learner("objective=dapo", "objective.filter.max_batches=2", "seed=3")
    with pytest.raises(DataError, match=r"objective\.filter\.max_batches"):
        hopeless.step(0)


def test_another_model_can_sample_and_is_the_old_policy(learner: Any, tmp_path: Path) -> None:
    other = learner("seed=7")
    other.export(tmp_path)
    made = learner(rollout_from=tmp_path / "model")
    own = learner().step(0)
    result = made.step(0)
    assert [row["response"] for row in result.samples] != [row["response"] for row in own.samples]
    metrics = result.metrics
    assert metrics["objective/approx_kl"] != 0
    assert metrics["gradient_norm"] > 0
    second = made.step(1).samples
    fresh = learner(rollout_from=tmp_path / "model")
    fresh.learner.rollouts.stream.next(4)
    assert fresh.step(1).samples == second  # the sampling model has not moved
