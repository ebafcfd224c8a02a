"""An outside package's objective part, verifier and recipe train like the built-in ones."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
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


#: A verifier that holds verifiers: the first in order that finds an answer right decides.
RELAY = '''"""A verifier that asks others in turn."""

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, option, slots
from etude.rows import Outcome
from etude.verifier.interface import Verifier


@component(group="verifier", name="relay")
@dataclass(frozen=True)
class Relay(Verifier):
    """Asks verifiers in order until one finds the answer right."""

    steps: Mapping[str, Verifier] = slots(group="verifier", doc="the verifiers by key")
    order: list[str] = option([], "keys of steps in the order they are asked; empty: by key")

    def judge(self, candidate):
        for key in self.order or sorted(self.steps):
            (verdict,) = self.steps[key].verdicts([candidate])
            if verdict.outcome is Outcome.CORRECT:
                break
        return verdict
'''


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of installed packages with the relay in it."""
    outside, source = packages(), tmp_path_factory.mktemp("source")
    outside.package(source, "relaying", {"judges.py": RELAY})
    outside.write_schema(source, "relaying")
    site = tmp_path_factory.mktemp("site")
    outside.install(source, site)
    return str(site)


def told(here: Place, *words: str, site: str) -> list[list[dict[str, float]]]:
    """Train and return the lines of metrics of every RL stage, without what depends on time."""
    ended = here.train("recipe=rl", *small(ROWS), *words, cold=True, PYTHONPATH=site)
    assert ended.code == 0, ended.said
    stages = []
    for folder in sorted((here.folder / "outputs/stages").glob("rl-*")):
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
        kept = ("reward/", "objective/", "loss", "gradient_norm")
        stages.append([{k: v for k, v in line.items() if k.startswith(kept)} for line in lines])
    return stages


@pytest.mark.long
def test_verifiers_in_a_verifier_judge_as_they_do_alone(
    elsewhere: Callable[[str], Place], relay: str
) -> None:
    """A step of a relay in a relay, chosen by its place, is the step to the bit."""
    length = "+reward_weighting.weights.length=0.1"
    (alone,) = told(elsewhere("alone"), "verifier=number", length, site=relay)
    (nested,) = told(
        elsewhere("nested"),
        "verifier=relay",
        "verifier.steps.outer=relay",
        "verifier.steps.outer.steps.inner=number",
        length,
        site=relay,
    )
    assert nested == alone


@pytest.mark.long
def test_a_sweep_over_one_entry_keeps_the_others_and_changes_what_is_judged(
    here: Place, relay: str
) -> None:
    first, second = told(
        here,
        "-m",
        "verifier=relay",
        "verifier.steps.a=exact",
        "stages.rl.verifier.steps.b=number,exact",
        "+reward_weighting.weights.length=0.1",
        site=relay,
    )
    assert first != second
    for folder in (here.folder / "outputs/stages").glob("rl-*"):
        written = (folder / "config.yaml").read_text()
        assert "    a:\n" in written and "    b:\n" in written
