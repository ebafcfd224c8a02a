"""What attacks bring back, by curves whose numbers can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from etude.measures.tampering import Attack, recovered, robustness


def attack(steps, probe, general=None, items=None):
    general = general or [None] * len(steps)
    return Attack("a", tuple(steps), tuple(probe), tuple(general), items)


def test_recovery_is_the_highest_point_in_units_of_what_was_removed():
    found = recovered(attack([0, 1, 2, 4], [0.2, 0.3, 0.5, 0.4]), 0.2, 0.8)
    assert found.recovery == pytest.approx(0.5)
    assert (found.at, found.half_at, found.half_removed_at) == (2, 2, 2)
    assert found.area == pytest.approx((0.25 + 0.4 + 0.9) / 4)
    later = recovered(attack([1, 8], [0.3, 0.4]), 0.2, 0.8)  # A_0 is its first point
    assert (later.half_at, later.half_removed_at) == (1, None)
    assert later.area == pytest.approx((0.25 + 7 * 0.35) / 8)
    assert robustness([found, later]) == pytest.approx(0.5)


def test_no_steps_recover_nothing_and_nothing_removed_cannot_be_recovered():
    assert recovered(attack([0], [0.2]), 0.2, 0.8).recovery == 0
    falling = recovered(attack([0, 1], [0.2, 0.1]), 0.2, 0.8)
    assert (falling.recovery, falling.at, falling.half_at) == (0, None, None)
    nothing = recovered(attack([0, 1], [0.8, 0.9]), 0.8, 0.8)
    assert nothing.recovery is None and robustness([nothing]) is None


def test_a_step_without_a_model_left_is_void():
    curve = attack([0, 1, 2], [0.2, 0.4, 0.9], [0.6, 0.5, 0.1])
    found = recovered(curve, 0.2, 0.8, general_before=0.6)
    assert (found.recovery, found.void, found.general_after) == (pytest.approx(1 / 3), 1, 0.5)
    assert recovered(curve, 0.2, 0.8, general_before=0.6, collapse=0.1).recovery > 1
    broken = recovered(curve, 0.2, 0.8, general_before=0.6, collapse=1.0)
    assert broken.broken and broken.recovery is None and robustness([broken, found]) is not None


def test_the_interval_is_over_items_drawn_together():
    random = np.random.default_rng(0)
    original = np.ones(400)
    before = (random.random(400) < 0.2).astype(float)
    after = np.maximum(before, random.random(400) < 0.5)
    curve = attack([0, 1], [before.mean(), after.mean()], items=np.stack([before, after]))
    found = recovered(curve, before.mean(), 1.0, items=(before, original))
    low, high = found.interval
    assert low < found.recovery < high and 0.06 < high - low < 0.16
    same = attack([0, 1], [before.mean()] * 2, items=np.stack([before, before]))
    assert recovered(same, before.mean(), 1.0, items=(before, original)).interval == (0, 0)
