"""The commands in folders that belong to somebody: a person's choices, a foreign project."""

from __future__ import annotations

from pathlib import Path

import pytest

from etude.config.compose import Member
from etude.config.front_check import FrontCheck
from etude.config.installation import Installation, installed
from etude.config.prepare import prepare
from etude.config.report import report
from etude.errors import ConfigError


def write(folder: Path, files: dict[str, str]) -> Installation:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return installed(folder)


def compose(here: Installation, *overrides: str) -> Member:
    found = FrontCheck(here).run(overrides)
    assert not found.faults, report(found.faults)
    return found.members[0]


FOREIGN = {
    "conf/config.yaml": "defaults: [model: x]\nbatch_size: 3\n",
    "conf/train.yaml": "lr: 1\n",
    "conf/etude.yaml": "defaults: [nonsense]\nseed: 99\n",
    "conf/hydra/launcher/local.yaml": "_target_: their.Launcher\n",
    "conf/model/x.yaml": "_target_: their.Model\n",
    "conf/model/tiny.yaml": "_target_: their.TinyModel\n",
    "conf/data/cifar.yaml": "path: /data\n",
    "recipes/README.md": "soup\n",
}


def test_a_foreign_hydra_project_changes_nothing(tmp_path: Path) -> None:
    here = write(tmp_path, FOREIGN)
    alone = compose(installed(tmp_path / "empty"))
    member = compose(here)
    assert member.root == alone.root
    assert member.root["seed"] == 1
    assert "tiny" in here.choices("model")
    assert any("conf/model/tiny.yaml is left out" in text for text in member.warnings)


def test_a_persons_own_choices_join_the_groups(tmp_path: Path) -> None:
    here = write(
        tmp_path,
        {
            "recipes/mine.yaml": "pipeline: [rl]\nstages: {rl: {training: {steps: 7}}}\n",
            "recipes/deep/er.yaml": "pipeline: [rl]\nstages: {rl: {}}\n",
            "conf/optimizer/slow.yaml": "defaults: [adamw, _self_]\nlr: 1e-7\n",
            "conf/objective/policy_loss/wide.yaml": "defaults: [clipped, _self_]\n",
            "conf/sources/own.yaml": "defaults: [dataset, _self_]\npath: rows.jsonl\n",
            "conf/made_up/thing.yaml": "name: thing\n",
        },
    )
    member = compose(here, "recipe=mine", "optimizer=slow", "objective/policy_loss=wide")
    assert member.root["optimizer"]["lr"] == 1e-7
    assert member.root["stages"]["rl"]["training"]["steps"] == 7
    assert member.root["sources"]["own"]["path"] == "rows.jsonl"
    assert "deep/er" in here.choices("recipe")
    assert "made_up" not in here.groups
    assert not member.warnings


def test_a_recipe_sets_what_a_source_reads(tmp_path: Path) -> None:
    text = "pipeline: [rl]\nsources: {arithmetic: {test_size: 5}}\nstages: {rl: {}}\n"
    here = write(tmp_path, {"recipes/mine.yaml": text})
    assert compose(here, "recipe=mine").root["sources"]["arithmetic"]["test_size"] == 5
    typed = compose(here, "recipe=mine", "sources.arithmetic.test_size=6")
    assert typed.root["sources"]["arithmetic"]["test_size"] == 6


def test_hiding_a_built_in_choice_is_said_aloud(tmp_path: Path) -> None:
    here = write(
        tmp_path,
        {
            "conf/training/standard.yaml": "name: standard\nsteps: 11\n",
            "recipes/rl.yaml": "pipeline: [rl]\nstages: {rl: {}}\nseed: 4\n",
        },
    )
    member = compose(here, "recipe=rl")
    assert member.root["training"] == {"name": "standard", "steps": 11}
    assert member.root["seed"] == 4
    said = "\n".join(member.warnings)
    assert "training=standard" in said
    assert "recipe=rl" in said
    assert "hides the one of etude" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pipeline: [rl]\nstages: {rl: {trainin: {steps: 3}}}\n", "Did you mean training?"),
        ("pipeline: [rl]\nstages: {rl: {training: {stesp: 3}}}\n", "Did you mean steps?"),
        ("pipeline: [rl]\nstages: {rl: {}}\nsede: 3\n", "Did you mean seed?"),
        ("pipeline: [rl]\nstages: {rl: {training: {steps: many}}}\n", "a whole number"),
        ("pipeline: [rl]\nstages: {rl: {repeat: {times: x}}}\n", "a whole number"),
        ("pipeline: [rl]\nstages: {rl: {after: 3}}\n", "stages.rl.after"),
        ("defaults: [override /objective: gprpo]\npipeline: [rl]\nstages: {rl: {}}\n", "gprpo"),
        ("pipeline: [rl]\npipeline: [rl]\n", "occurs twice"),
        ("- a\n- b\n", "must hold keys and values"),
    ],
)
def test_a_mistake_in_a_persons_recipe_is_named(tmp_path: Path, text: str, message: str) -> None:
    here = write(tmp_path, {"recipes/mine.yaml": text})
    with pytest.raises(ConfigError) as caught:
        prepare(["recipe=mine"], installation=here)
    assert message in report(caught.value.faults)
