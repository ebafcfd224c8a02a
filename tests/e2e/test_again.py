"""The same command again, longer, or afresh; and measuring what it left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from warm_commands import SMALL, Place

pytestmark = pytest.mark.slow

COMMAND = (
    *SMALL,
    "stages.sft.training.steps=3",
    "stages.rl.training.steps=2",
    "reward_weighting.weights.length=0.1",
    "optimizer.lr=1e-3",
)


@pytest.fixture(scope="module")
def trained(elsewhere: Callable[[str], Place]) -> Place:
    """A folder where the quickstart recipe was trained."""
    place = elsewhere("trained")
    ended = place.train(*COMMAND)
    assert ended.code == 0, ended.said
    return place


def stages(place: Place) -> dict[str, str]:
    """Return stage folder → hash of its model, of every finished stage."""
    models = (place.folder / "outputs/stages").glob("[!.]*/model/model.safetensors")
    return {
        path.parent.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in models
    }


def attempts(place: Place, name: str) -> list[Path]:
    return sorted((place.folder / "outputs/stages").glob(f"{name}-*/attempts/*"))


def test_a_finished_run_is_used_as_it_is(trained: Place) -> None:
    before = stages(trained)
    ended = trained.train(*COMMAND, cold=True)
    assert ended.code == 0, ended.said
    assert "nothing was left to do" in ended.out
    assert "sft done (" in ended.out and "rl done (" in ended.out
    assert stages(trained) == before
    assert len(attempts(trained, "sft")) == len(attempts(trained, "rl")) == 1
    assert not list(trained.folder.glob("outputs/stages/.replaced*"))
    # Nothing but what was asked for lies about.
    assert {path.name for path in trained.folder.iterdir() if path.name[0] != "."} == {"outputs"}


def test_fresh_trains_what_it_names_and_nothing_else(trained: Place) -> None:
    before = stages(trained)
    ended = trained.train(*COMMAND, "fresh=[rl]")
    assert ended.code == 0, ended.said
    assert "sft done (" in ended.out and "rl finished" in ended.out
    assert stages(trained) == before  # the same bits, trained again
    (aside,) = (trained.folder / "outputs/stages").glob(".replaced-*")
    assert "rl-" in aside.name


def test_more_steps_go_on_where_the_shorter_stage_ended(
    trained: Place, elsewhere: Callable[[str], Place]
) -> None:
    longer = (*COMMAND, "stages.rl.training.steps=4")
    ended = trained.train(*longer)
    assert ended.code == 0, ended.said
    new = {name: digest for name, digest in stages(trained).items() if name in ended.out}
    folder = next(
        path for path in (trained.folder / "outputs/stages").glob("rl-*") if _steps(path) == 4
    )
    assert json.loads((folder / "attempts/1/attempt.json").read_text())["first_step"] == 2
    at_once = elsewhere("at-once")
    ended = at_once.train(*longer)
    assert ended.code == 0, ended.said
    assert stages(at_once)[folder.name] == new[folder.name]
    whole = at_once.folder / "outputs/stages" / folder.name
    for name in ("metrics.jsonl", "samples.jsonl"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    for path in (whole / "attempts/1/checkpoints/step_4").iterdir():
        extended = folder / "attempts/1/checkpoints/step_4" / path.name
        assert extended.read_bytes() == path.read_bytes()


def _steps(folder: Path) -> int:
    return int(json.loads((folder / "DONE.json").read_text())["steps"])


def test_evaluate_measures_a_stage_and_keeps_the_result_beside_its_samples(trained: Place) -> None:
    (stage,) = (trained.folder / "outputs/stages").glob("sft-*")
    command = [word for word in SMALL if word.split(".")[0] in ("evaluation", "execution")]
    ended = trained.run(
        "evaluate",
        f"checkpoint={stage.relative_to(trained.folder)}/model",
        "data_mix=arithmetic",
        "rollout.max_new_tokens=12",
        "evaluation.samples=4",
        "tracker=none",
        *(word for word in command if "samples" not in word),
    )
    assert ended.code == 0, ended.said
    assert "pass@1" in ended.out and "pass@4" in ended.out and "[" in ended.out
    results = {
        path.parent: json.loads(path.read_text())
        for path in (trained.folder / "outputs/evaluations").glob("sft-*/result.json")
    }
    (folder,) = (place for place, result in results.items() if "pass@4" in result["metrics"])
    value = results[folder]["metrics"]["pass@1"]
    assert value["low"] <= value["value"] <= value["high"]
    samples = [json.loads(line) for line in (folder / "samples.jsonl").open()]
    assert len(samples) == 6 * 4
    assert {"prompt", "response"} <= samples[0].keys()


@pytest.mark.parametrize(
    ("checkpoint", "code", "message"),
    [
        ("checkpoint=nowhere", 2, "checkpoint=nowhere  there is no such folder."),
        ("checkpoint=empty", 1, "neither the folder nor its model/ holds a config.json"),
    ],
)
def test_evaluate_of_what_is_no_model_says_so(
    here: Place, checkpoint: str, code: int, message: str
) -> None:
    (here.folder / "empty").mkdir()
    ended = here.run("evaluate", checkpoint, "data_mix=arithmetic", "tracker=none")
    assert ended.code == code, ended.said
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert not (here.folder / "outputs").exists()


def test_status_and_clean_know_the_runs(trained: Place) -> None:
    ended = trained.run("etude", "status")
    assert ended.code == 0 and "quickstart" in ended.out and "done" in ended.out, ended.said
    ended = trained.run("etude", "clean")
    assert ended.code == 0, ended.said
    assert len(stages(trained)) >= 2  # nothing goes without --apply
