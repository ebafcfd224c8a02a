"""A model's config that is broken: it is refused by name, or the plan and the run stay visible."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from inputs import Hostile, check, sampled

from warm_commands import Place

GOOD = {
    "model_type": "llama",
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 100,
}

#: No config of a model at all: said before anything starts.
UNREADABLE: dict[str, str | bytes] = {
    "torn": '{"hidden_size": 6',
    "empty": "",
    "bytes": bytes(range(256)),
    "a list": "[1, 2]",
    "a number": "7",
    "null": "null",
    "deep": "[" * 100_000,
}

#: Configs that can be read and make no model: only who builds it knows.
SENSELESS = {
    "no head count": json.dumps({k: v for k, v in GOOD.items() if "heads" not in k}),
    "no heads": json.dumps({**GOOD, "num_attention_heads": 0}),
    "negative heads": json.dumps({**GOOD, "num_attention_heads": -2}),
    "text for a size": json.dumps({**GOOD, "hidden_size": "64"}),
    "text_config is text": json.dumps({**GOOD, "text_config": "see above"}),
    "a size past meaning": json.dumps({**GOOD, "hidden_size": 10**40}),
    "escapes": json.dumps({"model_type": "\x1b[2J\x9b1m"}),
}


def weights() -> bytes:
    """Return a safetensors file with the weights of an embedding and one norm of a layer."""
    shapes = {
        "model.embed_tokens.weight": [100, 32],
        "model.layers.0.input_layernorm.weight": [32],
    }
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


TOKENIZER = {
    "version": "1.0",
    "added_tokens": [],
    "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"},
}
BESIDE: dict[str, str | bytes] = {
    "broken/model.safetensors": weights(),
    "broken/tokenizer.json": json.dumps(TOKENIZER),
    "broken/tokenizer_config.json": json.dumps({"eos_token": "b", "pad_token": "a"}),
}


def model(name: str, content: str | bytes, command: str, **more: Any) -> Hostile:
    words = ["recipe=sft", "model=pretrained", "model.path=./broken", "tracker=none"]
    words += ["evaluation=null", "execution.device=cpu", "execution.minimum_free_gib=0"]
    words += ["execution.report=false"]
    if command == "plan":
        words, command = ["plan", *words], "etude"
    files = {"broken/config.json": content, **BESIDE}
    return Hostile(name, words, command=command, files=files, seconds=60, **more)


NAMED = ["model.path  broken cannot be used as a model: config.json"]
REFUSED = [
    model(f"{name}, {command}", content, command, says=NAMED)
    for name, content in UNREADABLE.items()
    for command in ("plan", "train")
]
PLANNED = [
    model(name, content, "plan", says=["sft", "loss"], code=0)
    for name, content in SENSELESS.items()
]
TRAINED = [
    model(name, content, "train", says=["sft FAILED", "broken", " failed   sft"], code=1)
    for name, content in SENSELESS.items()
]


@pytest.mark.parametrize("hostile", sampled(REFUSED))
def test_a_config_that_is_none_is_refused_before_anything_starts(
    hostile: Hostile, here: Place
) -> None:
    check(hostile, here)


@pytest.mark.parametrize("hostile", sampled(PLANNED))
def test_a_plan_survives_a_broken_model(hostile: Hostile, here: Place) -> None:
    check(hostile, here)


@pytest.mark.slow
@pytest.mark.parametrize("hostile", sampled(TRAINED))
def test_a_run_with_a_broken_model_is_seen_to_its_end(hostile: Hostile, here: Place) -> None:
    check(hostile, here)
