"""Which evaluation of a stage is the best, also where several are equal."""

import pytest

from etude.execute.metric import best_step


def lines(*evaluations):
    return [{"step": 10 * (place + 1), "metrics": each} for place, each in enumerate(evaluations)]


def passed(value, loss=None):
    return {"pass@1": {"value": value}} | ({} if loss is None else {"loss": {"value": loss}})


@pytest.mark.parametrize(
    ("evaluations", "step"),
    [
        ([], None),
        ([{"other": 1.0}], None),
        ([passed(0.1), passed(0.3), passed(0.2)], 20),
        ([passed(0.0), passed(0.0), passed(0.0)], 30),  # the later of equals
        ([passed(0.2, 0.5), passed(0.2, 0.4), passed(0.2, 0.6)], 20),  # the lower loss
        ([passed(0.2, 0.4), passed(0.2, 0.4), passed(0.1, 0.1)], 20),
        ([passed(0.2, 0.4), passed(0.2)], 10),  # a loss that is known
        ([{"loss": 0.5}, {"loss": 0.4}, {"loss": 0.4}], 30),
        ([passed(0.2), passed(float("nan")), passed(0.1)], 10),
        ([passed(float("nan"))], None),
        ([{"pass@1": {"value": None}}, passed(0.1)], 20),
    ],
)
def test_the_best_of_equals_has_the_lower_loss_then_comes_later(evaluations, step):
    assert best_step(lines(*evaluations)) == step
