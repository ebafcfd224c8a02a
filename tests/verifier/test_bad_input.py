"""Whatever a row or an answer says, every verifier gives a verdict, in bounded time and memory.

A bad answer is judged, with all parts; a bad row is refused. Neither takes the worker of the next
row with it for longer than the limits say.
"""

from __future__ import annotations

import os
from contextlib import closing
from typing import Any

import pytest

from etude.build import build
from etude.rows import Candidate, Outcome, Verdict
from etude.schema import load
from etude.verifier.declared import parts_of
from etude.verifier.interface import Verifier, sound

pytestmark = pytest.mark.slow

MEGABYTE = 2**20

#: Answers that are no ordinary text.
STRANGE = {
    "nothing": "",
    "spaces": " \n\t ",
    "NUL": "#### 4\x00",
    "half of a surrogate pair": "#### \ud800 4 \udfff",
    "bytes that were no text": b"\xff\xfe#### 4".decode("utf-8", "replace"),
    "text that runs the other way": "#### \u202e4\u202c \u2028 \x1b[2J",
    "digits of other scripts": "#### ٤ \\boxed{４}",
    "a tag that is never closed": "<think>" * 2000 + "<answer>",
    "template of a format": "{answer} %s {0!r} ${x}",
}

#: Answers that are as long as a runaway model makes them.
LONG = {
    "a megabyte of digits": "9" * MEGABYTE,
    "a megabyte of one answer": "#### 4\n" * (MEGABYTE // 7),
    "a megabyte of words": "so the answer is " * (MEGABYTE // 17),
    "a megabyte of open boxes": "\\boxed{" * (MEGABYTE // 7),
    "a megabyte of open brackets": "\\boxed{" + "(" * MEGABYTE + "}",
    "a megabyte of minus signs": "-" * MEGABYTE,
    "a megabyte of equals signs": "#### " + "=" * MEGABYTE,
    "a megabyte of commas": "<answer>" + "A," * (MEGABYTE // 2) + "</answer>",
    "a megabyte of code": "```python\n" + "x = 1\n" * (MEGABYTE // 6) + "```",
    "a megabyte of open fences": "```\n" * (MEGABYTE // 4),
    "a megabyte of quotes": "f(" + "a = '" * (MEGABYTE // 5) + ")",
    "a megabyte of spaces": "#### " + " " * MEGABYTE + "4",
}


def _nested(opening: str, closing: str, depth: int, inside: str = "1") -> str:
    return "\\boxed{" + opening * depth + inside + closing * depth + "}"


#: Answers whose value takes more than there is, or has no end.
BOMBS = {
    "a tower of powers": "\\boxed{9^{9^{9^{9}}}}",
    "a huge exponent": "\\boxed{2^{10^{10}}}",
    "a number of a huge exponent": "#### 1e999999999",
    "a factorial of factorials": "\\boxed{((10!)!)!}",
    "a fraction of fractions": _nested("\\frac{1}{1+", "}", 3000),
    "a root of roots": _nested("\\sqrt{", "}", 3000),
    "brackets in brackets": _nested("(", ")", 5000),
    "braces in braces": _nested("{", "}", 5000),
    "powers of powers": _nested("2^{", "}", 1000),
    "a product that is multiplied out": "\\boxed{(x+y+z+1)^{5000}}",
    "a long sum": "\\boxed{" + "+".join(f"x^{{{n}}}" for n in range(5000)) + "}",
    "a sum without an end": "\\boxed{\\sum_{n=1}^{\\infty} \\frac{1}{n^{n}}}",
    "a matrix of a thousand rows": (
        "\\boxed{\\begin{pmatrix}" + "1 & 2 \\\\ " * 1000 + "\\end{pmatrix}}"
    ),
    "a list of ten thousand": "\\boxed{\\{" + ",".join(map(str, range(10_000))) + "\\}}",
    "an equation of an equation": "#### " + "x = " * 2000 + "1",
    "calls in calls": "f(" * 5000 + ")" * 5000,
}

ANSWERS = STRANGE | LONG | BOMBS

#: What stands soundly in the columns that verifiers require.
SOUND: dict[str, Any] = {
    "answer": "4",
    "tools": ["f"],
    "display_cards": [1, 2, 3, 4],
    "target": 24,
    "tests": ["assert True"],
    "first_wrong": -1,
    "total_steps": 3,
    "actions": [1],
    "numbers": [4, 6],
    "text": "4",
    "space": "base",
    "task": "chain_sum",
    "entry": {"question": "2 + 2 = ?", "answer": "4", "metadata": {}},
}
#: Right answers of those that compare with no number.
GOLDS = {"tool_call": "f(a = 'b')", "choices": "A,C", "option": "A"}

#: What may stand in a column instead.
BROKEN: dict[str, Any] = {
    "null": None,
    "nothing": "",
    "no list": [],
    "null in a list": [None],
    "a list in a list": [[["4"]]],
    "a mapping": {"a": {"b": None}},
    "a number": 4,
    "no number": float("nan"),
    "a number without end": float("inf"),
    "a truth value": True,
    "no JSON": '[{"input": ',
    "NUL": "\x00",
    "half of a surrogate pair": "\ud800",
    "open braces": "\\frac{1}{",
    "a megabyte": "9" * MEGABYTE,
    "a tower of powers": "9^{9^{9^{9}}}",
    "brackets in brackets": "(" * 5000 + ")" * 5000,
}

#: What verifiers that reckon with an answer spend all their time on, so that only a long run has
#: each of them.
FEW = {*STRANGE, "a megabyte of words", "a tower of powers", "brackets in brackets"}
SPENT = {"a megabyte", "a tower of powers", "brackets in brackets"}

NAMES = sorted(name for name, info in load().components["verifier"].items() if not info.in_stage)

#: Those of the answers that do say 4.
RIGHT = {
    "NUL",
    "bytes that were no text",
    "a megabyte of one answer",
    "a megabyte of spaces",
    "text that runs the other way",
    "digits of other scripts",
}


def opened(name: str) -> tuple[Verifier, bool]:
    """Return a verifier, and whether it reckons: then an answer has little time to hang in."""
    for need in load().components["verifier"][name].requires:
        if need.what.startswith("package:"):
            pytest.importorskip(need.what.removeprefix("package:"))
    usual = build({"name": name}, "verifier")
    assert isinstance(usual, Verifier)
    reckons = usual.timeout > 5
    limits = {"timeout": 3.0 if name in ("math", "option") else max(usual.timeout, 20.0)}
    verifier = build({"name": name, "memory": 3072, **limits}, "verifier")
    assert isinstance(verifier, Verifier)
    return verifier, reckons and not os.environ.get("ETUDE_LONG")


def sound_row(name: str, verifier: Verifier) -> dict[str, Any]:
    """Return columns that a verifier can judge an answer by; a new one's are added to SOUND."""
    columns = {column: SOUND[column] for column in verifier.columns_read}
    return columns | ({"answer": GOLDS[name]} if name in GOLDS else {})


def judged(verifier: Verifier, candidates: list[Candidate]) -> list[Verdict]:
    with closing(verifier.open(2)) as judge:
        found = [sound(verdict) for verdict in judge.verify(candidates)]
    assert all(each.seconds is None or each.seconds <= verifier.timeout + 1 for each in found)
    return found


def starved(verdict: Verdict) -> bool:
    """Tell whether the machine was too busy to judge: that is nobody's verdict."""
    return verdict.outcome is Outcome.TIMED_OUT and "of which it worked" in str(verdict.detail)


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_answer_is_judged_with_every_part_and_the_next_row_is_too(name: str) -> None:
    verifier, few = opened(name)
    columns = sound_row(name, verifier)
    texts = {kind: text for kind, text in ANSWERS.items() if not few or kind in FEW}
    candidates = [Candidate(kind, 0, "?", text, columns, length=9) for kind, text in texts.items()]
    fine = Candidate("fine", 0, "?", "#### 4", columns)
    found = judged(verifier, [*candidates, fine])
    outcomes = dict(zip((*texts, "fine"), found, strict=True))
    outcomes = {kind: verdict for kind, verdict in outcomes.items() if not starved(verdict)}
    failed = {kind: (v.outcome.value, v.detail) for kind, v in outcomes.items() if v.outcome.failed}
    assert not failed
    declared = set(parts_of(verifier) or ())
    for kind, verdict in outcomes.items():
        assert set(verdict.parts) == declared, kind
        # Of options the first character decides, whatever follows it.
        begins = name == "option" and str(verdict.extracted)[:1] == columns["answer"]
        right = kind in RIGHT or kind == "fine" or begins
        assert verdict.outcome is not Outcome.CORRECT or right, kind


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_row_is_refused_by_name_or_judged_and_never_a_crash(name: str) -> None:
    verifier, few = opened(name)
    columns = sound_row(name, verifier)
    broken = [
        Candidate(f"{column} is {kind}", 0, "?", "#### 4", {**columns, column: value})
        for column in verifier.columns_read
        for kind, value in BROKEN.items()
        if not few or kind not in SPENT
    ]
    lacking = [
        Candidate(column, 0, "?", "#### 4", {k: v for k, v in columns.items() if k != column})
        for column in verifier.columns_read
    ]
    found = judged(verifier, [*broken, *lacking])
    crashed = {
        candidate.id: verdict.detail
        for candidate, verdict in zip(broken, found, strict=False)
        if verdict.outcome in (Outcome.CRASHED, Outcome.TIMED_OUT) and not starved(verdict)
    }
    assert not crashed
    for candidate, verdict in zip(broken, found, strict=False):
        if verdict.outcome is Outcome.REFUSED:
            assert candidate.id in str(verdict.detail)
            assert not verdict.parts
    for candidate, verdict in zip(lacking, found[len(broken) :], strict=True):
        assert verdict.outcome is Outcome.REFUSED
        assert verdict.detail == f"row {candidate.id} has no column {candidate.id}"
