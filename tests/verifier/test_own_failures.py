"""A verifier's own failures are told by their cause, and beyond a share they end the run."""

from __future__ import annotations

import pytest

from etude.errors import VerifierError
from etude.rows import Outcome, Verdict
from etude.verifier.failures import failures, refuse_failures, remedy


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([(Outcome.TIMED_OUT, "no verdict after 5 s")], "verifier.timeout"),
        ([(Outcome.CRASHED, "MemoryError: (x.py:3)")], "verifier.memory"),
        ([(Outcome.CRASHED, "the worker was killed by SIGKILL.")], "verifier.memory"),
        ([(Outcome.CRASHED, "KeyError: 'answer'")] * 3, "has to be mended"),
        ([(Outcome.CRASHED, "part 'accuracy' is nan")], "has to be mended"),
        ([(Outcome.REFUSED, "row a:1 has no column tools")], "The rows have to be mended"),
    ],
)
def test_a_verifier_that_fails_on_everything_is_helped_by_its_cause(found, says):
    verdicts = [Verdict(outcome, {}, detail=detail) for outcome, detail in found]
    assert says in remedy(verdicts)
    assert failures(verdicts).startswith(f"{len(verdicts)} × {found[0][0].value}: {found[0][1]}")


def verdicts(failed: int, judged: int) -> list[Verdict]:
    lost = Verdict(Outcome.CRASHED, {}, detail="the judge is out of reach")
    return [lost] * failed + [Verdict(Outcome.WRONG, {"accuracy": 0.0})] * judged


@pytest.mark.parametrize(
    ("failed", "judged", "most"), [(0, 0, 0.5), (0, 4, 0.0), (2, 2, 0.5), (3, 1, 0.75), (3, 1, 1.0)]
)
def test_a_share_of_failures_within_the_limit_is_left_out_and_no_more(failed, judged, most):
    refuse_failures(verdicts(failed, judged), most, "step 3")


@pytest.mark.parametrize(
    ("failed", "judged", "most", "says"),
    [
        (
            3,
            1,
            0.5,
            r"step 3: the verifier failed on 3 of 4 answers \(3 × crashed: the judge is out",
        ),
        (1, 3, 0.0, r"25% and verifier\.most_failed=0"),
        (2, 0, 1.0, r"failed on all 2 answers .* nothing can be told from them"),
    ],
)
def test_beyond_the_limit_the_run_stops_and_says_why_and_what_helps(failed, judged, most, says):
    with pytest.raises(VerifierError, match=says) as met:
        refuse_failures(verdicts(failed, judged), most, "step 3")
    assert "has to be mended" in str(met.value)
