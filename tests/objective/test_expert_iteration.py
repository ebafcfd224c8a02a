"""Expert iteration: what is kept, and learning from right answers alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import composed, loss_and_gradient, random_rows

from etude.errors import DataError
from etude.objective.generate import Generate
from etude.objective.selection.best import Best
from etude.optimizer.schedule.cosine import Cosine
from etude.primitives.best import first_best
from etude.rows import Example, Outcome, Row, Verdict
from etude.training.standard import Standard


def answer(text: str, *, right: bool = True, prompt: str = "p", reward: float = 0.0) -> Row:
    example = Example(prompt, "test", prompt, columns={"answer": "1"})
    outcome = Outcome.CORRECT if right else Outcome.WRONG
    verdict = Verdict(outcome, {})
    return Row(prompt, 0, (0,), (1,), [1], example, text=text, reward=reward, verdict=verdict)


def kept(objective: Generate, *groups: list[Row]) -> list[tuple[str, str]]:
    found = objective.unrepeated(objective.harvest(groups, sampler=None).rows, set())  # type: ignore[arg-type]
    return [(row["prompt"], row["solution"]) for row in found]


def test_with_one_sample_and_everything_kept_the_rows_are_the_samples() -> None:
    groups = [[answer(f"{i}", right=False, prompt=f"p{i}")] for i in range(3)]
    objective = Generate(keep="all", samples_per_prompt=1)
    assert kept(objective, *groups) == [("p0", "0"), ("p1", "1"), ("p2", "2")]


def test_repetitions_are_told_by_prompt_and_text_and_the_first_stays_in_its_place() -> None:
    first = [answer("a"), answer("b"), answer("a"), answer("c", right=False)]
    again = [answer("b"), answer("d")]  # the same prompt a second time in the source
    other = [answer("a", prompt="q")]
    rows = [("p", "a"), ("p", "b"), ("p", "d"), ("q", "a")]
    assert kept(Generate(), first, again, other) == rows
    assert len(kept(Generate(deduplicate=False), first, again, other)) == 6


def test_the_limit_of_a_prompt_counts_different_answers() -> None:
    group = [answer("a"), answer("a"), answer("b"), answer("c")]
    assert kept(Generate(max_per_prompt=2), group) == [("p", "a"), ("p", "b")]


def test_accepted_counts_before_repetitions_are_left_out() -> None:
    harvest = Generate().harvest([[answer("a"), answer("a"), answer("b", right=False)]], None)  # type: ignore[arg-type]
    assert harvest.accepted == 2
    assert len(harvest.rows) == 1


def test_best_of_k_takes_the_first_of_equals_and_nothing_of_an_empty_group() -> None:
    group = [answer("low"), answer("one", reward=2), answer("two", reward=2)]
    assert kept(Generate(keep="best"), group, []) == [("p", "one")]


def test_first_best_goes_by_group_ids_and_not_by_position() -> None:
    values = torch.tensor([1.0, 5.0, 3.0, 5.0, -2.0])
    groups = torch.tensor([7, 2, 7, 2, 9])
    assert first_best(values, groups).tolist() == [False, True, True, False, True]


def test_rft_is_the_mean_of_right_tokens_and_wrong_rows_have_no_gradient() -> None:
    rows = random_rows()
    objective = composed("objective=rft")
    loss, gradient, _ = loss_and_gradient(objective, rows)
    right = rows.batch.parts["accuracy"].unsqueeze(-1) * rows.batch.mask
    logprobs = torch.log_softmax(rows.logits, -1).gather(-1, rows.tokens.unsqueeze(-1)).squeeze(-1)
    assert loss.item() == pytest.approx(-(logprobs * right).sum().item() / right.sum().item())
    wrong = rows.batch.parts["accuracy"] == 0
    assert gradient[wrong].abs().max() == 0
    assert gradient[~wrong].abs().max() > 0


@pytest.mark.parametrize("name", ["rft", "raft_plus_plus"])
def test_wrong_rows_do_not_count_in_the_denominator(name: str) -> None:
    rows = random_rows()
    right = (rows.batch.parts["accuracy"] == 1).nonzero().squeeze(-1)
    whole, _, _ = loss_and_gradient(composed(f"objective={name}"), rows)
    alone, _, _ = loss_and_gradient(composed(f"objective={name}"), rows.reordered(right))
    assert whole.item() == pytest.approx(alone.item(), rel=1e-12)


def test_on_policy_raft_plus_plus_has_the_gradient_of_rft() -> None:
    rows = random_rows()
    logprobs = torch.log_softmax(rows.logits, -1).gather(-1, rows.tokens.unsqueeze(-1)).squeeze(-1)
    rows = dataclasses.replace(
        rows, batch=dataclasses.replace(rows.batch, old_logprobs=logprobs), old_logits=None
    )
    _, plain, _ = loss_and_gradient(composed("objective=rft"), rows)
    _, clipped, _ = loss_and_gradient(composed("objective=raft_plus_plus"), rows)
    torch.testing.assert_close(plain, clipped)


def test_best_of_each_prompt_can_be_trained_in_one_stage() -> None:
    rows = random_rows()
    mask = Best().select(rows.batch, rows.batch.mask, None)
    assert (mask.sum(-1) > 0).nonzero().squeeze(-1).tolist() == [0, 4, 9, 10]
    objective = composed("objective=rft", "objective/selection=[best]")
    _, gradient, _ = loss_and_gradient(objective, rows)
    assert (gradient.abs().amax((1, 2)) > 0).nonzero().squeeze(-1).tolist() == [0, 4, 9, 10]


def test_epochs_are_whole_updates_over_the_rows_there_are() -> None:
    training: Any = Standard(steps=100, rows_per_step=8, epochs=2)
    assert training.steps_over(31) == 6
    assert training.steps_over(10_000) == 100
    assert dataclasses.replace(training, epochs=None).steps_over(3) == 100
    with pytest.raises(DataError, match=r"7 rows.*rows_per_step=8"):
        training.steps_over(7)


def test_a_share_of_the_steps_warms_up_and_the_rate_falls_to_its_last_factor() -> None:
    schedule = Cosine(final_factor=0.1, warmup_share=0.03)
    rates = [schedule.factor(step, 200) for step in range(200)]
    assert rates[:6] == pytest.approx([(i + 1) / 6 for i in range(6)])
    assert rates[-1] == pytest.approx(0.1, abs=1e-3) and rates[-1] > 0.1
    assert schedule.factor(200, 200) == pytest.approx(0.1)
    assert Cosine(warmup_steps=9, warmup_share=0.03).warmup(200) == 9
