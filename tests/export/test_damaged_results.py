"""Whatever lies in a folder of results, what can be read is there as frames, and nothing is
exported that is not known to be whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from exportable import RIGHT, two_stages, weights

import etude
from etude.errors import EtudeError
from etude.export.command import main as export
from evidence import dump, lines, samples

FRAMES = ("runs", "stages", "metrics", "evaluations", "samples")

DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00{"),
    "other": lambda path: path.write_text('[{"state": 3}]\n'),
    "odd": lambda path: path.write_text('{"files": 3, "metrics": 4, "inputs": [], "step": "x"}\n'),
    "nested": lambda path: path.write_text("[" * 200_000),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
}

RUN, STAGE = "runs/2026-01-01-sweep-77aa", "stages/rl-3c1eaaaa"
FILES = (
    f"{RUN}/plan/graph.json",
    f"{RUN}/plan/configs-1.jsonl",
    f"{RUN}/result.json",
    f"{RUN}/environment.json",
    f"{STAGE}/stage.json",
    f"{STAGE}/config.yaml",
    f"{STAGE}/DONE.json",
    f"{STAGE}/metrics.jsonl",
    f"{STAGE}/timing.jsonl",
    f"{STAGE}/model/model.safetensors",
    f"{STAGE}/model/config.json",
    "evaluations/rl-e1aaaaaa/evaluation.json",
    "evaluations/rl-e1aaaaaa/result.json",
    "evaluations/rl-e1aaaaaa/samples.jsonl",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    two_stages(folder / "outputs")
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_harms_what_it_is_in_and_nothing_is_exported_that_was_not_trained(
    whole: Path, damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = list(DAMAGES).index(damage)
    every = os.environ.get("ETUDE_HOSTILE") == "all"
    for number, name in enumerate(FILES if every else FILES[place % 3 :: 3]):
        outputs = tmp_path / f"outputs-{number}"
        shutil.copytree(whole / "outputs", outputs, symlinks=True)
        DAMAGES[damage](outputs / name)
        found = etude.results(outputs)
        rows = {frame: len(getattr(found, frame)) for frame in FRAMES}
        assert rows["stages"] >= 1, name
        assert rows["evaluations"] >= 1, name
        to = tmp_path / f"out-{number}"
        try:
            export(["rl-3c1e", "--to", str(to), "--outputs", str(outputs)])
        except EtudeError as error:
            assert str(error), name
            assert not to.exists(), name
        else:
            assert (to / "model.safetensors").read_bytes() == weights(2), name
        for flag in ("--row", "--csv"):
            try:
                export(["rl-3c1e", flag, "--outputs", str(outputs)])
            except EtudeError as error:
                assert str(error), name
    capsys.readouterr()


def test_what_was_interrupted_or_made_by_an_earlier_etude_is_among_the_rest(
    whole: Path, tmp_path: Path
) -> None:
    outputs = tmp_path / "outputs"
    shutil.copytree(whole / "outputs", outputs, symlinks=True)
    # An evaluation of an etude that did not yet say how it measured.
    (outputs / "evaluations/rl-e1aaaaaa/evaluation.json").unlink()
    record = json.loads((outputs / "evaluations/rl-e1aaaaaa/DONE.json").read_text())
    del record["files"]["evaluation.json"]
    dump(outputs / "evaluations/rl-e1aaaaaa/DONE.json", record)
    # A stage of another version, and one that was cut off within a line.
    dump(outputs / "stages/old-feedbeef/stage.json", {"layout": 1})
    cut = outputs / "stages/rl-9999aaaa"
    dump(cut / "stage.json", {"layout": 3, "name": "rl", "fingerprint": "9999aaaa", "steps": 4})
    dump(cut / "attempts/1/attempt.json", {"first_step": 0})
    lines(cut / "attempts/1/metrics.jsonl", [{"step": 0, "loss": 1.0}, {"step": 1, "loss": 0.5}])
    with (cut / "attempts/1/metrics.jsonl").open("ab") as stream:
        stream.write(b'{"step": 2, "lo')
    # One that never began, and an evaluation that was not finished.
    (outputs / "stages/rl-8888aaaa").mkdir()
    (outputs / "evaluations/rl-d0aaaaaa").mkdir()
    lines(outputs / "evaluations/rl-d0aaaaaa/samples.jsonl", samples(RIGHT))

    found = etude.results(outputs)
    stages = found.stages.set_index("fingerprint")
    assert stages["finished"].to_dict() == {
        "51abaaaa": True,
        "3c1eaaaa": True,
        "feedbeef": False,
        "9999aaaa": False,
    }
    own = found.metrics[found.metrics["fingerprint"] == "9999aaaa"]
    assert own["loss"].tolist() == [1.0, 0.5]
    evaluations = found.evaluations.set_index("fingerprint")
    assert evaluations["of_stage"].to_dict() == {"e0aaaaaa": "51abaaaa", "e1aaaaaa": "3c1eaaaa"}
    assert set(found.samples["fingerprint"]) == {"e0aaaaaa", "e1aaaaaa"}
    assert found.runs["fingerprint"].tolist() == ["51abaaaa", "3c1eaaaa"]
    assert found.outputs.problems == []
