"""Two processes that train one policy make the rollouts, the updates and the log of one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rl_of_ranks import SAVED, cases, go_on, run_all, start


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what one process found alone, and each of two ranks."""
    folder = tmp_path_factory.mktemp("ranks")
    with start(2, folder) as started:
        try:
            alone = run_all(folder, save=False)
            _, said = started.communicate(timeout=300)
        finally:
            started.terminate()
    assert started.returncode == 0, said[-3000:]
    ranks = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]
    return {"alone": alone, "ranks": ranks, "folder": folder}


def assert_close(mine: list[list[float]], theirs: list[list[float]]) -> None:
    """Hold numbers to a float32's sums in another order."""
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(torch.tensor(one), torch.tensor(other), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", cases())
def test_two_ranks_make_the_rollouts_of_one_process(name: str, found: Any) -> None:
    alone, *ranks = (each[name] for each in (found["alone"], *found["ranks"]))
    for rank in ranks:
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
    assert alone["metrics"][0]["gradient_norm"] > 0
    first, second = ranks
    for mine, theirs in zip(first["metrics"], alone["metrics"], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-6)
    assert_close(first["parameters"], alone["parameters"])
    assert second["metrics"] == first["metrics"]
    assert second["parameters"] == first["parameters"]


@pytest.mark.parametrize("name", cases())
def test_the_second_step_samples_from_the_weights_of_the_first(name: str, found: Any) -> None:
    alone, rank = found["alone"][name]["rows"][1], found["ranks"][0][name]["rows"][1]
    assert rank["groups"] == alone["groups"]
    assert rank["sampled"] == alone["sampled"]
    assert_close(rank["logprobs"], alone["logprobs"])


def test_two_ranks_generate_the_rows_of_one_process(found: Any) -> None:
    alone, *ranks = (each["generated"] for each in (found["alone"], *found["ranks"]))
    assert alone["rows"]
    for rank in ranks:
        assert (rank["rows"], rank["metrics"]) == (alone["rows"], alone["metrics"])
        assert 0 < rank["asked"] < alone["asked"]


@pytest.mark.parametrize("name", SAVED)
def test_a_stage_saved_by_two_ranks_goes_on_in_two_and_in_one(
    name: str, found: Any, tmp_path: Path
) -> None:
    two = found["ranks"][0][name]
    assert two["gone on"]["metrics"] == two["metrics"][1]  # to the bit
    assert two["gone on"]["parameters"] == two["parameters"]
    one = go_on(cases()[name], tmp_path, found["folder"] / name)
    assert one["metrics"] == pytest.approx(two["metrics"][1], rel=1e-4, abs=1e-6)
    assert_close(one["parameters"], two["parameters"])
