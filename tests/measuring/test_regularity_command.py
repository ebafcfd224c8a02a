"""`etude measure regularity` over evaluations of options."""

from __future__ import annotations

import math

import pytest
from folders import published, said, told

from etude.cli.etude import main as etude

#: Model → the log-probabilities of three questions; the first option is right.
MODELS = {
    "small": [[-3.0, -1.0], [-2.0, -9.0], [-4.0, -3.0]],
    "medium": [[-2.0, -1.0], [-1.5, -9.0], [-5.0, -3.0]],
    "large": [[-0.5, -3.0], [-1.0, -9.0], [-6.0, -3.0]],
}


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, logs in MODELS.items():
        samples = [
            {"id": f"q{n}", "answer_index": 0, "choice_logprobs": each}
            for n, each in enumerate(logs)
        ]
        folder = tmp_path / "outputs" / "evaluations" / f"{name}.arc-{name}"
        published(folder, result={"metrics": {}}, samples=samples)
    other = tmp_path / "outputs" / "evaluations" / "plain-1"
    published(other, result={"metrics": {}}, samples=[{"id": "q0", "outcome": "correct"}])
    return tmp_path


def test_scores_are_correlated_with_compute_question_by_question(outputs, capsys):
    found = told(capsys, "regularity", "large=1e20", "small=1e18", "medium=1e19")
    assert found["models"] == ["small", "medium", "large"]
    assert found["questions"] == ["q0", "q1", "q2"]
    logs = found["correlations"]["log_p_vocab"]
    assert logs["spearman"]["per_question"] == pytest.approx([1, 1, -1])
    assert logs["spearman"]["mean"] == pytest.approx(1 / 3)
    assert found["correlations"]["p_vocab"]["kendall"]["per_question"] == pytest.approx([1, 1, -1])
    right = found["correlations"]["accuracy"]["spearman"]
    assert right["never_moves"] == 2 and right["per_question"][1:] == [None, None]
    assert found["scores"]["p_vocab"][0][1] == pytest.approx(math.exp(-2))


def test_a_person_reads_means_and_one_correlation(outputs, capsys):
    words = ("regularity", "small=1e18", "medium=1e19", "large=1e20")
    text = said(capsys, *words)
    assert "3 questions, 3 models" in text and "spearman of a question" in text
    assert "pearson of a question" in said(capsys, *words, "--correlation", "pearson")
    lines = text.splitlines()
    assert [line.split()[:2] for line in lines[3:6]] == [
        ["small", "1e+18"],
        ["medium", "1e+19"],
        ["large", "1e+20"],
    ]


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["small=1e18", "large=1e19"], 1, "over 3 models of different compute; there are 2"),
        (["small=1e18", "medium=1e18", "large=1e19"], 1, "there are 2"),
        (["small", "medium=1", "large=2"], 2, "EVALUATION=FLOPS"),
        (["small=-1", "medium=1", "large=2"], 2, "EVALUATION=FLOPS"),
        (["small=1", "medium=2", "nobody=3"], 1, "no evaluation 'nobody'"),
        (["small=1", "medium=2", "plain=3"], 1, "scored no options"),
    ],
)
def test_what_cannot_be_told_is_refused(outputs, capsys, words, code, why):
    assert etude(["measure", "regularity", *words]) == code
    assert why in " ".join(capsys.readouterr().err.split())
