"""A preset of an objective is one YAML file: chosen, shown, recorded, and no part of a print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from etude.build import build
from etude.config.installation import Installation, make
from etude.config.overlay import Overlays
from etude.config.plugins import Plugin
from etude.config.prepare import prepare
from etude.config.read_presets import presets_of
from etude.config.resolve import StageConfig
from etude.errors import ConfigError
from etude.plan.graph import build_graph
from etude.plan.nodes import Graph
from etude.schema import built_in, load, parse

PACKAGE = Path(__file__).parents[2] / "src" / "etude"
#: The parts of GRPO by another way, and one that changes it.
TWIN = """# The same thing under my own name.
#
# Source: nobody 2026
defaults:
  - policy_gradient
  - override aggregation: seq_mean_token_mean
  - _self_
"""
CHANGED = """# DAPO without new samples, corrected.
#
# Requires: column:solution, to look at
# Example: recipe=rl
# Source: nobody 2026
defaults:
  - dapo
  - override filter: none
  - override mismatch: tis
  - _self_
"""


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    """An installation with the two presets in a person's folder."""
    folder = tmp_path / "conf/objective"
    folder.mkdir(parents=True)
    (folder / "twin.yaml").write_text(TWIN)
    (folder / "changed.yaml").write_text(CHANGED)
    return make(built_in(), PACKAGE, [], tmp_path)


def stages(here: Installation, *words: str, multirun: bool = False) -> list[StageConfig]:
    runs = prepare(["recipe=rl", *words], multirun=multirun, installation=here).runs
    return [stage for _, run in runs for stage in run]


def graph(here: Installation, *words: str) -> Graph:
    prepared = prepare(["recipe=rl", *words], multirun=True, installation=here)
    return build_graph(prepared.runs, outputs=Path("/nowhere"), schema=here.schema)


def test_the_node_says_the_component_and_the_file_it_was_chosen_by(here: Installation) -> None:
    (stage,) = stages(here, "objective=changed")
    node = stage.config["objective"]
    assert (node["name"], node["preset"]) == ("policy_gradient", "changed")
    # What the file leaves open is the preset's that it begins with.
    assert node["filter"]["name"] == "none"
    assert node["policy_loss"]["clip_high"] == 0.28
    assert build(node, "objective", here.schema).mismatch.high == 2.0


def test_parts_are_swapped_in_a_preset_as_in_a_component(here: Installation) -> None:
    words = ("objective=changed", "objective/policy_loss=cispo", "objective/masking=[]")
    node = stages(here, *words)[0].config["objective"]
    assert (node["policy_loss"]["name"], node["masking"]) == ("cispo", {})
    assert node["preset"] == "changed"


def test_presets_of_equal_parts_are_one_piece_of_work(here: Installation) -> None:
    assert len(graph(here, "objective=grpo,twin").stages) == 1
    assert len(graph(here, "objective=grpo,twin,changed").stages) == 2


@pytest.mark.parametrize("word", ["objective.preset=x", "+objective.preset=x"])
def test_a_preset_is_chosen_as_a_file_and_never_typed_as_a_key(
    here: Installation, word: str
) -> None:
    with pytest.raises(ConfigError, match="objective has no key 'preset'"):
        stages(here, word)


def test_a_node_that_names_a_preset_is_told_how_to_choose_it() -> None:
    with pytest.raises(ConfigError, match="is a preset, chosen as a file: objective=dapo"):
        build({"name": "dapo"}, "objective")


def test_another_preset_replaces_the_node_and_the_same_one_merges() -> None:
    base: dict[str, Any] = {
        "objective": {"name": "policy_gradient", "preset": "dapo", "filter": {"name": "none"}}
    }

    def laid(over: dict[str, Any]) -> Any:
        return Overlays(built_in()).lay(base, {"objective": over})["objective"]

    other = {"name": "policy_gradient", "preset": "grpo"}
    assert laid(other) == other
    same = {"name": "policy_gradient", "preset": "dapo", "critic": None}
    assert laid(same) == {**base["objective"], "critic": None}
    assert laid({"critic": None}) == {**base["objective"], "critic": None}


def test_what_a_preset_needs_beside_its_parts_stands_in_its_head(tmp_path: Path) -> None:
    folder = tmp_path / "outside/conf/objective"
    folder.mkdir(parents=True)
    (folder / "changed.yaml").write_text(CHANGED.replace("solution", "poem"))
    written = {"groups": {}, "components": {}, "presets": {"objective": presets_of(folder)}}
    brought = parse(json.loads(json.dumps(written)), "outside")
    plugin = Plugin("outside", "outside", tmp_path / "outside", brought)
    here = make(built_in(), PACKAGE, [plugin], None)
    info = here.schema.choices("objective")["changed"]
    assert (info.doc, info.source) == ("DAPO without new samples, corrected.", "nobody 2026")
    assert (info.example, info.learner) == ("recipe=rl", "policy_gradient")
    assert info.fields["filter"].default == "none"
    assert info.fields["policy_loss"].default == "clip_higher"
    with pytest.raises(ConfigError, match="objective changed needs the data column 'poem' to look"):
        stages(here, "objective=changed")


def test_every_preset_says_what_it_is_and_where_it_comes_from() -> None:
    for name, preset in load().presets["objective"].items():
        assert preset.doc.endswith("."), name
        assert preset.source, name
        assert preset.of in ("policy_gradient", "supervised", "preference"), name
