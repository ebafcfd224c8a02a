"""Laws return the constants their points were made with, and hang together."""

from __future__ import annotations

import math

import pytest

from etude.errors import DataError
from etude.measures.scaling_laws import (
    BatchLaw,
    Laws,
    SizeLaw,
    StepLaw,
    critical_batch,
    fit_batch,
    fit_size,
    fit_steps,
    steps_to,
)
from etude.measures.scaling_report import Curve, fit

LAWS = Laws(SizeLaw(0.076, math.log(6.5e13)), StepLaw(0.76, 2.1e3), BatchLaw(0.21, math.log(2e8)))
SIZES = (1e6, 4e6, 2e7, 6e7)


def test_points_without_noise_return_the_constants():
    size = fit_size(SIZES, [LAWS.size.loss(n) for n in SIZES])
    assert size.alpha_n == pytest.approx(0.076, rel=1e-9)
    assert size.ln_n_c == pytest.approx(math.log(6.5e13), rel=1e-9)
    steps = (100.0, 1e3, 1e4)
    fitted = fit_steps(steps, [2 + LAWS.steps.excess(s) for s in steps], 2)
    assert fitted.alpha_s == pytest.approx(0.76, rel=1e-6)
    assert fitted.s_c == pytest.approx(2.1e3, rel=1e-6)
    levels = []
    for loss in (4.0, 3.5, 3.0):
        critical, least = LAWS.batch.critical(loss), 1000.0 / loss
        batches = (1e5, 1e6, 1e7)
        taken = [least * (1 + critical / b) for b in batches]
        levels.append(critical_batch(loss, batches, taken))
        assert levels[-1].batch == pytest.approx(critical, rel=1e-6)
    law = fit_batch(levels)
    assert law.alpha_b == pytest.approx(0.21, rel=1e-6)


def test_a_batch_without_end_is_the_law_of_steps_and_the_critical_one_takes_twice_the_steps():
    least = LAWS.size.loss(1e7)
    assert LAWS.loss(1e7, 500, 1e18) == pytest.approx(least + LAWS.steps.excess(500), rel=1e-9)
    loss = LAWS.loss(1e7, 5000, 3e5)
    assert loss > least
    there = LAWS.to_target(1e7, loss, 3e5)
    assert there.steps == pytest.approx(5000, rel=1e-6)
    at = LAWS.to_target(1e7, loss, there.critical_batch)
    assert at.steps == pytest.approx(2 * at.least_steps) == pytest.approx(at.steps_at_critical)
    assert at.tokens == pytest.approx(at.tokens_at_critical)
    with pytest.raises(DataError, match="out of reach"):
        LAWS.to_target(1e7, least, 1e6)


def test_what_shows_no_law_is_refused_or_dropped():
    with pytest.raises(DataError, match="at least two sizes; there are 1"):
        fit_size([1e6, 1e6], [2.0, 2.1])
    with pytest.raises(DataError, match="does not fall with size"):
        fit_size([1e6, 1e7], [2.0, 2.1])
    assert fit_steps([10, 100, 1000], [3.0, 2.5, 1.9], 2.0).dropped == 1
    falling = critical_batch(3.0, [1e5, 1e6], [10.0, 20.0])  # more steps at a larger batch
    assert not falling.usable


def test_the_step_at_which_a_loss_was_reached_lies_between_two_points():
    assert steps_to(2.5, [10, 1000], [3.0, 2.0]) == pytest.approx(100)
    assert steps_to(1.0, [10, 1000], [3.0, 2.0]) is None


def curve(size, batch):
    steps = tuple(float(100 * 2**n) for n in range(12))
    losses = tuple(LAWS.loss(size, s, batch) for s in steps)
    return Curve(f"{size:g}/{batch:g}", size, batch, steps, losses)


def test_a_report_over_runs_predicts_one_that_it_has_not_seen():
    at_rest = [Curve(f"{n:g}", n, 1e12, (1e9,), (LAWS.size.loss(n),)) for n in SIZES[:-1]]
    long = curve(SIZES[-1], 1e13)
    long = Curve(
        long.name, long.size, 1e13, (*long.steps, 1e30), (*long.losses, LAWS.size.loss(SIZES[-1]))
    )
    report = fit([*at_rest, long, curve(2e7, 1e5), curve(2e7, 1e6)], warmup=50)
    assert report.why_not == {}
    assert report.left_out == pytest.approx(0, abs=1e-6)
    assert report.interval[0] <= 0.076 <= report.interval[1] + 1e-9
    assert report.steps.alpha_s == pytest.approx(0.76, rel=0.02)
    assert report.batch.alpha_b == pytest.approx(0.21, rel=0.05)
    predicted = report.laws().loss(1e9, 1e4, 1e6)
    assert predicted == pytest.approx(LAWS.loss(1e9, 1e4, 1e6), rel=0.01)


def test_two_sizes_fit_exactly_and_predict_nothing():
    two = [Curve(str(n), n, 1.0, (1.0,), (LAWS.size.loss(n),)) for n in SIZES[:2]]
    report = fit(two)
    assert report.interval is None and report.left_out is None
    with pytest.raises(DataError, match="2 sizes fit exactly"):
        report.least(1e9)
    with pytest.raises(DataError, match="needs all three laws"):
        report.laws()
