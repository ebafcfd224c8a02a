"""The first page of a tracker is what people look at."""

from __future__ import annotations

from etude.tracker.glance import at_a_glance

STEP = {
    "reward/mean": 0.5, "reward/accuracy/raw": 0.4, "reward/accuracy/weighted": 0.2,
    "verifier/correct": 0.4, "groups/signal": 0.7, "groups/pass@n": 0.8, "policy/entropy": 1.0,
    "objective/kl_reference": 0.1, "objective/kl_coef": 3.0, "gradient_norm": 2.0, "loss": 0.0,
    "rollout/length": 20.0, "rollout/length_max": 40.0, "rollout/truncated": 0.1,
    "timing/seconds": 3.0, "timing/seconds/verify": 1.0, "own/number": 1.0,
}  # fmt: skip


def test_the_first_page_holds_what_people_look_at_in_that_order() -> None:
    assert sorted(at_a_glance(STEP)) == [
        "at_a_glance/1_reward",
        "at_a_glance/1_reward_part_accuracy",
        "at_a_glance/2_pass@n_in_training",
        "at_a_glance/2_right_in_training",
        "at_a_glance/3_signal",
        "at_a_glance/4_entropy",
        "at_a_glance/5_gradient_norm",
        "at_a_glance/5_kl_reference",
        "at_a_glance/6_length",
        "at_a_glance/6_truncated",
        "at_a_glance/7_seconds_a_step",
    ]
    assert at_a_glance(STEP)["at_a_glance/1_reward"] == 0.5


def test_the_loss_leads_where_nothing_is_rewarded() -> None:
    assert at_a_glance({"loss": 2.0, "gradient_norm": 1.0}) == {
        "at_a_glance/1_loss": 2.0,
        "at_a_glance/5_gradient_norm": 1.0,
    }


def test_evaluations_are_told_apart_by_their_names() -> None:
    found = at_a_glance(
        {"evaluation/pass@1": 0.6, "evaluation/ood/pass@1": 0.5, "evaluation/pass@1/low": 0.4}
    )
    assert found == {"at_a_glance/2_pass@1": 0.6, "at_a_glance/2_ood_pass@1": 0.5}
