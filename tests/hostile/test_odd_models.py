"""Models of other kinds given by path: what cannot be taught rightly is refused by name."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from inputs import Hostile, check, sampled

from warm_commands import ROLLOUTS, Place, small

sys.path.insert(0, str(Path(__file__).parent.parent / "model"))

pytestmark = pytest.mark.slow

LOCAL = ["model=pretrained", "model.path=./model", "training.steps=1"]
BARE = [word for word in small("model.", "model=") if "data" not in word]
SFT = ["recipe=sft", *[w for w in BARE if not w.startswith((*ROLLOUTS, "evaluation", "rollout"))]]
SFT += ["evaluation=null", *LOCAL]
PACKED = [*SFT, "training.packing=bfd", "training.max_length=64"]

ODD = [
    Hostile("mamba2 packed", PACKED, ["see each other", "training.packing=none"], code=1),
    Hostile("bloom packed", PACKED, ["see each other", "training.packing=none"], code=1),
    Hostile("rwkv packed", PACKED, ["see each other", "training.packing=none"], code=1),
    Hostile("bert taught", SFT, ["is not causal"], code=1),
]


@pytest.mark.parametrize("hostile", sampled(ODD))
def test_a_model_of_another_kind_is_refused(hostile: Hostile, here: Place, tmp_path: Path) -> None:
    from architectures import tiny_model

    from etude.model.tokenizer import make_tokenizer

    kind = hostile.name.split()[0]
    changes = {"is_decoder": False} if kind == "bert" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tiny_model(kind, **changes).save_pretrained(tmp_path / kind)
    make_tokenizer("characters", 512).save_pretrained(tmp_path / kind)
    files = {f"model/{path.name}": path.read_bytes() for path in (tmp_path / kind).iterdir()}
    check(replace(hostile, files=files), here)
