"""Answers of models that think first: only what follows the thought is read."""

from __future__ import annotations

import pytest

from etude.build import build
from etude.config.prepare import prepare
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.exact import Exact
from etude.verifier.interface import Verifier, thinks
from etude.verifier.math import Math
from etude.verifier.number import Number

THOUGHT = "<think>\nSay \\boxed{7}. Answer: 7\n</think>\n"


def verdict(verifier: Verifier, response: str, answer: str = "7") -> Verdict:
    (found,) = verifier.verdicts([Candidate("id", 0, "", response, {"answer": answer}, length=9)])
    return found


@pytest.mark.parametrize("kind", [Math, Number, Exact])
def test_without_the_end_of_the_thought_there_is_no_answer(kind: type[Verifier]) -> None:
    found = verdict(kind(after="</think>"), "<think>\nIt is \\boxed{7}.")
    assert found.outcome is Outcome.NO_ANSWER
    assert (found.parts["accuracy"], found.parts["format"], found.parts["length"]) == (0, 0, 9)


@pytest.mark.parametrize("kind", [Math, Number, Exact])
def test_only_what_follows_the_thought_is_read(kind: type[Verifier]) -> None:
    reads = kind(after="</think>")
    assert verdict(reads, THOUGHT + "It is \\boxed{8}.").outcome is Outcome.WRONG
    assert verdict(reads, THOUGHT + "It is \\boxed{8}.", "8").outcome is Outcome.CORRECT
    assert verdict(reads, THOUGHT).outcome is Outcome.NO_ANSWER


@pytest.mark.parametrize("kind", [Math, Number])
def test_an_answer_that_stands_in_the_thought_alone_is_none(kind: type[Verifier]) -> None:
    assert verdict(kind(), THOUGHT).outcome is Outcome.NO_ANSWER
    assert verdict(kind(), "<think>It is \\boxed{7}").outcome is Outcome.NO_ANSWER
    assert verdict(kind(), THOUGHT + "It is \\boxed{8}.", "8").outcome is Outcome.CORRECT
    assert verdict(kind(thinking=True), THOUGHT).outcome is Outcome.CORRECT


def test_the_last_end_of_a_thought_counts() -> None:
    response = THOUGHT + "\\boxed{8}" + THOUGHT + "\\boxed{9}"
    assert verdict(Math(after="</think>"), response, "9").outcome is Outcome.CORRECT


@pytest.mark.parametrize(
    ("response", "given"),
    [
        (THOUGHT + "\\boxed{8}", 1),
        ("So: " + THOUGHT, 1),
        ("\\boxed{8}", 0),
        ("<think>\\boxed{8}", 0),
        ("thinking</think>\\boxed{8}", 0),
        ("</think><think>\\boxed{8}", 0),
        (THOUGHT + THOUGHT, 0),
        ("<think><think></think>", 0),
    ],
)
def test_a_thought_is_one_pair_of_tags_in_order(response: str, given: int) -> None:
    assert thinks(response) == bool(given)
    found = verdict(Math(thought=True), response, "8")
    assert found.parts["thought"] == given
    behind = response.rpartition("</think>")[2].partition("<think>")[0]
    assert found.parts["accuracy"] == float("boxed{8}" in behind)


def test_the_part_is_given_only_where_it_is_asked_for() -> None:
    assert "thought" not in verdict(Math(), THOUGHT).parts
    asked = ["recipe=rl", "+reward_weighting.weights.thought=0.1"]
    assert prepare([*asked, "verifier.thought=true"]).runs


def test_the_preset_reads_what_follows_the_thought() -> None:
    ((_, (stage,)),) = prepare(["recipe=rl", "verifier=math_after_thought"]).runs
    assert build(stage.config["verifier"], "verifier") == Math(after="</think>")
