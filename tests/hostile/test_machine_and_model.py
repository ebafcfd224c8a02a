"""Devices that are not there, sizes that do not divide, and limits beyond a model's positions."""

from __future__ import annotations

import json

import pytest
from inputs import Hostile, check, sampled

from warm_commands import Place

RESOURCES = "+stages.rl.resources."
SCRATCH = ["model=scratch"]
#: No GPU here, whatever the machine of the test has.
HIDDEN = {"CUDA_VISIBLE_DEVICES": ""}
ONE_GPU = {"CUDA_VISIBLE_DEVICES": "0"}


def folder(**config: object) -> dict[str, str]:
    """Return a model folder's config.json, with the positions given."""
    whole = {"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1} | config
    sizes = {"num_attention_heads": 2, "vocab_size": 99, "intermediate_size": 64}
    return {"model/config.json": json.dumps(whole | sizes)}


LOCAL = ["model=pretrained", "model.path=./model"]
SCALED = {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}

DEVICES = [
    Hostile(
        "cuda",
        ["execution.device=cuda"],
        ["execution.device is cuda", "no GPU", "execution.device=auto"],
        env=HIDDEN,
    ),
    Hostile(
        "cuda planned",
        ["plan", "execution.device=cuda"],
        ["execution.device is cuda"],
        command="etude",
        env=HIDDEN,
    ),
    Hostile(
        "cuda measured",
        ["checkpoint=.", "execution.device=cuda"],
        ["execution.device is cuda"],
        command="evaluate",
        env=HIDDEN,
    ),
    Hostile(
        "cuda of a stage",
        ["+stages.rl.execution.device=cuda"],
        ["stages.rl.execution.device is cuda"],
        env=HIDDEN,
    ),
    Hostile("a number", ["execution.device=cuda:3"], ["auto, cpu, cuda", "'cuda:3' is not"]),
    Hostile("mps", ["execution.device=mps"], ["auto, cpu, cuda", "'mps' is not"]),
    Hostile(
        "GPUs",
        [RESOURCES + "gpus_per_node=2"],
        ["stages.rl.resources.gpus_per_node is 2", "(0)"],
        env=HIDDEN,
    ),
    Hostile(
        "more GPUs than one",
        [RESOURCES + "gpus_per_node=8"],
        ["stages.rl.resources.gpus_per_node is 8", "(1)"],
        env=ONE_GPU,
    ),
    Hostile(
        "GPUs of a pool",
        ["launcher=local_pool", "launcher.gpus=[0,1]", RESOURCES + "gpus_per_node=4"],
        ["stages.rl.resources.gpus_per_node is 4", "(2)"],
    ),
    Hostile(
        "machines",
        [RESOURCES + "nodes=2"],
        ["stages.rl.resources.nodes is 2", "launcher=slurm"],
        env=HIDDEN,
    ),
    Hostile(
        "processes on one GPU",
        [RESOURCES + "tasks_per_node=4"],
        ["stages.rl.resources.tasks_per_node is 4", "execution.device=cpu"],
        env=ONE_GPU,
    ),
    Hostile(
        "flash attention",
        ["model=pretrained", "model.path=a/b", "model.attention=flash_attention_2"],
        ["model.attention is flash_attention_2", "needs a GPU"],
        env=HIDDEN,
    ),
    Hostile(
        "flash attention on the CPU",
        [
            "model=pretrained",
            "model.path=a/b",
            "model.attention=flash_attention_3",
            "execution.device=cpu",
        ],
        ["model.attention is flash_attention_3"],
        env=ONE_GPU,
    ),
    Hostile(
        "flash attention in float32",
        [
            "model=pretrained",
            "model.path=a/b",
            "model.attention=flash_attention_2",
            "model.dtype=float32",
        ],
        ["model.dtype is float32", "flash_attention_2"],
        env=ONE_GPU,
    ),
]

SIZES = [
    Hostile(
        "heads",
        [*SCRATCH, "model.heads=3"],
        ["model.hidden_size is 128", "model.heads=3"],
    ),
    Hostile("odd heads", [*SCRATCH, "model.hidden_size=36"], ["model.hidden_size is 36"]),
    Hostile("shared heads", [*SCRATCH, "model.kv_heads=3"], ["model.kv_heads is 3"]),
    Hostile("more shared heads", [*SCRATCH, "model.kv_heads=8"], ["model.kv_heads is 8"]),
    Hostile(
        "both", [*SCRATCH, "model.heads=5", "model.kv_heads=2"], ["Two things", "kv_heads is 2"]
    ),
    Hostile(
        "answers longer than the model",
        ["rollout.max_new_tokens=2048"],
        ["rollout.max_new_tokens is 2048", "model.max_position_embeddings=2048"],
    ),
    Hostile(
        "answers longer than a short model",
        ["recipe=rl", *SCRATCH, "model.max_position_embeddings=64"],
        ["rollout.max_new_tokens is 64", "no room for a prompt"],
    ),
    Hostile(
        "prompt and answer longer than the model",
        ["rollout.max_new_tokens=1000", "rollout.max_prompt_tokens=1100"],
        ["rollout.max_prompt_tokens is 1100", "rollout.max_new_tokens=1000"],
    ),
    Hostile(
        "measured answers",
        ["evaluation.max_new_tokens=4096"],
        ["evaluation.max_new_tokens is 4096"],
    ),
    Hostile(
        "demonstrations longer than the model",
        ["training.max_length=4096"],
        ["training.max_length is 4096", "model.max_position_embeddings=2048"],
    ),
    Hostile(
        "demonstrations longer than a folder's model",
        ["recipe=sft", *LOCAL, "training.max_length=300"],
        ["training.max_length is 300", "model/config.json=256"],
        files=folder(max_position_embeddings=256),
    ),
    Hostile(
        "answers longer than a folder's model",
        ["recipe=rl", *LOCAL, "rollout.max_new_tokens=256"],
        ["rollout.max_new_tokens is 256"],
        files=folder(max_position_embeddings=256),
    ),
    Hostile(
        "learned positions",
        ["recipe=rl", *LOCAL, "rollout.max_new_tokens=256"],
        ["rollout.max_new_tokens is 256"],
        files=folder(n_positions=128, model_type="gpt2"),
    ),
    Hostile(
        "scaled positions",
        ["recipe=rl", *LOCAL, "rollout.max_new_tokens=600"],
        ["rollout.max_new_tokens is 600", "=512"],
        files=folder(max_position_embeddings=256, **SCALED),
    ),
    Hostile(
        "the model a run starts from",
        ["recipe=rl", "start_from=./model", "rollout.max_new_tokens=100"],
        ["rollout.max_new_tokens is 100", "=96"],
        files=folder(max_position_embeddings=96),
    ),
    Hostile(
        "the model that is measured",
        ["checkpoint=model", "rollout.max_new_tokens=100"],
        ["rollout.max_new_tokens is 100"],
        command="evaluate",
        files=folder(max_position_embeddings=96),
    ),
    Hostile("no model", ["model=pretrained"], ["model.path needs a value"]),
    Hostile(
        "a folder that is not there",
        ["model=pretrained", "model.path=./nope"],
        ["model.path is ./nope", "no such folder"],
    ),
    Hostile(
        "a role's model misspelt",
        ["models.reference=strat", "objective/regularizer=[kl]"],
        ["models.reference", "Did you mean start?"],
    ),
    Hostile(
        "a model that nothing asks for",
        ["models.reference=strat"],
        ["changes no stage: nothing asks for the model 'reference'"],
    ),
    Hostile(
        "a teacher that is not there",
        ["recipe=distillation", "objective.token_loss.alpha=0.5", "models.teacher=./teacher"],
        ["models.teacher.load", "nor a folder that exists"],
    ),
]


@pytest.mark.parametrize("hostile", sampled(DEVICES))
def test_a_device_that_is_not_there_is_refused(hostile: Hostile, here: Place) -> None:
    check(hostile, here)


@pytest.mark.parametrize("hostile", sampled(SIZES))
def test_a_size_that_does_not_fit_is_refused(hostile: Hostile, here: Place) -> None:
    check(hostile, here)
