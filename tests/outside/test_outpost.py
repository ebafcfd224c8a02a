"""One package from outside brings a component of every kind, with no change to etude.

Each trains, goes on after it was killed at any moment to the bit, gives the same on two ranks, and
at its neutral setting is not there.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outpost_site import search_path
from warm_commands import ROWS, Place, left_over, small

pytestmark = pytest.mark.slow

SEED = 5
STEPS = 4
COMMAND = (
    "recipe=outpost/all",
    *small(ROWS, "sources", "training.rollouts", "rollout.max"),
    "rollout.max_new_tokens=28",
    "training.rollouts_per_prompt=4",
    f"training.steps={STEPS}",
    "sources.arithmetic.train_size=12",
    "sources.arithmetic.test_size=12",
    "execution.checkpoint_every=1",
    "optimizer.lr=1e-3",
)
STAGES = ("live", "apart", "agreeing", "again", "even", "rival")
LINES = ("metrics.jsonl", "samples.jsonl", "evaluations.jsonl")

Outside = Callable[[str], Place]


def stage(folder: Path, name: str) -> Path:
    (found,) = (folder / "outputs/stages").glob(f"{name}-*")
    return found


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (stage(folder, name) / "metrics.jsonl").open()]


def results(folder: Path) -> dict[str, bytes]:
    """Return all that the seed determines of every stage and evaluation."""
    found = {}
    for name in STAGES:
        place = stage(folder, name)
        assert (place / "DONE.json").is_file()
        (last,) = place.glob(f"attempts/*/checkpoints/step_{STEPS}")
        paths = [*last.iterdir(), *(place / each for each in LINES if (place / each).exists())]
        paths += (path for path in place.rglob("*.safetensors") if "attempts" not in path.parts)
        found |= {f"{name}/{path.parent.name}/{path.name}": path.read_bytes() for path in paths}
    for path in (folder / "outputs/evaluations").glob("*/[rs]*.json*"):
        found[f"{path.parent.name}/{path.name}"] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def whole(outside: Outside) -> tuple[Path, dict[str, bytes], float]:
    """Where an uninterrupted run lies, what it gave, and the seconds it trained."""
    place = outside("whole")
    ended = place.train(*COMMAND)
    assert ended.code == 0, ended.said
    timing = (place.folder / "outputs/stages").glob("*/timing.jsonl")
    times = [json.loads(line)["at"] for path in timing for line in path.open()]
    return place.folder, results(place.folder), max(times) - min(times)


def test_every_component_does_its_part(whole: tuple[Path, dict[str, bytes], float]) -> None:
    live = lines(whole[0], "live")
    assert all(0 < line["reward/likely/raw"] < 1 for line in live)  # the judge was asked
    assert [line["reward_weighting/steps"] for line in live] == [1, 2, 3, 4]
    assert any(line["groups/rounds"] > 1 for line in live), "no group was drawn anew"
    assert len({line["reward_weighting/length"] for line in live}) == STEPS
    assert [line["curriculum/looks"] for line in live] == [0, 1, 1, 2]
    assert all(line["groups/size_min"] < line["groups/size_max"] for line in live)
    assert all(line["rollout/rounds"] > 1 for line in live)
    heard = [line["verifier/heard"] for line in live]
    assert heard == sorted(heard) and heard[0] > 0
    assert any(
        path.endswith("result.json") and b'"ways"' in text for path, text in whole[1].items()
    )
    told = len("Check.")  # between two answers of a token at least
    assert all(line["rollout/length_max"] > 1 + told for line in live)
    for name in STAGES:  # or nothing would be compared below
        assert any(line["gradient_norm"] > 0 for line in lines(whole[0], name)), name
    agreeing = lines(whole[0], "agreeing")
    assert any(line["reward_weighting/agreement/length"] != 1 for line in agreeing)
    assert [line.get("twice/repeated") for line in lines(whole[0], "again")] == [0, 1, 1, 2]


def kill_and_finish(place: Place, whole: tuple[Path, dict[str, bytes], float], kills: int) -> None:
    """Kill a run at random moments of its training, let it end, and compare it with a whole one."""
    chance = random.Random(f"{SEED}/{kills}")
    for _ in range(kills):
        started = place.start("train", *COMMAND)
        while not started.out:
            time.sleep(0.01)
        after = chance.uniform(0, 2 / (kills + 1)) * whole[2]
        end = time.monotonic() + after
        over = False
        while time.monotonic() < end and not over:
            over = started.wait_a_little()
        if not over:
            started.send(signal.SIGKILL)
        started.end()
        print("it was over" if over else f"killed after {after:.3f} s")
        assert not left_over(started.mark)
    ended = place.train(*COMMAND)
    assert ended.code == 0, ended.said
    found = results(place.folder)
    assert sorted(found) == sorted(whole[1])
    assert [name for name in sorted(found) if found[name] != whole[1][name]] == []


def test_killed_at_random_moments_it_ends_the_same(
    outside: Outside, whole: tuple[Path, dict[str, bytes], float]
) -> None:
    kill_and_finish(outside("killed"), whole, 3)


@pytest.mark.long
@pytest.mark.parametrize("kills", range(4, 14))
def test_killed_many_times_it_ends_the_same(
    outside: Outside, whole: tuple[Path, dict[str, bytes], float], kills: int
) -> None:
    kill_and_finish(outside("killed-often"), whole, kills)


@pytest.mark.long
def test_two_ranks_give_the_same(
    outside: Outside, outpost: Path, whole: tuple[Path, dict[str, bytes], float]
) -> None:
    place = outside("ranks")
    program = Path(__file__).parents[1] / "e2e/recipe_of_ranks.py"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"),
            *(str(program), *COMMAND),
        ],
        cwd=place.folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": search_path(outpost)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in STAGES:
        alone, together = lines(whole[0], name), lines(place.folder, name)
        for one, other in zip(alone, together, strict=True):
            assert one.keys() == other.keys()
            assert other == pytest.approx(one, rel=1e-3, abs=1e-4, nan_ok=True), name


#: Stage → what it has beside plain GRPO, at the setting at which that is nothing.
INERT = {
    "judged": "verifier=second_opinion",
    "restless": "reward_weighting=restless reward_weighting.pace=0",
    "apart": "reward_weighting=apart reward_weighting.share=0",
    "agreeing": "reward_weighting=agreeing reward_weighting.strength=0",
    "upper": "objective.filter=upper_half objective.filter.strict=false",
    "tide": f"curriculum=tide curriculum.after={STEPS}",
    "rival": "models.rival=base models.rival.train.objective=even"
    " models.rival.train.schedule=spells",
    "looks": "rollout.budget=two_looks rollout.budget.kept=0",
    "checked": "rollout.episode=checked rollout.episode.turns=1",
    "between": "rollout.logits=between rollout.logits.strength=0",
    "twice": "objective=twice objective.every=0 objective.aggregation=seq_mean_token_mean",
    "even": "objective=even objective.advantage=grpo objective.aggregation=seq_mean_token_mean",
    "ways": "evaluations.plain.evaluation=ways",
}


def test_each_is_nothing_at_its_neutral_setting(outside: Outside) -> None:
    """Beside what it logs of itself, a step is that of plain GRPO to the bit."""
    place = outside("inert")
    recipe = place.folder / "recipes/inert.yaml"
    recipe.parent.mkdir()
    names = ["plain", *INERT]
    recipe.write_text(
        "defaults: []\n"
        f"pipeline: [{', '.join(names)}]\n"
        "models: {judge: base, novice: base}\n"
        "stages:\n" + "".join(f"  {name}: {{start_from: base}}\n" for name in names)
    )
    chosen = [f"stages.{name}.{word}" for name, typed in INERT.items() for word in typed.split()]
    weights = [
        f"stages.{name}.reward_weighting.weights.length=0.1"
        for name in names
        if INERT.get(name, "").startswith("reward_weighting")
    ]
    command = [word for word in COMMAND if not word.startswith("recipe")]
    ended = place.train(
        "recipe=inert", *command, *chosen, "reward_weighting.weights.length=0.1", *weights
    )
    assert ended.code == 0, ended.said
    model = (stage(place.folder, "plain") / "model/model.safetensors").read_bytes()
    told = lines(place.folder, "plain")
    assert all(line["gradient_norm"] > 0 for line in told)
    # A preset that comes to plain GRPO, and what is measured beside it, are the same stage.
    same = {name for name in INERT if not list((place.folder / "outputs/stages").glob(f"{name}-*"))}
    assert same == {"even", "ways"}
    for name in INERT.keys() - same:
        for one, other in zip(told, lines(place.folder, name), strict=True):
            assert {key: other.get(key) for key in one} == one, name
        assert (stage(place.folder, name) / "model/model.safetensors").read_bytes() == model, name
