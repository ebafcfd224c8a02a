"""What lies under outputs/ is found by name and fingerprint, and read as it was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etude.errors import StorageError
from etude.recorded.outputs import Outputs
from evidence import Recorded, done, dump, lines, samples

RIGHT = np.array([[1, 0], [1, 1], [0, 0]], dtype=bool)


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    made = Recorded(tmp_path / "outputs")
    made.evaluation("e0", samples(~RIGHT), name="base")
    for seed in (1, 2):
        made.stage(f"s{seed}")
        made.evaluation(f"e{seed}", samples(RIGHT), f"s{seed}")
        made.evaluation(f"g{seed}", samples(RIGHT), f"s{seed}", name="rl.greedy", of="greedy")
        made.member(
            ["objective=grpo", f"seed={seed}"], f"s{seed}", f"e{seed}", "e0", greedy=f"g{seed}"
        )
    made.finish()
    return Outputs(tmp_path / "outputs")


def test_a_run_has_its_members_and_what_each_of_them_measured(outputs: Outputs) -> None:
    run = outputs.run("77aa")
    assert [member.own for member in run.members] == [("seed=1",), ("seed=2",)]
    assert [member.seed for member in run.members] == ["1", "2"]
    (stage,) = run.members[1].stages
    assert (stage.name, stage.fingerprint) == ("rl", "s2")
    assert stage.before == {"main": "e0"}
    assert stage.after == {"main": "e2", "greedy": "g2"}
    assert run.environment["python"] == "3.11"
    assert run.state == "done"
    assert outputs.runs() == [run]
    with pytest.raises(StorageError, match="no run under"):
        outputs.run("nothing")


def test_an_evaluation_says_what_it_measured_and_how(outputs: Outputs) -> None:
    found = outputs.evaluation("g1")
    assert found is not None
    assert (found.name, found.of, found.stage) == ("rl.greedy", "greedy", "s1")
    assert found.config is not None
    assert found.config["verifier"] == {"name": "number"}
    assert found.metrics["pass@1"]["value"] == 0.5
    assert [record["outcome"] for record in found.samples[:3]] == ["correct", "wrong", "correct"]
    base = outputs.evaluation("e0", "base")
    assert base is not None
    assert base.stage is None
    assert {each.fingerprint for each in outputs.evaluations_of("s1")} == {"e1", "g1"}
    assert len(outputs.evaluations()) == 5
    assert outputs.evaluation("nowhere") is None


def test_an_evaluation_of_an_earlier_etude_is_known_by_the_folder_of_its_model(
    tmp_path: Path,
) -> None:
    made = Recorded(tmp_path / "outputs")
    made.evaluation("e1", samples(RIGHT), "s1", name="rl.ood", told=False)
    made.evaluation("e0", samples(RIGHT), name="base", told=False)
    known = Outputs(tmp_path / "outputs")
    found, base = known.evaluation("e1"), known.evaluation("e0")
    assert found is not None
    assert base is not None
    assert (found.stage, found.of, found.config) == ("s1", "ood", None)
    assert (base.stage, base.of) == (None, "main")


@pytest.mark.parametrize("inputs", [{"model": {}}, {"model": 3}, {"model": []}, {}, None])
def test_inputs_of_another_shape_name_no_stage(outputs: Outputs, inputs: object) -> None:
    folder = outputs.folder / "evaluations" / "rl-e1"
    dump(folder / "evaluation.json", {"inputs": inputs})
    done(folder, "rl", "e1", model="elsewhere/model")
    found = outputs.evaluation("e1", "rl")
    assert found is not None
    assert found.stage is None


def test_a_stage_has_its_lines_by_step(outputs: Outputs) -> None:
    stage = outputs.stage("s1", "rl")
    assert stage is not None
    assert (stage.name, stage.learner, stage.seconds) == ("rl", "policy_gradient", 20.0)
    assert [line["step"] for line in stage.metrics] == list(range(10))
    assert stage.timing[3] == {"step": 3, "seconds": 2.0}
    assert stage.model == stage.folder / "model"
    assert stage.config == {"seed": 1, "objective": {"name": "policy_gradient"}}
    assert stage.evaluations == stage.evaluation_samples == []
    assert [each.fingerprint for each in outputs.stages()] == ["s1", "s2"]


def test_an_unfinished_stage_has_the_lines_of_its_newest_attempt(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "stages" / "rl-s9"
    dump(folder / "stage.json", {"steps": 10, "learner": "policy_gradient"})
    first, second = folder / "attempts" / "1", folder / "attempts" / "2"
    dump(first / "attempt.json", {"first_step": 0})
    lines(first / "metrics.jsonl", [{"step": n, "from": 1} for n in range(4)])
    dump(second / "attempt.json", {"first_step": 2, "from": {"step": 2, "attempt": 1}})
    lines(second / "metrics.jsonl", [{"step": n, "from": 2} for n in range(2, 5)])
    stage = Outputs(tmp_path / "outputs").stage("s9", "rl")
    assert stage is not None
    assert [(line["step"], line["from"]) for line in stage.metrics] == [
        (0, 1),
        (1, 1),
        (2, 2),
        (3, 2),
        (4, 2),
    ]
    assert (stage.done, stage.model, stage.seconds) == (None, None, 0.0)


def test_damage_is_told_by_file_and_harms_nothing_else(outputs: Outputs) -> None:
    broken = outputs.folder / "evaluations" / "rl-e1"
    (broken / "samples.jsonl").write_text("{")
    (outputs.folder / "stages" / "rl-s2" / "stage.json").write_text("{")
    assert outputs.evaluation("e1", "rl") is None
    assert outputs.evaluation("e2", "rl") is not None
    stage = outputs.stage("s2", "rl")
    assert stage is not None
    assert (stage.about, stage.learner, stage.seconds) == ({}, "", 20.0)
    assert any("rl-e1" in problem for problem in outputs.problems)
    assert any("stage.json" in problem for problem in outputs.problems)
