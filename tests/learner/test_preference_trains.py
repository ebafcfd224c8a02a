"""Preference stages: pairs told apart, whole in every micro-batch, and resumed to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from etude.config.prepare import prepare
from etude.errors import ConfigError, DataError
from etude.execute import tree
from etude.learner.context import StageContext
from etude.learner.make import make_learner

#: The model of the fixture ``taught``, and pairs from a file.
SMALL = (
    "recipe=sft",
    "objective=dpo",
    "model=scratch",
    "model.hidden_size=64",
    "model.layers=2",
    "model.heads=2",
    "model.kv_heads=1",
    "model.intermediate_size=128",
    "data_mix=generated_pairs",
    "data_mix.held_out={arithmetic:{split:test,levels:[2]}}",
    "training.rows_per_step=6",
    "training.steps=3",
    "optimizer.lr=1e-3",
)
PAIRS = [
    {
        "prompt": f"{n}+5=",
        "answer": str(n + 5),
        "chosen": f"{n % 10}+5={n % 10 + 5} A:{n + 5}",
        "chosen_open": False,
        "rejected": f"{n % 10}+5={n % 10 + 4} " + "0" * (n % 3),
        "rejected_open": True,
    }
    for n in range(10, 25)
]


def write(folder: Path, rows: list[dict[str, Any]]) -> str:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"sources.generated_pairs.path={path}"


@pytest.fixture
def preference(taught: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return a function that builds a preference stage on the taught model."""
    made: list[Any] = []

    def build(*overrides: str, rows: list[dict[str, Any]] = PAIRS) -> Any:
        config = prepare([*SMALL, write(tmp_path, rows), *overrides]).runs[0][1][0].config
        context = StageContext(config["seed"], tmp_path, {"start": taught})
        made.append(make_learner(config, context))
        return made[-1]

    yield build
    for one in made:
        one.close()


def parameters(learner: Any) -> list[torch.Tensor]:
    return [p.detach().clone() for p in learner.policy.model.parameters()]


def test_dpo_starts_at_ln_2_and_tells_the_answers_apart(preference: Any) -> None:
    made = preference("training.steps=8")
    numbers = [made.step(step).metrics for step in range(8)]
    assert numbers[0]["loss"] == pytest.approx(0.693147, abs=1e-5)
    assert numbers[0]["preference/margin"] == numbers[0]["preference/accuracy"] == 0.0
    assert numbers[-1]["loss"] < 0.6
    assert numbers[-1]["preference/margin"] > 0.2
    assert numbers[-1]["preference/accuracy"] == 1.0
    assert numbers[-1]["preference/rejected_reward"] < 0


def test_a_cut_answer_has_no_end_of_text_and_a_whole_one_has(preference: Any) -> None:
    made = preference()
    (pair, *_) = made.learner._draw(0)
    assert pair.chosen.tokens[-1] in made.policy.eos_ids
    assert pair.rejected.tokens[-1] not in made.policy.eos_ids


@pytest.mark.parametrize("tokens", [1, 60, 200])
def test_micro_batches_hold_whole_pairs_and_change_no_number(preference: Any, tokens: int) -> None:
    whole = preference("execution.micro_batch_tokens=100000")
    cut = preference(f"execution.micro_batch_tokens={tokens}")
    for step in range(2):
        expected, found = whole.step(step).metrics, cut.step(step).metrics
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, rel=2e-4, abs=2e-5), name


def test_a_rebuilt_stage_goes_on_to_the_bit(preference: Any, tmp_path: Path) -> None:
    whole, begun, resumed = (preference() for _ in range(3))
    expected = [whole.step(step).metrics for step in range(3)]
    begun.step(0)
    (tmp_path / "saved").mkdir()
    tree.save(begun.state_dict(), tmp_path / "saved")
    resumed.load_state_dict(tree.load(tmp_path / "saved"))
    assert [resumed.step(step).metrics for step in (1, 2)] == expected[1:]
    for a, b in zip(parameters(whole), parameters(resumed), strict=True):
        assert torch.equal(a, b)


def test_pairs_that_say_nothing_are_left_out_and_counted(preference: Any) -> None:
    empty = {**PAIRS[0], "rejected": ""}
    equal = {**PAIRS[1], "rejected": PAIRS[1]["chosen"], "rejected_open": False}
    made = preference("training.epochs=1", rows=[empty, equal, *PAIRS[2:]])
    assert made.steps == 2
    numbers = [made.step(step).metrics for step in range(3)]
    assert numbers[-1]["pairs/dropped"] >= 2
    with pytest.raises(DataError, match="no pair can be used"):
        preference(rows=[empty, equal]).step(0)


def test_a_pair_that_is_too_long_is_refused_dropped_or_cut(preference: Any) -> None:
    long = [{**PAIRS[0], "rejected": "9" * 40}, *PAIRS[1:]]
    limit = "training.max_length=30"
    with pytest.raises(ConfigError, match=r"training\.max_length=30"):
        preference(limit, rows=long)
    # What the template puts around it makes this one too long.
    longer = [{**PAIRS[0], "rejected": "9" * 25}, *PAIRS[1:]]
    with pytest.raises(DataError, match=r"rejected answer .* training\.max_length=30"):
        preference(limit, rows=longer)
    dropped = preference(limit, "training.too_long=drop", rows=long)
    for step in range(3):
        numbers = dropped.step(step).metrics
    assert numbers["pairs/dropped"] == 1
    cut = preference(limit, "training.too_long=cut", rows=long)
    for step in range(3):
        numbers = cut.step(step).metrics
    assert numbers["pairs/dropped"] == 0


def test_a_row_without_an_answer_says_which_column_is_missing(preference: Any) -> None:
    lacking = [{**row, "rejected": None} for row in PAIRS]
    with pytest.raises(DataError, match="has no column 'rejected'"):
        preference(rows=lacking).step(0)
