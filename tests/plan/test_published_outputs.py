"""An output of a stage is checked against what the stage published, however deep it lies."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from etude.errors import CheckpointError
from etude.plan.published import check_published

OUTPUTS = ("model", "roles/critic")


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A finished stage that hands on a model and a critic."""
    files = {}
    for name in OUTPUTS:
        file = tmp_path / name / "config.json"
        file.parent.mkdir(parents=True)
        file.write_text("{}")
        digest = hashlib.sha256(b"{}").hexdigest()
        files[f"{name}/config.json"] = {"size": 2, "sha256": digest}
    (tmp_path / "stage.json").write_text("{}")
    (tmp_path / "DONE.json").write_text(json.dumps({"name": "rl", "files": files}))
    return tmp_path


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_output_is_as_it_was_published_or_refused(output: str, stage: Path) -> None:
    check_published(stage / output)
    (stage / output / "config.json").write_text("[]")
    with pytest.raises(CheckpointError, match=f"{output}/config.json is not as stage rl published"):
        check_published(stage / output)
    for other in OUTPUTS:
        if other != output:
            check_published(stage / other)


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_was_put_into_an_output_is_refused(output: str, stage: Path) -> None:
    (stage / output / "more.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"more\.json was put into what a stage published"):
        check_published(stage / output)


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_output_of_a_stage_that_is_not_finished_is_refused(output: str, stage: Path) -> None:
    (stage / "DONE.json").unlink()
    with pytest.raises(CheckpointError, match=r"folder whose DONE\.json is not"):
        check_published(stage / output)
