"""What small files of a local model say: positions, layers, and where a stage starts from."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from etude.config.check_model import model, origins, positions_of
from etude.config.pipeline import Step
from etude.schema import LearnerInfo


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        ({"max_position_embeddings": 512}, 512),
        ({"n_positions": 1024}, 1024),
        ({"text_config": {"max_position_embeddings": 64}}, 64),
        ({"max_position_embeddings": 512, "rope_scaling": {"factor": 4.0}}, 2048),
        (
            {
                "max_position_embeddings": 2048,
                "rope_parameters": {"factor": 4.0, "original_max_position_embeddings": 512},
            },
            2048,
        ),
        ({"max_position_embeddings": 512, "rope_scaling": {"factor": None}}, 512),
        ({"model_type": "mamba"}, None),
    ],
)
def test_positions_count_what_scaling_adds(config: dict[str, Any], positions: int | None) -> None:
    assert positions_of(config) == positions


def test_a_stage_starts_from_the_model_its_first_ancestor_started_from() -> None:
    steps = [
        Step("sft", "sft", (), start_from="/models/a"),
        Step("rl", "rl", ("sft",)),
        Step("again", "again", ("rl",), start_from="base"),
        Step("last", "last", ("again",), start_from="sft"),
    ]
    assert origins(steps) == {
        "sft": "/models/a",
        "rl": "/models/a",
        "again": "base",
        "last": "/models/a",
    }


def test_a_target_of_lora_is_a_layer_of_the_folder(tmp_path: Path) -> None:
    names = ["model.layers.0.self_attn.q_proj.weight", "model.embed_tokens.weight"]
    header = {name: {"shape": [2, 2], "dtype": "F32", "data_offsets": [0, 0]} for name in names}
    text = json.dumps(header).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    (tmp_path / "config.json").write_text("{}")

    def faults(*targets: str) -> list[tuple[str, str]]:
        node = {"name": "pretrained", "path": str(tmp_path), "lora": {"targets": list(targets)}}
        return list(model({"model": node}, LearnerInfo(name="any"), "base"))

    assert not faults("q_proj", "lm_head", "self_attn.q_proj")
    ((path, message),) = faults("q_prok")
    assert path == "model.lora.targets"
    assert "Did you mean q_proj?" in message
