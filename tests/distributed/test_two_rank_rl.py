"""Two processes that train one policy make the rollouts, the updates and the log of one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rl_of_ranks import WARM, cases, configs, go_on, run_all, saved_cases, start

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what one process found alone, and each of two ranks."""
    folder = tmp_path_factory.mktemp("ranks")
    known = configs()
    (folder / "configs.json").write_text(json.dumps(known))
    with start(2, folder) as started:
        try:
            alone = run_all(dict(known), folder, save=False)
            _, said = started.communicate(timeout=900)
        finally:
            started.terminate()
    assert started.returncode == 0, said[-3000:]
    ranks = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]
    return {"alone": alone, "ranks": ranks, "folder": folder, "configs": known}


def assert_close(mine: list[list[float]], theirs: list[list[float]]) -> None:
    """Hold numbers to a float32's sums in another order."""
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(torch.tensor(one), torch.tensor(other), rtol=1e-4, atol=1e-6)


def assert_alike(mine: Any, theirs: Any) -> None:
    """Hold lists of what was sampled to each other, and the numbers in them as floats are held."""
    if isinstance(theirs, list):
        assert len(mine) == len(theirs)
        for one, other in zip(mine, theirs, strict=True):
            assert_alike(one, other)
    elif isinstance(theirs, float):
        assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-6)
    else:
        assert mine == theirs


#: Its rewards come from gradients of micro-batches, which ranks cut and add otherwise.
WEIGHED_BY_GRADIENTS = "weights by gradients"


@pytest.mark.parametrize("name", cases())
def test_two_ranks_make_the_rollouts_of_one_process(name: str, found: Any) -> None:
    alone, *ranks = (each[name] for each in (found["alone"], *found["ranks"]))
    for rank in ranks:
        if name == WEIGHED_BY_GRADIENTS:
            assert_alike(rank["rows"][0]["groups"], alone["rows"][0]["groups"])
            assert_alike(rank["rows"][0]["sampled"], alone["rows"][0]["sampled"])
            assert rank["rows"][0]["logprobs"] == alone["rows"][0]["logprobs"]
        else:
            assert rank["rows"][0] == alone["rows"][0]  # to the bit, in the same order
            assert rank["samples"][0] == alone["samples"][0]
        assert rank["state"] == alone["state"]
    asked = [rank["asked"] for rank in ranks]
    assert sum(asked) == alone["asked"]
    assert min(asked) > 0 or name == "one prompt"
    assert alone["rows"][0]["groups"]


@pytest.mark.parametrize("name", cases())
def test_two_ranks_make_the_update_of_one_process(name: str, found: Any) -> None:
    alone, *ranks = (each[name] for each in (found["alone"], *found["ranks"]))
    moved = alone["metrics"][int(WARM in cases()[name])]
    assert moved["gradient_norm"] > 0
    first, second = ranks
    for mine, theirs in zip(first["metrics"], alone["metrics"], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-6)
    assert_close(first["parameters"], alone["parameters"])
    assert second["metrics"] == first["metrics"]
    assert second["parameters"] == first["parameters"]


@pytest.mark.parametrize("name", cases())
def test_the_second_step_samples_from_the_weights_of_the_first(name: str, found: Any) -> None:
    alone, rank = found["alone"][name]["rows"][1], found["ranks"][0][name]["rows"][1]
    assert_alike(rank["groups"], alone["groups"])  # rewards may be weighed by gradients
    assert_alike(rank["sampled"], alone["sampled"])
    assert_close(rank["logprobs"], alone["logprobs"])


def test_what_a_curriculum_hears_of_an_evaluation_is_the_same_on_all_ranks(found: Any) -> None:
    alone, *ranks = (each["asking for evaluations"] for each in (found["alone"], *found["ranks"]))
    for each in (alone, *ranks):
        assert [line["curriculum/limit"] for line in each["metrics"]] == [7, 9]
    # Beside the answers to 5 prompts a step, those to 3 problems after each.
    assert alone["asked"] == 2 * (5 * 4 + 3 * 2)


def test_ranks_hear_the_same_numbers_of_a_named_evaluation(found: Any) -> None:
    name = "asking for a named evaluation"
    alone, *ranks = (each[name]["metrics"] for each in (found["alone"], *found["ranks"]))
    heard = [(line["curriculum/limit"], line["curriculum/longer"]) for line in alone]
    assert [limit for limit, _ in heard] == [5, 6]
    for rank in ranks:
        assert [(line["curriculum/limit"], line["curriculum/longer"]) for line in rank] == heard
        for line, other in zip(rank, alone, strict=True):
            largest = other["curriculum/largest"]
            assert line["curriculum/largest"] == pytest.approx(largest, rel=1e-5)


def test_a_critic_learns_on_all_ranks_while_the_policy_waits(found: Any) -> None:
    alone, *ranks = (each["a warm start"]["metrics"] for each in (found["alone"], *found["ranks"]))
    for each in (alone, *ranks):
        assert ["update/warm_start" in line for line in each] == [True, False]
        assert each[0]["tokens/trained"] == 0.0 < each[0]["critic/gradient_norm"]


def test_ranks_remember_the_answers_of_all(found: Any) -> None:
    name = "shorter than usual"
    alone, *ranks = (each[name]["metrics"] for each in (found["alone"], *found["ranks"]))
    for each in (alone, *ranks):
        assert [line["verifier/mean_length"] for line in each] == [
            line["verifier/mean_length"] for line in alone
        ]
        first, second = (line["reward/conciseness/raw"] for line in each)
        assert first == 0.0 < second < 1.0


def test_two_ranks_generate_the_rows_of_one_process(found: Any) -> None:
    alone, *ranks = (each["generated"] for each in (found["alone"], *found["ranks"]))
    assert alone["rows"]
    for rank in ranks:
        assert (rank["rows"], rank["metrics"]) == (alone["rows"], alone["metrics"])
        assert 0 < rank["asked"] < alone["asked"]


@pytest.mark.parametrize("name", saved_cases())
def test_a_stage_saved_by_two_ranks_goes_on_in_two_and_in_one(
    name: str, found: Any, tmp_path: Path
) -> None:
    two = found["ranks"][0][name]
    assert two["gone on"]["metrics"] == two["metrics"][1]  # to the bit
    assert two["gone on"]["parameters"] == two["parameters"]
    one = go_on(found["configs"][name], tmp_path, found["folder"] / name)
    assert one["metrics"] == pytest.approx(two["metrics"][1], rel=1e-4, abs=1e-6)
    assert_close(one["parameters"], two["parameters"])
