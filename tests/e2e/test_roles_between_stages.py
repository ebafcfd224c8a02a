"""A critic trained beside a policy, held under another name, then trained as a policy itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import recipe_of_ranks
import torch
from safetensors.torch import load_file

from warm_commands import ROWS, Moment, Place, small

pytestmark = pytest.mark.slow

RECIPE = """# @package _global_
# A critic is trained beside the policy, kept to under another name, and trained as a policy.
defaults:
  - /objective@stages.value.objective: ppo
  - /objective@stages.held.objective: grpo
  - /objective/regularizer@stages.held.objective.regularizer: [kl]
  - /objective@stages.turned.objective: grpo
pipeline: [value, held, turned]
optimizer: {lr: 1e-2, epsilon: 1e-3}   # Adam would blow rounding errors up without it
reward_weighting: {weights: {length: 0.1}}   # an untrained model differs in nothing else
stages:
  value: {training: {steps: 3}}
  held:
    training: {steps: 2}
    models: {judge: value.critic}
    objective: {regularizer: {kl: {role: judge, coef: 0.05}}}
  turned:
    training: {steps: 2}
    start_from: value.critic
"""
COMMAND = ("recipe=value_kept", *small(ROWS), "execution.checkpoint_every=1")
STEPS = {"value": 3, "held": 2, "turned": 2}


def put_recipe(place: Place) -> Place:
    recipe = place.folder / "recipes/value_kept.yaml"
    recipe.parent.mkdir()
    recipe.write_text(RECIPE)
    return place


@pytest.fixture
def there(here: Place) -> Place:
    return put_recipe(here)


@pytest.fixture(scope="module")
def whole(elsewhere: Callable[[str], Place]) -> tuple[Place, str]:
    """A run from its beginning to its end, and what it said."""
    place = put_recipe(elsewhere("whole"))
    ended = place.train(*COMMAND)
    assert ended.code == 0, ended.said
    return place, ended.said


def stage(place: Place, name: str) -> Path:
    (found,) = (place.folder / "outputs/stages").glob(f"{name}-*")
    return found


def results(place: Place) -> dict[str, bytes]:
    """Return what the seed determines of every stage: outputs, last checkpoint, lines."""
    found: dict[str, bytes] = {}
    for name, steps in STEPS.items():
        folder = stage(place, name)
        assert (folder / "DONE.json").is_file()
        (last,) = folder.glob(f"attempts/*/checkpoints/step_{steps}")
        paths = [*last.iterdir(), folder / "metrics.jsonl", folder / "samples.jsonl"]
        paths += list((folder / "model").iterdir())
        paths += list(folder.glob("roles/*/*"))
        found |= {f"{name}/{path.parent.name}/{path.name}": path.read_bytes() for path in paths}
    return found


def test_each_stage_gets_the_critic_as_its_config_says(whole: tuple[Place, str]) -> None:
    place, said = whole
    critic = stage(place, "value") / "roles/critic"
    assert {"config.json", "value_head.safetensors"} <= {path.name for path in critic.iterdir()}
    lines = [json.loads(line) for line in (stage(place, "held") / "metrics.jsonl").open()]
    assert lines[0]["objective/kl_judge"] > 0  # the critic's decoder is no longer the policy's
    assert "objective/kl_reference" not in lines[0]
    published = json.loads((stage(place, "value") / "DONE.json").read_text())["files"]
    assert "roles/critic/model.safetensors" in published
    parent = stage(place, "value").name.rpartition("-")[2]
    for name in ("held", "turned"):
        assert parent in json.loads((stage(place, name) / "stage.json").read_text())["parents"]
    start = load_file(critic / "model.safetensors")
    end = load_file(stage(place, "turned") / "model/model.safetensors")
    moved = max(float((start[name] - end[name]).abs().max()) for name in start)
    assert 0 < moved < 0.1  # two steps away, and not from anywhere else
    assert said.count("value_head.safetensors) is left aside") == 1


def test_plan_and_status_tell_which_model_is_what_for(whole: tuple[Place, str]) -> None:
    place, _ = whole
    planned = place.run("etude", "plan", *COMMAND).out
    for told in (
        "models: critic: start, trained for value",
        "models: judge: value.critic, for kl",
        "← value.critic",
        "done",
    ):
        assert told in planned
    status = place.run("etude", "status").out
    assert "3 steps · trains critic" in status
    assert "2 steps · judge ← value.critic" in status


def test_memory_is_told_for_each_model(there: Place) -> None:
    planned = " ".join(there.run("etude", "plan", *COMMAND).out.split())
    assert "(weights 49 KiB, critic 49 KiB, optimizer 198 KiB" in planned
    assert "(weights 49 KiB, judge 49 KiB, optimizer 99 KiB" in planned


def test_the_stage_that_trains_the_critic_is_shared_in_a_sweep(there: Place) -> None:
    ended = there.train("-m", *COMMAND, "stages.held.objective.regularizer.kl.coef=0.01,0.5")
    assert ended.code == 0, ended.said
    names = [path.name.rpartition("-")[0] for path in (there.folder / "outputs/stages").iterdir()]
    assert sorted(names) == ["held", "held", "turned", "value"]


KILLS = {
    # The critic's optimizer is on disk, the manifest of the checkpoint is not.
    "while a checkpoint is written": Moment("etude.execute.tree:save", 2, after=True),
    "before the critic is published": Moment("etude.execute.stage:publish"),
    "in the stage that holds the critic": Moment("etude.execute.tree:save", 2),
    "while the stage opens that starts from it": Moment("etude.learner.parts:StageParts.policy", 2),
}


def test_killed_again_and_again_it_ends_the_same(there: Place, whole: tuple[Place, str]) -> None:
    there.train_through_kills(KILLS.values(), *COMMAND)
    one, other = results(there), results(whole[0])
    assert sorted(one) == sorted(other)
    assert [name for name in one if one[name] != other[name]] == []
    assert any(name.startswith("value/critic/") for name in one)


def test_two_ranks_train_the_stages_of_one(there: Place, whole: tuple[Place, str]) -> None:
    launch = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d")
    program = ("--rdzv-endpoint", "127.0.0.1:0", recipe_of_ranks.__file__, *COMMAND)
    ended = subprocess.run(
        [sys.executable, *launch, *program],
        cwd=there.folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    for name in STEPS:
        mine, theirs = (
            [json.loads(line) for line in (stage(place, name) / "metrics.jsonl").open()]
            for place in (there, whole[0])
        )
        for line, alone in zip(mine, theirs, strict=True):
            assert line == pytest.approx(alone, rel=1e-3, abs=1e-5), name
        own, other = (
            load_file(stage(place, name) / "model/model.safetensors") for place in (there, whole[0])
        )
        for key, tensor in own.items():
            torch.testing.assert_close(tensor, other[key], rtol=1e-3, atol=1e-5)


def test_a_critic_that_was_changed_on_disk_is_refused(there: Place) -> None:
    ended = there.train(*COMMAND, "pipeline=[value]", "~stages.held", "~stages.turned")
    assert ended.code == 0, ended.said
    weights = stage(there, "value") / "roles/critic/model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    ended = there.train(*COMMAND)
    assert ended.code == 1
    assert "roles/critic/model.safetensors is not as stage value published it" in ended.said
