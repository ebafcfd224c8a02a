"""When a thought counts as opened by the prompt, and what not knowing is worth."""

from __future__ import annotations

import pytest

from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.sparkle import Sparkle

FORM = "so it is</think><answer>\\boxed{7}</answer>"


def judged(verifier: Sparkle, response: str, prompt: str = "q") -> Verdict:
    (found,) = verifier.verdicts(
        [Candidate("s:1", 0, "q", response, {"answer": "7"}, rendered=prompt)]
    )
    return found


def test_a_thought_is_opened_by_a_prompt_that_ends_inside_one() -> None:
    partial = Sparkle(mode="hierarchical_aug")
    inside, outside = "q Assistant: <think>\nfirst", "write <think> and </think>. Assistant: "
    assert judged(partial, FORM, inside).parts["score"] == 2.0
    assert judged(partial, FORM, outside).parts["score"] == 1.0
    assert judged(Sparkle(), FORM, inside).parts["score"] == 1.0
    # Doubling the tag is no form, however the authors' scorer takes it.
    doubled = f"<think><think>{FORM}"
    assert judged(partial, doubled, "q Assistant: ").parts["score"] == 1.0
    guessing = Sparkle(mode="hierarchical_aug", opened_by="text")
    assert judged(guessing, doubled, "q Assistant: ").parts["score"] == 2.0


def test_not_knowing_is_worth_what_is_said_of_it() -> None:
    response = "<think>a</think><answer>\\boxed{I don't know}</answer>"
    found = judged(Sparkle(), response)
    assert (found.outcome, found.parts["score"]) == (Outcome.NO_ANSWER, 0.0)
    assert found.parts["abstained"] == 1.0
    found = judged(Sparkle(abstention=None), response)
    assert (found.outcome, found.parts["score"]) == (Outcome.WRONG, -1.0)
    assert judged(Sparkle(), "nothing").parts["abstained"] == 0.0


@pytest.mark.parametrize(("mode", "score"), [("hierarchical", -1.0), ("granular", -3.0)])
def test_an_answer_that_explodes_is_a_wrong_one(mode: str, score: float) -> None:
    candidate = Candidate("s:1", 0, "q", "\\boxed{9^{9^9}}", {"answer": "7"})
    found = Sparkle(mode=mode).exhausted(candidate, "took too long")
    assert (found.outcome, found.parts["score"]) == (Outcome.WRONG, score)
