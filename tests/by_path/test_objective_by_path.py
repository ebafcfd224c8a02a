"""Functions of tensors fill the places of an objective, and say what they return wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from written import write

from etude.build import build
from etude.config.installation import installed
from etude.errors import StageError
from etude.objective.batch import LossBatch, RolloutBatch, place_outcome, totals_of
from etude.rows import Example, Outcome, Row, Verdict

MASK = torch.tensor([[1.0, 1, 0], [1, 1, 1]])


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _part(group: str, text: str, folder: Path, **options: Any) -> Any:
    write(folder, own=text)
    return build({"name": "./own.py:mine", **options}, group, installed().schema)


def _rollouts() -> RolloutBatch:
    rewards = torch.tensor([1.0, 0.0])
    lengths = MASK.sum(-1).long()
    return RolloutBatch(
        groups=torch.tensor([0, 0]),
        rewards=rewards,
        token_rewards=place_outcome(rewards, lengths, 3),
        mask=MASK,
        old_logprobs=torch.full_like(MASK, -1.0),
        lengths=lengths,
        truncated=torch.tensor([False, True]),
        width=3,
        parts={"accuracy": rewards},
    )


def _updates() -> LossBatch:
    return LossBatch(
        old_logprobs=torch.full_like(MASK, -1.0),
        advantages=torch.ones_like(MASK),
        mask=MASK,
        groups=torch.tensor([0, 0]),
        row_seeds=torch.zeros(2, dtype=torch.int64),
        step=0,
        totals=totals_of(MASK, width=3),
    )


class _Forward:
    def __init__(self) -> None:
        self.logprobs = torch.full_like(MASK, -1.5).requires_grad_()

    def entropy(self) -> torch.Tensor:
        return torch.full_like(MASK, 0.5)


def test_an_advantage_of_rows_is_that_of_each_token_on_the_mask(tmp_path: Path) -> None:
    part = _part(
        "objective/advantage",
        "def mine(rewards, parts, groups, *, scale=1.0):\n"
        "    return scale * (rewards - parts['accuracy'].mean())\n",
        tmp_path,
        scale=2.0,
    )
    found = part.estimate(_rollouts(), None).advantages
    assert found.tolist() == [[1.0, 1.0, 0.0], [-1.0, -1.0, -1.0]]


def test_an_advantage_of_tokens_is_taken_as_it_is_and_0_off_the_mask(tmp_path: Path) -> None:
    part = _part(
        "objective/advantage",
        "def mine(mask, old_logprobs, step, steps):\n    return old_logprobs.exp() * 0 + 3\n",
        tmp_path,
    )
    assert part.estimate(_rollouts(), None).advantages.tolist() == [[3, 3, 0], [3, 3, 3]]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("rewards[:1]", r"mine \(own.py:1\) returned a tensor \[1\]; it returns advantages \[N\]"),
        ("rewards.tolist()", "returned a list; it returns advantages"),
        ("rewards / 0", r"returned \d of \d values that are no finite numbers"),
        ("rewards + missing", r"NameError: name 'missing' is not defined \(own.py:2\)"),
    ],
)
def test_a_wrong_advantage_is_told_with_file_and_line(
    returned: str, said: str, tmp_path: Path
) -> None:
    part = _part("objective/advantage", f"def mine(rewards):\n    return {returned}\n", tmp_path)
    with pytest.raises(StageError, match=said):
        part.estimate(_rollouts(), None)


def test_a_loss_of_tokens_has_their_gradient(tmp_path: Path) -> None:
    part = _part(
        "objective/policy_loss",
        "def mine(logprobs, old_logprobs, advantages, mask, entropy, *, clip=0.2):\n"
        "    ratio = (logprobs - old_logprobs).exp()\n"
        "    return -ratio.clamp(1 - clip, 1 + clip) * advantages - 0 * entropy\n",
        tmp_path,
    )
    forward = _Forward()
    loss = part.loss(_updates(), forward).loss
    assert loss.shape == MASK.shape and loss.requires_grad
    assert loss[0, 0].item() == pytest.approx(-0.8)


def test_what_a_function_asks_for_is_there_when_it_is_called(tmp_path: Path) -> None:
    group, loss = "objective/advantage", "objective/policy_loss"
    for asks, reads in (("rewards", False), ("rewards, old_logprobs", True)):
        part = _part(group, f"def mine({asks}):\n    return rewards\n", tmp_path)
        assert part.reads_old_logprobs is reads
    for asks, whole in (("logprobs", False), ("logprobs, groups", True)):
        part = _part(loss, f"def mine({asks}):\n    return -logprobs\n", tmp_path)
        assert part.whole_groups is whole


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("-logprobs.mean()", r"returned a tensor \[\]; it returns the loss of every token"),
        ("-logprobs.detach()", "returned a loss without gradient"),
    ],
)
def test_a_wrong_loss_is_told(returned: str, said: str, tmp_path: Path) -> None:
    part = _part("objective/policy_loss", f"def mine(logprobs):\n    return {returned}\n", tmp_path)
    with pytest.raises(StageError, match=said):
        part.loss(_updates(), _Forward())


def test_a_filter_sees_the_answers_of_each_group(tmp_path: Path) -> None:
    part = _part(
        "objective/filter",
        "def mine(rewards, parts, correct, lengths, *, most=3):\n"
        "    return any(correct) and max(lengths) <= most and parts['accuracy'] == rewards\n",
        tmp_path,
        refill=True,
    )

    def row(reward: float, length: int) -> Row:
        outcome = Outcome.CORRECT if reward else Outcome.WRONG
        verdict = Verdict(outcome, {"accuracy": reward})
        example = Example("e", "s", "p")
        tokens = tuple(range(length))
        return Row("e", 0, (1,), tokens, [1] * length, example, reward=reward, verdict=verdict)

    groups = [[row(1, 2), row(0, 3)], [row(0, 1), row(0, 1)], [row(1, 4), row(1, 1)]]
    assert part.keep_groups(groups) == [True, False, False]
    assert part.refill is True and part.max_batches == 10
