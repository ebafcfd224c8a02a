"""Every update of a stage moves the model, however short; the rates are the usual ones."""

import pytest
import torch
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from etude.optimizer.schedule.constant import Constant
from etude.optimizer.schedule.cosine import Cosine
from etude.optimizer.schedule.linear import Linear


@pytest.mark.parametrize("schedule", [Cosine, Linear, Constant])
@pytest.mark.parametrize("warmup", [0, 1, 3, 50])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 20])
def test_no_update_has_the_rate_0(schedule, warmup, steps):
    factors = [schedule(warmup_steps=warmup).factor(step, steps) for step in range(steps)]
    assert all(0.0 < factor <= 1.0 for factor in factors), factors
    after = factors[max(0, warmup - 1) :]
    assert after == sorted(after, reverse=True)
    if not warmup:
        assert factors[0] == 1.0


@pytest.mark.parametrize(
    ("own", "usual"),
    [(Cosine, get_cosine_schedule_with_warmup), (Linear, get_linear_schedule_with_warmup)],
)
def test_after_the_warm_up_the_rates_are_those_of_transformers(own, usual):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = usual(optimizer, 4, 20)
    for step in range(20):
        if step >= 4:
            assert own(warmup_steps=4).factor(step, 20) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("schedule", [Cosine, Linear])
def test_the_last_factor_is_approached(schedule):
    decay = schedule(final_factor=0.2)
    assert decay.factor(100, 100) == pytest.approx(0.2)
    assert 0.2 < decay.factor(99, 100) < 0.21
