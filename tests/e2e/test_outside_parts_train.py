"""An outside package's objective part, verifier and recipe train like the built-in ones."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from warm_commands import ROWS, Place, small

pytestmark = pytest.mark.slow

#: The sources of an outside package, and how one is installed.
PACKAGES = Path(__file__).parents[1] / "plugins/test_plugin_packages.py"


def packages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("outside_packages", PACKAGES)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


#: What the outside advantage does with its field.
SHARPER = """
    def estimate(self, batch, state):
        found = super().estimate(batch, state)
        told = {**found.metrics, "sharper/power": self.power}
        return replace(found, advantages=found.advantages * self.power, metrics=told)
"""


def test_a_recipe_of_an_outside_package_trains(here: Place, tmp_path: Path) -> None:
    outside = packages()
    site = tmp_path / "site"
    parts = outside.ADVANTAGE.replace("GRPO", outside.class_of("objective/advantage=grpo"))
    parts = parts.replace("import dataclass", "import dataclass, replace") + SHARPER
    source = outside.package(
        tmp_path / "source",
        "outside",
        {
            "parts.py": parts,
            "judges.py": outside.VERIFIER.replace("Exact", outside.class_of("verifier=exact")),
            "recipes/outside/first.yaml": outside.RECIPE,
        },
    )
    outside.write_schema(source, "outside")
    outside.install(source, site)
    command = ["recipe=outside/first", *small(ROWS), "+reward_weighting.weights.length=0.1"]
    ended = here.train(*command, cold=True, PYTHONPATH=str(site))
    assert ended.code == 0, ended.said
    (folder,) = (here.folder / "outputs/stages").glob("rl-*")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    assert [line["sharper/power"] for line in lines] == [2.0, 2.0, 2.0]
    assert any(line["gradient_norm"] > 0 for line in lines)
    assert {"verifier/correct", "reward/accuracy/raw"} <= lines[0].keys()
    assert "name: shout" in (folder / "config.yaml").read_text()
