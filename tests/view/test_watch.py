"""What deserves a person's eye is said once, and "nothing to learn" is told from "broken"."""

import pytest

from etude.view.watch import PATIENCE, Watch


def looked(*steps):
    watch = Watch("rl")
    return [message for step, metrics in enumerate(steps) for message in watch.look(step, metrics)]


def test_answers_that_cannot_be_read_are_said_at_once_and_once():
    (message,) = looked(*[{"verifier/no_answer": 1.0, "rollout/truncated": 0.4}] * 3)
    assert message.startswith("rl, step 1: no answer could be read")
    assert "40% were cut at rollout.max_new_tokens" in message


@pytest.mark.parametrize("outcome", ["timed_out", "crashed"])
def test_what_the_verifier_fails_on_is_said_once_with_its_share(outcome):
    (message,) = looked({}, *[{f"verifier/{outcome}": 0.25}] * 3)
    assert message.startswith("rl, step 2: the verifier") and "25.0% of the answers" in message
    assert "samples.jsonl" in message and "detail" in message


def test_one_broken_row_is_said_and_a_few_late_ones_are_no_news():
    (message,) = looked({"verifier/crashed": 1 / 256, "verifier/timed_out": 0.05})
    assert "0.4% of the answers" in message


@pytest.mark.parametrize(
    ("metrics", "advice"),
    [
        ({"verifier/correct": 0.0}, "easier problems"),
        ({"verifier/correct": 1.0}, "harder problems"),
        ({"verifier/correct": 0.5, "groups/all_correct": 0.5, "groups/none_correct": 0.5},
         "right in 50% of the groups and none is in 50%"),
        ({"verifier/correct": 0.5}, "reward_weighting.weights"),
        ({"verifier/correct": 0.0, "verifier/no_answer": 0.8}, "80% of the answers could not be"),
    ],
)  # fmt: skip
def test_groups_without_signal_are_said_after_some_steps_with_why(metrics, advice):
    quiet = {"groups/signal": 0.0, "reward/mean": 0.3, **metrics}
    assert looked(*[quiet] * (PATIENCE - 1)) == []
    (message,) = looked(*[quiet] * (PATIENCE + 3))
    assert f"step {PATIENCE}" in message and advice in message
    assert "nothing is learned" in message and "the verifier works" not in message


def test_one_answer_a_prompt_is_the_cause_and_not_the_problems():
    watch = Watch("rl", rollouts=1)
    quiet = {"groups/signal": 0.0, "verifier/correct": 0.0}
    (message,) = [m for step in range(PATIENCE) for m in watch.look(step, quiet)]
    assert "type training.rollouts_per_prompt=8" in message and "easier" not in message


def test_a_loss_that_learns_all_the_same_is_not_said_to_learn_nothing():
    quiet = {"groups/signal": 0.0, "verifier/correct": 0.0, "gradient_norm": 0.3}
    (message,) = looked(*[quiet] * PATIENCE)
    assert "nothing is learned" not in message and "tell nothing apart" in message


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
