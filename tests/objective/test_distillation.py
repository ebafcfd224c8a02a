"""What a student learns from a teacher's logits and text."""

from __future__ import annotations

import pytest
import torch
from demonstration_cases import LENGTHS, VOCABULARY, WIDTH, draw, run
from objective_cases import composed

from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.objective.supervised import Supervised
from etude.objective.token_loss.distilled import Distilled
from etude.objective.token_loss.generalized import Generalized
from etude.objective.token_loss.standard import Standard

torch.set_num_threads(1)

TEACHER = draw(4, WIDTH, VOCABULARY, seed=3)


def distillation(alpha: float, tau: float = 1.0) -> Supervised:
    return Supervised(token_loss=Distilled(alpha=alpha, tau=tau))


def test_without_a_share_of_logits_it_is_supervised_fine_tuning_and_asks_no_teacher() -> None:
    loss, gradient = run(composed("objective=distillation"))
    expected, expected_gradient = run(Supervised(token_loss=Standard()))
    assert loss == expected
    assert torch.equal(gradient, expected_gradient)


def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_logits() -> None:
    for tau in (1.0, 3.0):
        loss, gradient = run(distillation(1.0, tau), teacher=draw(4, WIDTH, VOCABULARY, seed=1))
        assert loss == pytest.approx(0.0, abs=1e-15)
        assert gradient.abs().max() < 1e-15


def test_the_teacher_s_logits_alone_do_not_read_the_text() -> None:
    loss, gradient = run(distillation(1.0), teacher=TEACHER)
    student = draw(4, WIDTH, VOCABULARY, seed=1).softmax(-1)
    taught = torch.arange(WIDTH) < torch.tensor(LENGTHS).unsqueeze(-1)
    expected = (student - TEACHER.softmax(-1)) * taught.unsqueeze(-1) / sum(LENGTHS)
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-15)
    assert loss > 0


def test_the_mixture_is_linear_in_its_share() -> None:
    text, both, logits = (run(distillation(a, 2.0), teacher=TEACHER) for a in (0.0, 0.3, 1.0))
    assert both[0] == pytest.approx(0.7 * text[0] + 0.3 * logits[0])
    torch.testing.assert_close(both[1], 0.7 * text[1] + 0.3 * logits[1])


def test_the_size_of_the_gradient_stays_when_the_temperature_changes() -> None:
    sizes = [float(run(distillation(1.0, tau), teacher=TEACHER)[1].norm()) for tau in (10.0, 100.0)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.1)


def test_output_matrices_padded_to_other_widths_are_compared_where_both_have_tokens() -> None:
    wider = torch.cat([TEACHER, torch.full((4, WIDTH, 3), 20.0)], -1)
    expected = run(distillation(0.5), teacher=TEACHER)
    found = run(distillation(0.5), teacher=wider)
    assert found[0] == expected[0]
    assert torch.equal(found[1], expected[1])


@pytest.mark.parametrize("denominator", ["global_tokens", "per_sequence"])
def test_micro_batches_and_padding_change_nothing(denominator: str) -> None:
    objective = Supervised(token_loss=Distilled(alpha=0.4, tau=2.0), denominator=denominator)
    expected = run(objective, teacher=TEACHER)
    for cuts, padding in (([[0], [1], [2], [3]], 0), ([[3, 1], [2, 0]], 2)):
        found = run(objective, cuts, padding=padding, teacher=TEACHER)
        assert found[0] == pytest.approx(expected[0], rel=1e-10)
        torch.testing.assert_close(found[1], expected[1], rtol=1e-10, atol=1e-14)


def test_a_share_of_logits_without_a_teacher_is_refused_before_anything_starts() -> None:
    with pytest.raises(
        ConfigError, match=r"needs the model 'teacher'(.|\n)*models\.teacher="
    ) as told:
        prepare(["recipe=sft", "objective=distillation", "objective.token_loss.alpha=0.5"])
    assert "whose logits the student matches" in str(told.value)


def test_generalised_cross_entropy_nears_the_plain_one_and_at_one_is_the_missing_probability() -> (
    None
):
    standard = run(Supervised(token_loss=Standard()))
    near = run(Supervised(token_loss=Generalized(q=1e-7)))
    assert near[0] == pytest.approx(standard[0], rel=1e-5)
    torch.testing.assert_close(near[1], standard[1], rtol=1e-5, atol=1e-9)
    whole = run(Supervised(token_loss=Generalized(q=1.0)))
    assert whole[0] < 1
