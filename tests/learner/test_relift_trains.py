"""ReLIFT on a short stage: unsolved questions are collected and learned by a second optimizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from etude.config.prepare import prepare
from etude.plan.graph import build_graph
from etude.sources.arithmetic import Arithmetic

HARD = ("data_mix.train.arithmetic.levels=[3]", "objective=relift")


def test_unsolved_questions_wait_in_the_buffer_and_are_taught(short_run: Any) -> None:
    metrics = short_run(
        *HARD,
        "objective.extra_update.relift.size=10",
        "objective.extra_update.relift.mini_batch=5",
        "objective.extra_update.relift.optimizer.lr=1e-3",
        "rollout.max_new_tokens=30",
    )
    first, second, third = metrics
    assert 0 < first["extra/relift/unsolved"] <= 8
    assert first["extra/relift/updates"] == 0  # fewer than 10 wait
    assert second["extra/relift/updates"] == 2  # ten in two mini-batches, and the rest waits
    assert second["extra/relift/nll"] > 0 and second["extra/relift/entropy"] > 0
    assert second["extra/relift/gradient_norm"] > 0
    assert second["extra/relift/without_solution"] == 0
    waiting = second["extra/relift/buffer"] - 10
    assert third["extra/relift/buffer"] == waiting + third["extra/relift/unsolved"]
    assert third["extra/relift/taught_share"] == 10 / 24


def test_with_size_minus_one_the_stage_is_that_without_the_part_to_the_bit(short_run: Any) -> None:
    plain = short_run(*HARD, "objective/extra_update=[]", steps=2)
    silent = short_run(*HARD, "objective.extra_update.relift.size=-1", steps=2)
    for one, other in zip(plain, silent, strict=True):
        assert other.pop("extra/relift/updates") == 0
        assert other == one


def test_solutions_come_from_a_file_and_missing_ones_are_counted(
    short_run: Any, tmp_path: Path
) -> None:
    rows = Arithmetic().rows("train", 0)
    solved = [rows[n] for n in range(0, len(rows), 2)]
    path = tmp_path / "solved.jsonl"
    lines = [{"q": r["prompt"], "s": r["solution"], "a": r["answer"]} for r in solved]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    metrics = short_run(
        *HARD,
        "data_mix.demonstrations.dataset.split=train",
        f"sources.dataset.path={path}",
        "sources.dataset.columns={prompt: q, solution: s, answer: a}",
        "objective.extra_update.relift.size=100",
        steps=2,
    )
    unsolved = sum(step["extra/relift/unsolved"] for step in metrics)
    missing = sum(step["extra/relift/without_solution"] for step in metrics)
    assert 0 < missing < unsolved
    assert metrics[-1]["extra/relift/buffer"] == unsolved - missing


def test_solutions_are_taught_at_temperature_one(short_run: Any) -> None:
    """Nobody solves in two tokens, so the same questions are taught whatever the temperature."""
    taught = [
        short_run(
            *HARD,
            "objective.extra_update.relift.size=8",
            "optimizer.lr=1e-12",  # the policy's own update moves nothing before
            "rollout.max_new_tokens=2",
            f"rollout.temperature={temperature}",
            steps=1,
        )[0]
        for temperature in (1.0, 0.5)
    ]
    assert [step["extra/relift/unsolved"] for step in taught] == [8, 8]
    one, other = (step["extra/relift/nll"] for step in taught)
    assert abs(one - other) < 1e-6 * one


def test_the_second_optimizer_is_one_like_any_other(short_run: Any) -> None:
    """It has a schedule of its own; the same values give the same updates by either spelling."""
    place = "objective.extra_update.relift"
    metrics = short_run(
        *HARD,
        f"{place}.size=4",
        f"{place}.optimizer=adamw",
        f"{place}.optimizer.lr=1e-3",
        f"{place}.optimizer.schedule=linear",
        f"{place}.optimizer.schedule.warmup_steps=2",
        steps=3,
    )
    rates = [step["extra/relift/learning_rate"] for step in metrics]
    assert rates == [5e-4, 1e-3, 1e-3]  # the fall begins after the warm-up


def test_its_schedule_is_judged_like_the_stages_own() -> None:
    """A rate that depends on the steps of the stage keeps it from being extended."""
    place = "objective.extra_update.relift.optimizer.schedule"
    plain, falling = (
        build_graph(prepare(["recipe=rl", *HARD, *more]).runs) for more in ([], [f"{place}=cosine"])
    )
    assert [node.extendable for node in plain.stages.values()] == [True]
    assert [node.extendable for node in falling.stages.values()] == [False]
