"""Every case of programs and attacks, through the verifier that training uses."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import code_cases
import pytest
from code_cases import GIVEN, OWN, Case

from etude.rows import Verdict
from etude.verifier.code import program_of
from etude.verifier.sandbox.job import LEVELS

LEVEL = code_cases.strongest()
ALL = [
    pytest.param(case, id=f"{name}-{case['id']}")
    for name, folder in (("given", GIVEN), ("own", OWN))
    for case in code_cases.cases(folder)
]
RUN = [each for each in ALL if each.values[0]["mode"] != "extract"]
EXTRACTED = [each for each in ALL if each.values[0]["mode"] == "extract"]
LONG = pytest.mark.skipif(not os.environ.get("ETUDE_LONG"), reason="minutes: ETUDE_LONG=1")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LEVEL is None, reason="no program can be run apart on this machine"),
]


def possible(case: Case, level: str) -> bool:
    """Tell whether the defence that a case is about is there at a level."""
    return LEVELS.index(level) >= LEVELS.index(case.get("needs", LEVELS[0]))


def judged(level: str | None) -> dict[str, Verdict]:
    at = level or LEVEL
    chosen = [case for each in RUN for case in each.values if possible(case, str(at))]
    with code_cases.listener():
        return code_cases.judged(chosen, level)


@pytest.fixture(scope="module")
def verdicts() -> Iterator[dict[str, Verdict]]:
    with code_cases.traces() as check:
        yield judged(None)
        check()


@pytest.mark.parametrize("case", RUN)
def test_each_program_gets_the_verdict_it_deserves(
    case: Case, verdicts: dict[str, Verdict], record_property: object
) -> None:
    if not possible(case, str(LEVEL)):
        pytest.skip(f"{case['id']} is held off at the level {case['needs']}; here it is {LEVEL}")
    record_property("golden", f"code_verification at the level {LEVEL}")  # type: ignore[operator]
    code_cases.check(case, verdicts[case["id"]])


@LONG
@pytest.mark.parametrize("level", LEVELS)
def test_weaker_levels_hold_off_what_they_promise(level: str) -> None:
    why = code_cases.missing(level)
    if why is not None:
        pytest.skip(f"no level {level} here: {why}")
    with code_cases.traces() as check:
        found = judged(level)
        check()
    for each in RUN:
        for case in each.values:
            if possible(case, level):
                code_cases.check(case, found[case["id"]])


@pytest.mark.parametrize("case", EXTRACTED)
def test_the_program_is_found_in_an_answer(case: Case) -> None:
    program = program_of(case["completion"])
    assert (program.source if program else None) == case["expected"]["code"]


def test_nothing_runs_on_after_the_verdicts(verdicts: dict[str, Verdict]) -> None:
    assert verdicts
    until = time.monotonic() + 20
    while code_cases.survivors() and time.monotonic() < until:
        time.sleep(0.05)
    assert code_cases.survivors() == []
