"""Whatever a model writes: answers are found and read without an error, in bounded time."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest

from etude.rows import Candidate, Outcome
from etude.verifier.answers.clean import clean
from etude.verifier.answers.guard import guard
from etude.verifier.answers.numerals import numeral
from etude.verifier.answers.ranges import ranges
from etude.verifier.answers.units import without_unit
from etude.verifier.math import Math
from etude.verifier.number import Number

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies
given = hypothesis.given
few = hypothesis.settings(max_examples=40, deadline=None, derandomize=True)
many = hypothesis.settings(max_examples=150, deadline=None, derandomize=True)

PIECES = [
    "\\boxed{", "\\frac", "\\sqrt", "\\text{", "\\left(", "\\begin{pmatrix}", "\\end{pmatrix}",
    "\\\\", "&", "{", "}", "(", ")", "[", "]", "\\{", "\\}", "|", "^", "_", "=", "<", "\\le",
    "\\pm", "\\cup", "\\infty", "\\mathbb{R}", "\\in", "\\overline{", "\\circ", "\\%", "\\$",
    "$", ",", ".", "!", "-", "+", "/", "x", "y", "i", "e", "n", "1", "2", "10", "0.5", "\\pi",
    "\\sin", "\\log", " or ", " and ", " cm", "°", "½", "−", "****", "####", "answer is", "A:",
    "<think>", "\n", "\x00", "\ud800", "\u200b", "七",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=40)


def verdict(verifier: Math | Number, response: str, gold: str) -> Outcome:
    (found,) = verifier.verdicts([Candidate("x", 0, "", response, {"answer": gold})])
    assert not found.outcome.failed, found.detail
    assert set(found.parts) == {"accuracy", "format", "length"}
    return found.outcome


@many
@given(texts)
def test_reading_never_fails(text: str) -> None:
    plain = clean(text)
    numeral(plain)
    without_unit(plain)
    ranges(plain)
    guard(text, "x^2")
    verdict(Number(), text, "5")


@few
@given(texts)
def test_comparing_never_fails_and_never_takes_anything_for_a_number_out_of_reach(
    text: str,
) -> None:
    began = time.process_time()
    outcome = verdict(Math(), f"\\boxed{{{text}}}", "7919")
    assert outcome is not Outcome.CORRECT
    assert time.process_time() - began < 5


@many
@given(st.fractions(max_denominator=10**4), st.sampled_from(["%s", "$%s$", "**%s**", "x = %s cm"]))
def test_a_number_is_found_again_however_it_is_wrapped(value: Fraction, form: str) -> None:
    latex = f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
    assert verdict(Number(), f"Answer: {form % value}", str(value)) is Outcome.CORRECT
    assert verdict(Math(), f"\\boxed{{{latex}}}", str(value)) is Outcome.CORRECT


@many
@given(st.integers(-(10**15), 10**15))
def test_separators_and_powers_change_no_integer(value: int) -> None:
    for written in (f"{value:,}", f"{value:,}".replace(",", "\\,"), f"{value} \\times 10^0"):
        found = numeral(clean(written))
        assert found is not None and found.value == value


@pytest.mark.parametrize(
    "text",
    [
        "\\frac{}{}",
        "\\begin{pmatrix}",
        "|x|<",
        "\\text{",
        "^",
        "\\boxed{\\boxed{",
        "1,,2",
        "x=",
        "=",
    ],
)
def test_fragments_are_wrong_and_no_failure(text: str) -> None:
    assert verdict(Math(), f"\\boxed{{{text}}}", "7") in (Outcome.WRONG, Outcome.NO_ANSWER)
    unboxed = verdict(Math(), f"The answer is {text}", "(1,7)")
    assert unboxed in (Outcome.WRONG, Outcome.NO_ANSWER)
