"""`etude measure tampering` over stages, tables and numbers."""

from __future__ import annotations

import pytest
from folders import published, said, told

from etude.cli.etude import main as etude

#: Step → which of four items of the probe are right, and general ability.
CURVES = {
    "lora": {0: ([1, 0, 0, 0], 0.8), 1: ([1, 1, 0, 0], 0.8), 2: ([1, 1, 1, 0], 0.7)},
    "full": {0: ([1, 0, 0, 0], 0.8), 1: ([1, 1, 0, 0], 0.7), 2: ([1, 1, 1, 1], 0.1)},
}


def outcomes(right):
    return [
        {"id": f"q{n}", "outcome": "correct" if each else "wrong"} for n, each in enumerate(right)
    ]


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "outputs"
    for name, curve in CURVES.items():
        lines, samples = [], []
        for step, (right, general) in curve.items():
            metrics = {"pass@1": {"value": sum(right) / 4}}
            lines.append({"step": step, "evaluation": "probe", "metrics": metrics})
            lines.append({"step": step, "metrics": {"accuracy": {"value": general}}})
            more = {"step": step, "evaluation": "probe"}
            samples += [{**more, **each} for each in outcomes(right)]
        published(place / "stages" / f"{name}-1", evaluations=lines, evaluation_samples=samples)
    for name, right in (("base", [1, 1, 1, 1]), ("unlearned", [1, 0, 0, 0])):
        result = {"metrics": {"pass@1": {"value": sum(right) / 4}}}
        folder = place / "evaluations" / f"{name}.probe-1"
        published(folder, result=result, samples=outcomes(right))
    return tmp_path


PROBE = ("--probe", "probe/pass@1", "--general", "accuracy")


def test_the_worst_attack_that_leaves_a_model_counts(outputs, capsys):
    found = told(capsys, "tampering", "lora", "full", "--original", "base", *PROBE)
    lora, full = found["attacks"]
    assert lora["recovery"] == pytest.approx(2 / 3) and lora["at"] == 2
    assert lora["half_at"] == 1 and lora["half_removed_at"] == 2
    low, high = lora["interval"]
    assert low <= lora["recovery"] <= high
    assert (full["recovery"], full["void"]) == (pytest.approx(1 / 3), 1)
    assert found["robustness"] == pytest.approx(1 / 3)
    assert full["curve"][2] == {"step": 2, "probe": 1.0, "general": 0.1}
    # Without general ability nobody knows that the model was gone.
    found = told(capsys, "tampering", "full", "--original", "base", *PROBE[:2])
    assert found["robustness"] == 0


def test_the_model_that_is_attacked_may_be_named_or_given(outputs, capsys):
    for attacked in ("unlearned", "0.25"):
        words = ("lora", "--original", "1", "--attacked", attacked, *PROBE)
        found = told(capsys, "tampering", *words)["attacks"][0]
        assert found["recovery"] == pytest.approx(2 / 3) and found["interval"] is None
    words = ("lora", "--original", "base", "--attacked", "unlearned", *PROBE)
    assert told(capsys, "tampering", *words)["attacks"][0]["interval"] is not None


def test_a_person_is_told_what_is_void_and_what_one_setting_is_worth(outputs, capsys, tmp_path):
    text = said(capsys, "tampering", "full", "--original", "base", *PROBE)
    assert "robustness" in text and "1 steps are void" in text and "One attack" in text
    table = tmp_path / "attacks.csv"
    table.write_text("attack,step,probe,general\nx,0,0.9,0.5\nx,1,0.95,0.5\ny,1,0.5,\n")
    text = said(capsys, "tampering", str(table), "--original", "0.9", "--attacked", "0.9")
    assert "x: nothing was removed" in text and "One attack" not in text


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["lora"], 2, "--original"),
        (["lora", "--original", "base", "--probe", "x"], 1, "has no 'x' along its steps"),
        (["lora", "--original", "base", "--collapse", "2", *PROBE], 2, "a share, 0 to 1"),
        (["nobody", "--original", "1", *PROBE], 1, "no stage 'nobody'"),
        (["rows.csv", "--original", "1"], 1, "row 1 is not of the columns"),
        (["late.csv", "--original", "1"], 1, "--attacked EVALUATION"),
        (["lora", "--original", "base", "--general-before", "base", *PROBE[:2]], 1, "--general"),
    ],
)
def test_what_cannot_be_told_is_refused(outputs, capsys, tmp_path, words, code, why):
    (tmp_path / "rows.csv").write_text("attack,step\na,1\n")
    (tmp_path / "late.csv").write_text("attack,step,probe\na,1,0.5\n")
    assert etude(["measure", "tampering", *words]) == code
    assert why in " ".join(capsys.readouterr().err.split())
