"""Every case of programs and attacks, through the verifier that training uses."""

from __future__ import annotations

import time
from collections.abc import Iterator

import code_cases
import pytest
from code_cases import GIVEN, OWN, Case

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

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LEVEL is None, reason="no program can be run apart on this machine"),
]


def possible(case: Case, level: str) -> bool:
    """Tell whether the defence that a case is about is there at a level."""
    return LEVELS.index(level) >= LEVELS.index(case.get("needs", LEVELS[0]))


@pytest.fixture(scope="module")
def judges() -> Iterator[code_cases.Judges]:
    found = code_cases.Judges()
    with code_cases.traces() as check, code_cases.listener():
        yield found
        found.close()
        check()
    until = time.monotonic() + 20
    while code_cases.survivors() and time.monotonic() < until:
        time.sleep(0.05)
    assert code_cases.survivors() == []


@pytest.mark.parametrize("case", RUN)
def test_each_program_gets_the_verdict_it_deserves(
    case: Case, judges: code_cases.Judges, record_property: object
) -> None:
    if not possible(case, str(LEVEL)):
        pytest.skip(f"{case['id']} is held off at the level {case['needs']}; here it is {LEVEL}")
    record_property("golden", f"code_verification at the level {LEVEL}")  # type: ignore[operator]
    code_cases.check(case, judges.verdict(case))


@pytest.mark.long
@pytest.mark.parametrize("level", LEVELS)
def test_weaker_levels_hold_off_what_they_promise(level: str) -> None:
    why = code_cases.missing(level)
    if why is not None:
        pytest.skip(f"no level {level} here: {why}")
    chosen = [case for each in RUN for case in each.values if possible(case, level)]
    with code_cases.traces() as check, code_cases.listener():
        found = code_cases.judged_at(level, chosen)
        check()
    for case in chosen:
        code_cases.check(case, found[case["id"]])


@pytest.mark.parametrize("case", EXTRACTED)
def test_the_program_is_found_in_an_answer(case: Case) -> None:
    program = program_of(case["completion"])
    assert (program.source if program else None) == case["expected"]["code"]
