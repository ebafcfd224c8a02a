"""Answers that would take without end are decided by their text alone, with a reason."""

from __future__ import annotations

import pytest

from etude.rows import Candidate, Outcome
from etude.verifier.answers import symbolic
from etude.verifier.math import Math


def nested(levels: int, opening: str, closing: str, inner: str) -> str:
    return opening * levels + inner + closing * levels


COSTLY = {
    "a sum": (r"\sum_{i=1}^{10^{9}} i^{i}", r"it states \sum"),
    "a sum without end": (r"\sum_{k=1}^{\infty} \frac{\sin k}{k^3}", r"it states \sum"),
    "a product": (r"\prod_{i=1}^{10^{6}} (1+\frac{1}{i^2})", r"it states \prod"),
    "an integral": (r"\int_0^1 x^{x} dx", r"it states \int"),
    "a limit": (r"\lim_{x \to 0} \frac{\sin x}{x}", r"it states \lim"),
    "a determinant": (r"\det\begin{pmatrix}a&b\\c&d\end{pmatrix}", r"it states \det"),
    "fractions in fractions": (nested(13, r"\frac{1}{1+", "}", "2"), "it nests too deeply"),
    "many brackets": (nested(13, "(", ")", "x"), "it nests too deeply"),
    "many terms": ("+".join(f"x_{i}" for i in range(150)), "characters, and the right answer"),
    "a binomial coefficient": (r"\binom{99999}{50000}", "its binomial coefficient is too large"),
    "another": (r"{100000 \choose 50000}", "its binomial coefficient is too large"),
    "subscripts": ("x_{y_{z_{w}}}", "its subscripts have subscripts"),
    "a tower": ("9^{9^{9^{9}}}", "powers of powers"),
}


@pytest.mark.parametrize("name", COSTLY)
def test_what_costs_too_much_is_wrong_before_it_is_read(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import math_verify

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr(math_verify, "parse", never)
    symbolic.read.cache_clear()
    answer, said = COSTLY[name]
    found = Math().judge(Candidate("a", 0, "", f"\\boxed{{{answer}}}", {"answer": "42"}))
    assert found.outcome is Outcome.WRONG
    assert "it is not worked out: " in str(found.detail)
    assert said in str(found.detail)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (r"\sum_{k=1}^{n} k^2", r"\sum_{k = 1}^n k^{2}"),
        (r"\int_0^1 x dx", r"\int_{0}^{1} x\,dx"),
        (r"\binom{10}{3}", "120"),
        (nested(6, r"\frac{1}{1+", "}", "1"), r"\frac{13}{21}"),
    ],
)
def test_what_the_right_answer_states_too_or_is_soon_worked_out_is_compared(
    answer: str, gold: str
) -> None:
    found = Math().judge(Candidate("a", 0, "", f"\\boxed{{{answer}}}", {"answer": gold}))
    assert found.outcome is Outcome.CORRECT


def test_powers_beyond_all_digits_are_no_values() -> None:
    import sympy

    x = sympy.Symbol("x")
    tower = sympy.exp(sympy.exp(sympy.exp(sympy.exp(1))))
    for large in (tower, sympy.exp(sympy.Integer(10) ** 9), 1 + 1 / tower, sympy.pi**30_000):
        with pytest.raises(OverflowError, match="too large to be worked out"):
            symbolic._refuse_large(large)
    for fine in (sympy.exp(sympy.exp(2)), sympy.pi**1000, sympy.sqrt(3), sympy.exp(x), x**x):
        symbolic._refuse_large(fine)
