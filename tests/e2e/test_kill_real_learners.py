"""Runs of the real learners, killed, interrupted or robbed of a checkpoint, equal a whole one.

Supervised, generate, supervised on the generated rows, then policy gradient with two updates a step
and a KL term, in one pipeline of a recipe of the folder's own.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest
from whole_runs import differences, killed_at_random, metrics, results, seconds, stage

from warm_commands import SMALL, Ended, Moment, Place, left_over

pytestmark = pytest.mark.slow

RECIPE = """# @package _global_
# Every learner once.
defaults:
  - override /objective/regularizer: [kl]
  - /objective@stages.sft.objective: sft
  - /data_mix@stages.sft.data_mix: arithmetic_worked
  - /objective@stages.sample.objective: generate
  - /objective@stages.again.objective: sft
  - /data_mix@stages.again.data_mix: generated
pipeline: [sft, sample, again, rl]
sources: {generated: {from_stage: sample}}
optimizer: {lr: 1e-3}
reward_weighting: {weights: {length: 0.1}}   # an untrained model differs in nothing else
training: {updates_per_step: 2}
stages:
  sft: {training: {steps: 4}}
  sample: {training: {steps: 3}, objective: {keep: all, samples_per_prompt: 2}}
  again:
    training: {steps: 2, packing: bfd}
    data_mix: {held_out: {arithmetic: {split: test}}}
  rl: {training: {steps: 4}}
"""
COMMAND = (
    "recipe=every_learner",
    *SMALL,
    "execution.checkpoint_every=1",
    "execution.evaluate_every=2",
    "execution.keep=3",
)
STEPS = {"sft": 4, "sample": 3, "again": 2, "rl": 4}


def put_recipe(place: Place) -> Place:
    recipe = place.folder / "recipes/every_learner.yaml"
    recipe.parent.mkdir()
    recipe.write_text(RECIPE)
    return place


@pytest.fixture
def there(here: Place) -> Place:
    return put_recipe(here)


@pytest.fixture(scope="module")
def whole(elsewhere: Callable[[str], Place]) -> tuple[dict[str, bytes], float]:
    """What an uninterrupted run gives, and the seconds it trained."""
    place = put_recipe(elsewhere("whole"))
    ended = place.train(*COMMAND)
    assert ended.code == 0, ended.said
    return results(place.folder, STEPS), seconds(place.folder)


def finish(place: Place, whole: tuple[dict[str, bytes], float]) -> Ended:
    ended = place.train(*COMMAND)
    assert ended.code == 0, ended.said
    assert not differences(results(place.folder, STEPS), whole[0])
    return ended


def first_step(place: Place, name: str, attempt: int) -> int:
    about = stage(place.folder, name) / f"attempts/{attempt}/attempt.json"
    return int(json.loads(about.read_text())["first_step"])


def test_the_whole_run_trains_something(whole: tuple[dict[str, bytes], float]) -> None:
    # Without a signal in the rewards the other tests would compare models that never moved.
    lines = metrics(whole[0], "rl")
    assert all(line["gradient_norm"] > 1e-4 for line in lines)
    assert any(line["objective/kl_reference"] > 0 for line in lines), lines


KILLS = {
    # A checkpoint's tensors are on disk, its manifest is not.
    "while the second checkpoint is written": Moment("etude.execute.tree:save", 2, after=True),
    "in a step of the generating stage": Moment(
        "etude.objective.generation:Generation.unrepeated", 2
    ),
    "while a verifier works for an evaluation": Moment("etude.verifier.pool:Pool._collect", 2),
    "before the model is published": Moment("etude.execute.stage:publish"),
}


def test_killed_again_and_again_it_ends_the_same(
    there: Place, whole: tuple[dict[str, bytes], float]
) -> None:
    there.train_through_kills(KILLS.values(), *COMMAND)
    finish(there, whole)


def test_kills_at_random_moments_of_the_installed_command(
    there: Place, whole: tuple[dict[str, bytes], float]
) -> None:
    killed_at_random(there, COMMAND, kills=2, within=0.7 * whole[1], seed=11, cold=True)
    finish(there, whole)


def test_ctrl_c_and_sigterm_write_a_checkpoint_and_the_same_command_goes_on(
    there: Place, whole: tuple[dict[str, bytes], float]
) -> None:
    command = [word for word in COMMAND if not word.startswith("execution.checkpoint_every")]
    command.append("execution.checkpoint_every=0")
    started = there.start("train", *command, at=Moment("etude.learner.trainee:Trainee.update", 3))
    started.reach()
    started.send(signal.SIGTERM)
    ended = started.end()
    assert ended.code == 130, ended.said
    assert " sft interrupted at step 3\n" in ended.out
    assert "interrupted (SIGTERM) after step 3; a checkpoint is written" in ended.out
    assert " next     etude resume " in ended.out
    assert not left_over(started.mark)
    checkpoints = stage(there.folder, "sft") / "attempts/1/checkpoints"
    assert [path.name for path in checkpoints.iterdir()] == ["step_3"]

    at = Moment("etude.learner.policy_gradient:PolicyGradientLearner._train", 2)
    started = there.start("train", *command, at=at)
    started.reach()
    started.send(signal.SIGINT, group=True)
    ended = started.end()
    assert ended.code == 130, ended.said
    assert " rl interrupted at step 2\n" in ended.out
    assert "Traceback" not in ended.err
    assert not left_over(started.mark)
    assert first_step(there, "sft", 2) == 3

    # An evaluation is not finished first: it is made again.
    started = there.start("train", *command, at=Moment("etude.verifier.pool:Pool._collect", 2))
    started.reach()
    started.send(signal.SIGINT, group=True)
    ended = started.end()
    assert ended.code == 130, ended.said
    assert "interrupted (Ctrl-C)" in ended.out
    assert " next     etude resume " in ended.out
    assert not left_over(started.mark)
    finish(there, whole)
    assert first_step(there, "rl", 2) == 2


def test_a_corrupt_checkpoint_is_named_and_the_one_before_it_is_used(
    there: Place, whole: tuple[dict[str, bytes], float]
) -> None:
    at = Moment("etude.learner.policy_gradient:PolicyGradientLearner._train", 4)
    started = there.start("train", *COMMAND, at=at)
    started.reach()
    started.kill()
    folder = stage(there.folder, "rl") / "attempts/1/checkpoints"
    broken = folder / "step_3/tensors.safetensors"
    content = bytearray(broken.read_bytes())
    content[len(content) // 2] ^= 1
    broken.write_bytes(content)
    ended = finish(there, whole)
    assert "the checkpoint after step 3 is not used" in ended.said
    assert f"{broken} does not match its recorded hash: it is corrupt" in ended.said
    assert first_step(there, "rl", 2) == 2
