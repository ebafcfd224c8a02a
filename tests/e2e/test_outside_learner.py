"""A learner that an outside package brings is planned, told, trained and ended like the own ones.

Nothing in etude knows its name: what plan, words, estimates, views and the fingerprint say of it
comes from the traits that it declares.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from warm_commands import ROLLOUTS, Place, small

pytestmark = pytest.mark.slow

PACKAGES = Path(__file__).parents[1] / "plugins/test_plugin_packages.py"
LEARNER = '''"""A learner of an outside package, and the objective that names it."""

from dataclasses import dataclass, replace
from typing import ClassVar

from etude.component import component
from etude.learner.supervised import SupervisedLearner
from etude.learner.traits import learner
from etude.objective.supervised import Supervised


@learner(name="recital", row="demonstration", next=("seed=2",))
class Recital(SupervisedLearner):
    """Recites verses."""

    def step(self, step):
        done = super().step(step)
        told = {**done.metrics, "recital/verses": self.training.rows_per_step}
        return replace(done, metrics=told)


@component(group="objective", name="by_heart", source="nobody 2026")
@dataclass(frozen=True)
class ByHeart(Supervised):
    """Verses learned by heart."""

    learner: ClassVar[str] = "recital"
'''


def packages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("outside_packages", PACKAGES)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_learner_of_an_outside_package_needs_no_change_to_etude(
    here: Place, tmp_path: Path
) -> None:
    outside = packages()
    source = outside.package(tmp_path / "source", "outside", {"reading.py": LEARNER})
    outside.write_schema(source, "outside")
    outside.install(source, tmp_path / "site")
    written = json.loads((source / "outside/schema.json").read_text())
    assert written["learners"]["recital"]["row"] == "demonstration"
    command = ["recipe=sft", "objective=by_heart", "training.steps=2", *small(*ROLLOUTS)]
    command = [word for word in command if not word.startswith("rollout.")]
    environment = {"cold": True, "PYTHONPATH": str(tmp_path / "site")}

    refused = here.train(*command, "training.prompts_per_step=4", **environment)
    assert refused.code == 2, refused.said
    assert (
        "training.prompts_per_step is read by policy_gradient stages; sft is recital."
        in refused.said
    )

    ended = here.train(*command, **environment)
    assert ended.code == 0, ended.said
    assert "recital by heart" in ended.out
    assert "2 steps × 8 rows" in ended.out
    assert "Σ over trained tokens ÷ their number" in ended.out
    assert "kl none" not in ended.out  # an objective without regularizers says none
    (folder,) = (here.folder / "outputs/stages").glob("sft-*")
    assert (folder / "model/model.safetensors").is_file()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    assert [line["recital/verses"] for line in lines] == [8, 8]
    assert f"model    {folder.relative_to(here.folder)}/model" in ended.out
    assert "Traceback" not in ended.said
    recorded = json.loads((folder / "stage.json").read_text())
    assert recorded["learner"] == "recital"
