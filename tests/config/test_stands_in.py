"""A fault in a file that was chosen names the file, and one in what was typed does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from etude.config.installation import installed
from etude.config.prepare import prepare
from etude.errors import ConfigError

FILES = {
    "recipes/mine.yaml": """# @package _global_
defaults: [override /model: own, override /launcher: site]
pipeline: [rl]
optimizer: {lrr: 3}
stages: {rl: {training: {step: 3}}}
""",
    "conf/model/own.yaml": "defaults: [scratch]\nhiden_size: 3\n",
    "launchers/base.yaml": "defaults: [slurm]\npartitoin: gpu\n",
    "launchers/site.yaml": "defaults: [base]\naccount: me\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def faults(folder: Path, *overrides: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        prepare(overrides, installation=installed(folder))
    return {fault.typed: fault.message for fault in caught.value.faults}


def test_the_file_that_writes_a_faulty_key_is_named(folder: Path) -> None:
    found = faults(folder, "recipe=mine")
    assert {key: message.rpartition(" It stands in ")[2] for key, message in found.items()} == {
        "optimizer.lrr": str(folder / "recipes/mine.yaml"),
        "stages.rl.training.step": str(folder / "recipes/mine.yaml"),
        "model.hiden_size": str(folder / "conf/model/own.yaml"),
        "launcher.partitoin": str(folder / "launchers/base.yaml"),
    }


def test_what_was_typed_stands_in_no_file(folder: Path) -> None:
    found = faults(folder, "model=own", "model.hiden_size=4")
    assert not any("It stands in" in message for message in found.values())
