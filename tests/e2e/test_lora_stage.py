"""Low-rank adapters on a model of one's own: trained, killed, resumed, handed on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from warm_commands import ROLLOUTS, Moment, Place, small

pytestmark = pytest.mark.slow

pytest.importorskip("peft", reason="adapters need the package peft")

LORA = (
    "recipe=sft_then_rl",
    *(word for word in small() if not word.startswith("model")),
    "model=pretrained",
    # Dropout draws random numbers in every step: they too must be those of the step.
    "model.lora={rank: 4, alpha: 8, dropout: 0.1}",
    "optimizer.lr=1e-2",
    "reward_weighting.weights.length=0.1",
    "stages.sft.training.steps=3",
    "stages.rl.training.steps=3",
    "training.updates_per_step=2",
    "execution.checkpoint_every=1",
    "execution.keep=9",
)


@pytest.fixture(scope="module")
def base(elsewhere: Callable[[str], Place]) -> Path:
    """A model folder, as one that was downloaded would be."""
    place = elsewhere("base")
    ended = place.train(
        "recipe=sft",
        *small(*ROLLOUTS, "evaluation", "rollout"),
        "evaluation=null",
        "training.steps=1",
    )
    assert ended.code == 0, ended.said
    (model,) = (place.folder / "outputs/stages").glob("sft-*/model")
    return model


def stage(place: Place, name: str) -> Path:
    (found,) = (place.folder / "outputs/stages").glob(f"{name}-*")
    return found


def state(place: Place, name: str) -> dict[str, bytes]:
    folder = stage(place, name)
    (last,) = folder.glob("attempts/*/checkpoints/step_3")
    paths = [*last.iterdir(), *(folder / "model").iterdir(), folder / "metrics.jsonl"]
    return {path.name: path.read_bytes() for path in paths}


def test_adapters_resume_to_the_bit_and_are_handed_on_merged(
    base: Path, elsewhere: Callable[[str], Place]
) -> None:
    whole, killed = elsewhere("whole"), elsewhere("killed")
    command = (*LORA, f"model.path={base}")
    ended = whole.train(*command)
    assert ended.code == 0, ended.said
    calls = (3, 6)  # in the second step of sft, in the second step of rl
    moments = [Moment("etude.learner.trainee:Trainee.update", call) for call in calls]
    killed.train_through_kills(moments, *command)
    for name in ("sft", "rl"):
        one, other = state(whole, name), state(killed, name)
        assert [file for file in one if one[file] != other[file]] == []

    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = stage(whole, "rl") / "model"
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert not (folder / "adapter_config.json").exists()
    before = AutoModelForCausalLM.from_pretrained(base).state_dict()
    moved = [n for n, value in model.state_dict().items() if not value.equal(before[n])]
    assert any("q_proj" in name for name in moved)
    assert not any("embed" in name for name in moved)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer("1 + 1 = ", return_tensors="pt")
    assert model.generate(**tokens, max_new_tokens=3).shape[1] > tokens["input_ids"].shape[1]
