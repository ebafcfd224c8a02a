"""What keeps an answer from a model that judges."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from always import Always, Never

from etude.rows import Candidate, Outcome
from etude.verifier.cascade import Cascade
from etude.verifier.final_answer import ReadsFinalAnswer
from etude.verifier.guards import refusal
from etude.verifier.hacking import attacks
from etude.verifier.host import Alone

GIVEN = Path(os.environ.get("ETUDE_GOLDEN") or Path(__file__).parents[3] / "shared" / "golden")

#: Classes of which no answer may get through, whatever the model says.
CLOSED = {"empty_symbols", "single_token_or_opener", "repetition", "resource_exhaustion"}


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("x^2-2x+1", "(x-1)^2"),
        ("\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt{3}}"),
        ("(2,1)", "(1,2)"),
        ("x>3", "x\\ge 3"),
        ("[0, 1)", "0 \\le x < 1"),
        ("the cat", "a cat"),
        ("2, -2", "\\pm 2"),
        ("\\sin^2 x", "1-\\cos^2 x"),
    ],
)
def test_what_may_be_the_same_is_let_through(answer: str, gold: str) -> None:
    assert refusal(answer, gold) is None


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (None, "42"),
        (" ", "42"),
        ("a" * 257, "a"),
        ("4\u200b2x", "x"),
        ("(x", "x"),
        ("41 or x", "x"),
        ("5", "6"),
        ("5 cm", "6"),
        ("[41,43]", "42"),
        ("2", "\\{1,2\\}"),
        ("9^{9^{9}}", "42"),
        ("\\sum_{k=1}^{9} k", "45"),
        ("x/0", "x"),
        ("see above", "x+1"),
        ("C", "B"),
    ],
)
def test_what_could_not_be_is_kept_from_the_model(answer: str | None, gold: str) -> None:
    assert refusal(answer, gold) is not None


def test_no_attack_of_the_audit_gets_through() -> None:
    through = [each for each in attacks() if refusal(each.answer, each.gold) is None]
    assert not through


@pytest.mark.skipif(not (GIVEN / "math_verification.json").is_file(), reason="no golden file")
@pytest.mark.slow
def test_with_a_model_that_says_yes_only_what_looks_like_the_answer_gets_through() -> None:
    cases = json.loads((GIVEN / "math_verification.json").read_text())["cases"]
    candidates = [
        Candidate(case["id"], 0, "?", case["response"], {"answer": case["gold"]}, seed=i)
        for i, case in enumerate(cases)
    ]
    host = Alone()
    cascade = Cascade(
        steps={"rule": Never(), "model": Always()}, order=["rule", "model"], require_box=True
    )
    try:
        verdicts = host.open(cascade).verify(candidates)
    finally:
        host.close()
    boxed = ReadsFinalAnswer.final_answer
    through = set()
    for case, verdict in zip(cases, verdicts, strict=True):
        if verdict.outcome is not Outcome.CORRECT or case["should_match"]:
            continue
        assert boxed(cascade, case["response"]) is not None, case["id"]
        assert case["class"] not in CLOSED, case["id"]
        through.add((case["kind"], case["class"]))
    # Near misses of another value, which a model has to tell apart; no pattern of hacking.
    assert {kind for kind, _ in through} == {"false_negative_class"}
    assert len(through) <= 8
