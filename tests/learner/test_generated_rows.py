"""Generate stages: what is handed on, its metrics, and stopping when there is nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etude.config.prepare import prepare
from etude.errors import StageError
from etude.execute import tree
from etude.learner.context import StageContext
from etude.learner.make import make_learner

#: The model of the fixture ``taught``, and few short answers.
SMALL = (
    "recipe=rl",
    "model=scratch",
    "model.hidden_size=64",
    "model.layers=2",
    "model.heads=2",
    "model.kv_heads=1",
    "model.intermediate_size=128",
    "data_mix.train.arithmetic.levels=[1]",
    "training.rows_per_step=6",
    "rollout.max_new_tokens=20",
)


@pytest.fixture
def generate(taught: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return a function that builds a generate stage on the taught model."""
    made: list[Any] = []

    def build(*overrides: str, start: Path | None = taught) -> Any:
        chosen = overrides if any("objective=" in o for o in overrides) else ("objective=generate",)
        config = prepare([*SMALL, *chosen, *overrides]).runs[0][1][0].config
        context = StageContext(config["seed"], tmp_path, {"start": start})
        made.append(make_learner(config, context))
        return made[-1]

    yield build
    for one in made:
        one.close()


def rows_of(learner: Any, folder: Path) -> list[dict[str, Any]]:
    learner.export(folder)
    return [json.loads(line) for line in (folder / "data" / "rows.jsonl").open()]


def test_right_answers_are_handed_on_once_and_counted(generate: Any, tmp_path: Path) -> None:
    made = generate("training.steps=2", "execution.samples=1000")
    results = [made.step(step) for step in range(2)]
    rows = rows_of(made, tmp_path)
    right = [s for r in results for s in r.samples if s["outcome"] == "correct"]
    assert {(r["prompt"], r["solution"]) for r in rows} == {
        (s["prompt"], s["response"]) for s in right
    }
    assert len({(row["prompt"], row["solution"]) for row in rows}) == len(rows)
    assert sum(result.metrics["rows/kept"] for result in results) == len(right)
    assert sum(result.metrics["rows/distinct"] for result in results) == len(rows)
    assert results[-1].metrics["rows/total"] == len(rows)
    for result in results:
        solved = {s["id"] for s in result.samples if s["outcome"] == "correct"}
        assert result.metrics["prompts/with_correct"] == pytest.approx(len(solved) / 6)
        assert result.metrics["prompts/correct"] == pytest.approx(result.metrics["rows/kept"] / 6)


def test_a_prompt_that_comes_again_gives_other_answers_with_other_ids(
    generate: Any, tmp_path: Path
) -> None:
    made = generate(
        "objective=generate",
        "objective.keep=all",
        "data_mix.train.arithmetic.limit=3",
        "training.steps=2",
    )
    for step in range(2):
        made.step(step)
    rows = rows_of(made, tmp_path)
    assert len({row["prompt"] for row in rows}) == 3
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({(row["prompt"], row["solution"]) for row in rows}) == len(rows)


def test_a_resumed_stage_remembers_what_it_has(generate: Any, tmp_path: Path) -> None:
    few = ("data_mix.train.arithmetic.limit=4", "training.steps=3")
    whole, begun, resumed = (generate(*few) for _ in range(3))
    expected = [whole.step(step).metrics for step in range(3)]
    begun.step(0)
    (tmp_path / "saved").mkdir()
    tree.save(begun.state_dict(), tmp_path / "saved")
    resumed.load_state_dict(tree.load(tmp_path / "saved"))
    assert [resumed.step(step).metrics for step in (1, 2)] == expected[1:]
    assert resumed.learner.rows == whole.learner.rows


def test_a_stage_that_kept_nothing_stops_and_says_what_helps(generate: Any) -> None:
    hopeless = generate("training.steps=2", start=None)
    hopeless.step(0)
    with pytest.raises(StageError, match=r"nothing was kept of 8 answers to each of 12 prompts"):
        hopeless.step(1)


def test_step_pairs_cut_wrong_answers_where_no_continuation_is_right(
    generate: Any, tmp_path: Path
) -> None:
    made = generate(
        "objective=step_pairs",
        "objective.split=space",
        "training.steps=1",
        "training.rows_per_step=24",
    )
    numbers = made.step(0).metrics
    rows = rows_of(made, tmp_path)
    assert rows
    for row in rows:
        assert row["chosen"].endswith(f"A:{row['answer']}")
        assert not row["rejected"].endswith(f"A:{row['answer']}")
        assert row["rejected_open"] == (row["pit"] < len(row["step_values"]))
        assert row["rejected"].endswith(" ") == row["rejected_open"]
        least = min(row["step_values"])
        assert row["step_values"].index(least) == row["pit"] - 1
    assert any(row["rejected_open"] for row in rows)
    assert numbers["steps/q_late"] < numbers["steps/q_early"] < numbers["steps/q_start"] < 1
    assert 0 < numbers["negatives/pit"] <= 1
    assert 0 < numbers["negatives/dropped"] < 1
    assert numbers["rollout/rows"] == 24 * 8  # continuations are no answers to the prompts


def test_step_advantages_of_right_answers_end_at_1(generate: Any, tmp_path: Path) -> None:
    made = generate("objective=step_advantages", "objective.split=space", "training.steps=1")
    numbers = made.step(0).metrics
    assert numbers["steps/advantage_min"] < 0 < numbers["steps/advantage_max"]
    for row in rows_of(made, tmp_path):
        assert len(row["step_ends"]) == len(row["step_advantages"])
        assert row["step_ends"][-1] == len(row["solution"])
