"""Every file that can be chosen composes, resolves and is sound with the rest at its defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from etude.build import build
from etude.config.check import check
from etude.config.front_check import FrontCheck
from etude.config.installation import installed, make
from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.schema import built_in

FOLDER = Path(__file__).parents[2] / "src" / "etude"
HERE = make(built_in(), FOLDER, [], None)
FRONT = FrontCheck(HERE)


def command(group: str, choice: str) -> list[str]:
    """Return a command in which the choice matters, with parts in a component that takes them."""
    if group == "recipe":
        return [f"recipe={choice}"]
    if "/" not in group:
        return [f"{group}={choice}"]
    parent = group.rpartition("/")[0]
    slot = group.rpartition("/")[2]
    if group == "models/schedule":  # a part of a role, which may have any name
        role = ["models.other=start", "models.other.train.objective=grpo"]
        return ["recipe=rl", *role, f"models.other.train.{slot}={choice}"]
    many = HERE.schema.sub_groups(parent)[group]
    value = f"[{choice}]" if many else choice
    for name, info in HERE.schema.components[parent].items():
        if slot in info.fields and name in HERE.choices(parent):
            return [f"{parent}={name}", f"{group}={value}"]
    raise AssertionError(f"no component takes a part of {group}")


#: Recipes are checked as they are typed, below, and sources lie in every root.
CHOICES = [
    (group, choice)
    for group in HERE.groups
    for choice in HERE.choices(group)
    if group not in ("recipe", "sources")
]
#: Groups whose nodes are components whatever else is chosen.
BUILT = ("data_mix", "evaluation", "verifier")


@pytest.mark.parametrize(("group", "choice"), CHOICES, ids=lambda value: value)
def test_every_choice_composes_and_every_value_fits(group: str, choice: str) -> None:
    report = FRONT.run(command(group, choice))
    mending = [fault for fault in report.faults if "changes no stage" not in fault.message]
    assert not mending
    (member,) = report.members
    if group in BUILT:
        root = OmegaConf.to_container(OmegaConf.create(member.root), resolve=True)
        build(root[group], group, HERE.schema)
    try:
        check(member, HERE)
    except ConfigError as error:
        # A choice may need another one beside it (a model, rows, a reward); a value must fit.
        assert all(_is_a_need(fault.message) for fault in error.faults), str(error)


def _is_a_need(message: str) -> bool:
    return any(
        text in message
        for text in (
            "needs ",
            "cannot be used with",
            "names no rows",
            "says nowhere",
            "names the column",
            "names the part",
            "there is nothing to teach",
            "it would never be",
            "cannot read the right answer of",
            "no held-out row has a response",
        )
    )


@pytest.mark.parametrize("recipe", HERE.choices("recipe"))
def test_every_recipe_is_sound_as_it_is(recipe: str) -> None:
    (run,) = prepare([f"recipe={recipe}"], installation=HERE).runs
    assert [stage.learner for stage in run[1]]


def test_every_source_is_in_every_root_under_its_own_name() -> None:
    (member,) = FRONT.run([]).members
    assert set(member.root["sources"]) == set(HERE.choices("sources"))


def test_composing_hands_the_components_what_they_are_built_from() -> None:
    (run,) = prepare(["training.gradient_clip=2"], installation=HERE).runs
    config = run[1][-1].config
    for group in ("training", "optimizer", "curriculum"):
        assert type(build(config[group], group, HERE.schema)).__name__
    assert build(config["training"], "training", HERE.schema).gradient_clip == 2.0


@pytest.mark.parametrize("place", ["conf", "recipes", "launchers"])
def test_only_a_folder_with_choices_is_an_origin_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    monkeypatch.chdir(bare)
    assert not installed().origins[0].user and installed() is installed(tmp_path)
    (bare / place).mkdir()  # made while the process runs
    assert installed().origins[0].user and installed().origins[0].folder == bare
