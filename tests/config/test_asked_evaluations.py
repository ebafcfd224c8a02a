"""An evaluation that a component asks for is judged when the command is composed, and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etude.config.asked_evaluations import AskedEvaluations, due
from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.plan.words import Words
from etude.schema import load

FILE = Path(__file__).parents[1] / "patience.py"
SMALL = ("recipe=rl", "model=scratch")


def config(*overrides: str, file: Path = FILE) -> dict[str, Any]:
    words = [*SMALL, f"curriculum={file}:Patience", *overrides]
    return prepare(words).runs[0][1][0].config


def faults(*overrides: str, file: Path = FILE) -> str:
    with pytest.raises(ConfigError) as refused:
        config(*overrides, file=file)
    return str(refused.value)


def written(folder: Path, old: str, new: str) -> Path:
    text = FILE.read_text()
    assert old in text
    path = folder / "patience.py"
    path.write_text(text.replace(old, new))
    return path


def test_its_cadence_is_a_value_of_the_component() -> None:
    known = AskedEvaluations(load())
    asked = known.of(config("curriculum.every=3"))
    assert asked == {"main": (3,)}
    assert [due(asked, finished) for finished in (1, 2, 3, 6)] == [[], [], ["main"], ["main"]]
    assert known.of(prepare([*SMALL]).runs[0][1][0].config) == {}


def test_the_plan_says_what_is_measured_for_whom() -> None:
    said = Words(config("curriculum.every=3"), "policy_gradient", load()).sentences()
    assert said["measured"].startswith("every 3 steps, for curriculum ")
    assert said["measured"].endswith("patience.py:Patience")


def test_it_is_refused_where_there_is_no_evaluation() -> None:
    said = faults("evaluation=null")
    assert "curriculum  asks for the evaluation main every 20 steps to see how many" in said
    assert "which is switched off" in said
    assert "evaluation=pass_at_k  gives it" in said


def test_a_name_that_there_is_not_and_a_cadence_that_is_none_are_told(tmp_path: Path) -> None:
    said = faults(file=written(tmp_path, "evaluation:main@{every}", "evaluation:ood@{every}"))
    assert "asks for the evaluation ood every 20 steps" in said
    assert "which there is not" in said
    for wrong in ("0", "soon", ""):
        path = written(tmp_path, "evaluation:main@{every}", f"evaluation:main@{wrong}")
        said = faults(file=path)
        assert f"asks for an evaluation every {wrong or 'no'} steps" in said


def test_a_stage_whose_learner_reads_no_curriculum_is_asked_nothing() -> None:
    found = prepare(["recipe=sft", "model=scratch"]).runs[0][1][0].config
    also = {**found, "curriculum": config()["curriculum"]}
    assert AskedEvaluations(load()).of(also) == {}
