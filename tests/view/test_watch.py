"""What deserves a person's eye is said once, and "nothing to learn" is told from "broken"."""

import pytest

from etude.view.watch import PATIENCE, Watch


def looked(*steps):
    watch = Watch("rl")
    return [message for step, metrics in enumerate(steps) for message in watch.look(step, metrics)]


@pytest.mark.parametrize("outcome", ["no_answer", "timed_out", "crashed"])
def test_a_verifier_that_judges_nothing_is_said_at_once_and_once(outcome):
    (message,) = looked(*[{f"verifier/{outcome}": 1.0}] * 3)
    assert message.startswith(f"rl, step 1: all answers are {outcome.replace('_', ' ')}")


def test_some_failures_of_a_verifier_are_no_news():
    assert looked({"verifier/timed_out": 0.9, "verifier/correct": 0.1}) == []


@pytest.mark.parametrize(
    ("correct", "advice"),
    [(0.0, "easier problems"), (1.0, "harder problems"), (0.5, "too hard or")],
)
def test_groups_without_signal_are_said_after_some_steps(correct, advice):
    quiet = {"groups/signal": 0.0, "reward/mean": correct, "verifier/correct": correct}
    assert looked(*[quiet] * (PATIENCE - 1)) == []
    (message,) = looked(*[quiet] * (PATIENCE + 3))
    assert f"step {PATIENCE}" in message and "the verifier works" in message and advice in message


def test_a_step_with_signal_starts_the_count_again():
    quiet, loud = {"groups/signal": 0.0}, {"groups/signal": 0.3}
    assert looked(*[quiet] * (PATIENCE - 1), loud, *[quiet] * (PATIENCE - 1)) == []


def test_a_supervised_stage_has_no_groups_to_miss():
    assert looked(*[{"loss": 1.0}] * 20) == []


def test_cut_answers_are_said_with_the_key_to_change():
    (message,) = looked(*[{"rollout/truncated": 0.8}] * 10)
    assert "80%" in message and "rollout.max_new_tokens" in message
    assert looked(*[{"rollout/truncated": 0.5}] * 10) == []


def test_a_loss_that_is_no_number_is_said_at_once():
    (message,) = looked({"loss": 1.0}, {"loss": float("nan")}, {"loss": float("nan")})
    assert message == "rl, step 2: loss is not a number"
