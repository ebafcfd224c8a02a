"""One number in its many forms, and what is no single number."""

from __future__ import annotations

from fractions import Fraction

import pytest

from etude.rows import Candidate, Outcome
from etude.verifier.answers.clean import clean
from etude.verifier.answers.numerals import numeral
from etude.verifier.answers.units import factor, without_unit
from etude.verifier.answers.words import number_in_words
from etude.verifier.number import Number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12\\,345", "12345"),
        ("1{,}234", "1234"),
        ("1½", "3/2"),
        ("−½", "-1/2"),
        ("1 1/2", "3/2"),
        ("-2\\frac{1}{3}", "-7/3"),
        ("1.2e-3", "3/2500"),
        ("3.64 \\times 10^5", "364000"),
        ("10⁵", "100000"),
        ("0.1\\overline{6}", "1/6"),
        ("0.(9)", "1"),
        ("0.142857142857...", "1/7"),
        ("\\text{three fourths}", "3/4"),
        ("４２", "42"),
        ("**`7`**", "7"),
    ],
)
def test_one_number_in_every_form(text: str, value: str) -> None:
    found = numeral(clean(text))
    assert found is not None and found.value == Fraction(value)


@pytest.mark.parametrize(
    "text", ["2,2", "10_2", "1-1/2", "(2,251,252)", "1/0", "12 34", "5x", "2^{10}", "1e99999", ""]
)
def test_what_is_no_number(text: str) -> None:
    assert numeral(clean(text)) is None


@pytest.mark.parametrize("text", ["one one", "twenty twelve", "third", "and", "hundred", "a"])
def test_words_that_are_no_number(text: str) -> None:
    assert number_in_words(text) in (None, 1)


def test_units_convert_or_contradict() -> None:
    def units(given: str, gold: str) -> Fraction | None:
        return factor(without_unit(clean(given))[1], without_unit(clean(gold))[1])

    assert units("100 cm", "1\\text{ m}") == Fraction(1, 100)
    assert units("5 m/s", "5 \\text{ meters per second}") == 1
    assert units("5 cm", "5") == 1
    assert units("5 cm", "5 cm^2") is None
    assert units("£5", "\\$5") is None
    assert without_unit("5x") == ("5x", None)


@pytest.mark.parametrize(
    "answer", ["(1,2)", "2\\sqrt{3}", "5 or 7", "5x", "x^2", "2, 3", "3:2", "10_2", "2 \\pm 1"]
)
@pytest.mark.parametrize("form", ["\\boxed{%s}", "A: %s", "it is %s"])
def test_an_answer_that_is_no_single_number_is_never_reduced_to_one_in_it(
    form: str, answer: str
) -> None:
    for gold in ("1", "2", "3", "5", "7", "10"):
        (verdict,) = Number().verdicts([Candidate("x", 0, "", form % answer, {"answer": gold})])
        assert verdict.outcome in (Outcome.WRONG, Outcome.NO_ANSWER)
    if "%s" in form and form != "it is %s":
        assert verdict.detail and "no single number" in verdict.detail


@pytest.mark.parametrize("gold", ["(2,251,252)", "$f(n)=n$, $g(n)=1$", "6m", "$8$,$4$", "\\sqrt2"])
def test_a_right_answer_that_is_no_single_number_is_refused_with_the_remedy(gold: str) -> None:
    fault = Number().unreadable({"answer": gold})
    assert fault is not None and "verifier=math" in fault


def test_small_and_large_numbers_are_compared_by_their_size() -> None:
    def right(given: str, gold: str, **options: float) -> bool:
        row = Candidate("x", 0, "", f"A: {given}", {"answer": gold})
        return Number(**options).verdicts([row])[0].outcome is Outcome.CORRECT

    assert not right("1e-7", "2e-7")
    assert not right("12345679", "12345678")
    assert right("0.3333333", "1/3")
    assert right("101", "100", tolerance=0.02)
    assert not right("103", "100", tolerance=0.02)
