"""From Python a run is what `train` does, and what lies in a folder of results is data frames."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import etude
from etude.cli import train
from etude.errors import ConfigError, Interrupted, StageError
from evidence import Recorded, samples

RIGHT = np.array([[1, 0], [1, 1], [0, 0]], dtype=bool)


@pytest.fixture
def made(tmp_path: Path) -> Recorded:
    found = Recorded(tmp_path / "outputs")
    found.evaluation("e0", samples(~RIGHT), name="base")
    for seed in (1, 2):
        found.stage(f"s{seed}", steps=4)
        found.evaluation(f"e{seed}", samples(RIGHT), f"s{seed}")
        found.member(["objective=grpo", f"seed={seed}"], f"s{seed}", f"e{seed}", "e0")
    found.finish()
    return found


def test_results_are_frames_that_join(made: Recorded) -> None:
    found = etude.results(made.outputs)
    assert found.runs["own"].tolist() == ["seed=1", "seed=2"]
    joined = found.runs.merge(found.evaluations, left_on="after", right_on="fingerprint")
    assert joined["pass@1"].tolist() == [0.5, 0.5]
    assert joined["pass@1/low"].tolist() == [0.5, 0.5]
    assert joined["of_stage"].tolist() == ["s1", "s2"]
    assert found.stages["finished"].tolist() == [True, True]
    steps = found.metrics.groupby("fingerprint")
    assert steps.size().tolist() == [4, 4]
    assert steps["reward/mean"].max().tolist() == pytest.approx([0.3, 0.3])
    answers = found.samples
    assert len(answers) == 3 * RIGHT.size
    own = answers[answers["fingerprint"] == "e1"]
    assert (own["outcome"] == "correct").sum() == RIGHT.sum()
    assert own["parts/accuracy"].sum() == RIGHT.sum()


def test_what_the_page_shows_runs(made: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
    block = page.partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(made.outputs.parent)
    asked: list[list[str]] = []
    monkeypatch.setattr(etude, "run", lambda overrides, multirun: asked.append(overrides))
    shown: dict[str, object] = {}
    exec(compile(block, "report.md", "exec"), shown)
    assert asked == [["objective=grpo,dapo", "seed=1,2"]]
    assert len(shown["last"]) == 2  # type: ignore[arg-type]


def test_a_folder_without_results_has_empty_frames(tmp_path: Path) -> None:
    found = etude.results(tmp_path)
    for frame in (found.runs, found.stages, found.metrics, found.evaluations, found.samples):
        assert frame.empty


def test_a_run_that_cannot_be_is_refused_as_the_command_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="gphpo"):
        etude.run(["objective=gphpo"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("code", "error"), [(0, None), (1, StageError), (130, Interrupted)])
def test_a_run_is_what_the_command_does(
    made: Recorded,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    error: type[Exception] | None,
) -> None:
    asked = []

    def launched(line: object) -> object:
        asked.append(line)
        return made.graph, code

    monkeypatch.setattr(train, "launched", launched)
    if error is None:
        found = etude.run(["seed=1,2"], multirun=True)
        assert [member.own for member in found.members] == [("seed=1",), ("seed=2",)]
        assert asked[0].multirun
        assert list(asked[0].overrides) == ["seed=1,2"]
    else:
        with pytest.raises(error, match="77aa"):
            etude.run()


def test_importing_etude_imports_nothing_else() -> None:
    code = "import sys, etude; print([m for m in sys.modules if m.startswith('etude.')])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        etude.nothing  # noqa: B018
