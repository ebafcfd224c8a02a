"""A run from Python trains as the command does, and its export is the model that it trained."""

from __future__ import annotations

import json

import pytest
import yaml

from warm_commands import Place, small

pytestmark = pytest.mark.slow


def test_a_run_from_python_trains_and_its_export_is_that_model(here: Place) -> None:
    ended = here.run(
        "notebook_cell",
        "recipe=sft_then_rl",
        *small(),
        "stages.sft.training.steps=2",
        "stages.rl.training.steps=2",
        "evaluation.problems=3",
    )
    assert ended.code == 0, ended.said
    told = json.loads((here.folder / "told.json").read_text())
    assert told["state"] == "done"
    assert told["stages"] == ["sft", "rl"]
    assert told["finished"] == [True, True]
    assert told["steps"] == {"rl": 2, "sft": 2}
    assert told["evaluations"] == 3  # of the base, after sft, after rl
    assert told["answers"] == 3 * 3 * 2
    assert told["device"] == {"kind": "cpu", "name": None, "processes": 1}
    assert told["code"] == 0
    assert told["same"] and told["tensors"] and told["token"]

    exported = here.folder / "exported"
    assert (exported / "model.safetensors").read_bytes() == (
        here.stage("rl") / "model/model.safetensors"
    ).read_bytes()
    assert str(here.folder) not in (exported / "README.md").read_text()
    _, head, text = (exported / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(head)["library_name"] == "transformers"
    assert "random weights → sft → rl" in text
    assert "train recipe=sft_then_rl model=scratch" in text
    recipe = yaml.safe_load((exported / "recipe.yaml").read_text())
    assert recipe["stages"]["rl"]["training"]["steps"] == 2
    row = json.loads((exported / "etude.json").read_text())["row"]
    assert row["cost"]["tokens_sampled"] > 0
    assert row["cost"]["device"] == "cpu"
    assert set(row["evaluations"]) == {"main"}
