"""A first look at local models: every way to name one; what is no folder is left to others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from etude.config.model_look import ModelLook
from etude.config.sharing import put
from etude.model.scratch import Scratch
from etude.plan.references import Base, Folder, Made

TINY = Scratch(hidden_size=32, layers=1, heads=2, kv_heads=1, intermediate_size=48)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder that is whole."""
    TINY.create(3, torch.device("cpu")).save(tmp_path / "M")
    return tmp_path / "M"


@pytest.mark.parametrize(
    "key", ["model.path", "models.reference.load", "models.judge.load", "start_from"]
)
def test_every_way_to_name_a_folder_is_looked_at(key: str, folder: Path) -> None:
    config = put({}, key, str(folder)) if key == "model.path" else {}
    place = "start" if key == "start_from" else key
    given = {} if config else {place: Folder(folder)}
    assert not list(ModelLook().faults(config, given))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    ((path, message),) = ModelLook().faults(config, given)
    assert path == key
    assert "model.safetensors" in message


def test_names_that_are_no_folder_are_left_to_others(tmp_path: Path) -> None:
    config = {"model": {"path": "Qwen/Qwen3"}}
    assert not list(ModelLook().faults(config, {"start": Made("sft"), "models.judge.load": Base()}))
    assert not list(ModelLook().faults({"model": {"path": str(tmp_path)}}, {}))
