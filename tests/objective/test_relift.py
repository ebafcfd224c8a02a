"""ReLIFT: what enters the buffer, what leaves it, and the losses of its two updates."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field

import pytest
import torch
from objective_cases import composed, loss_and_gradient, random_rows
from torch import Tensor

from etude.learner.tensors import taught_batch
from etude.objective.extra_update.relift import HardQuestions, ReLIFT
from etude.objective.policy_loss.reinforce import Reinforce
from etude.primitives.ending import ended
from etude.rows import Example, Outcome, Row, Verdict

torch.set_num_threads(1)


def row(prompt: str, accuracy: float = 0.0, reward: float = 0.0, *, given: bool = False) -> Row:
    return Row(
        prompt_id=prompt,
        index=0,
        prompt=(7, 8),
        tokens=(1, 2, 3),
        loss_mask=[1, 1, 1],
        off_policy=[1, 1, 1] if given else [0, 0, 0],
        example=Example(prompt, source="s", prompt=prompt),
        reward=reward,
        verdict=Verdict(Outcome.WRONG, {"accuracy": accuracy}),
    )


@dataclass
class Solutions:
    """A sampler that has the worked solutions of some prompts."""

    missing: set[str] = field(default_factory=set)

    def taught(self, example: Example) -> Row | None:
        return None if example.id in self.missing else row(example.id, given=True)


def failed(*prompts: str) -> list[list[Row]]:
    return [[row(prompt), row(prompt)] for prompt in prompts]


def names(rows: list[Row]) -> list[str]:
    return [each.prompt_id for each in rows]


def test_the_newest_questions_are_taught_first_and_once_a_step() -> None:
    part = ReLIFT(size=2, mini_batch=2)
    state = part.make_state()
    part.collect(failed("a"), Solutions(), state)
    assert part.batches(state) == []
    part.collect(failed("b", "c", "d"), Solutions(), state)
    assert names(state.rows) == ["b", "c", "d", "a"]
    assert [names(batch) for batch in part.batches(state)] == [["b", "c"]]
    assert [names(batch) for batch in part.batches(state)] == [["d", "a"]]
    assert part.batches(state) == []


def test_passes_and_mini_batches_of_one_fine_tuning() -> None:
    part = ReLIFT(size=5, mini_batch=2, epochs=2)
    state = part.make_state()
    part.collect(failed(*"abcdef"), Solutions(), state)
    once = [["a", "b"], ["c", "d"], ["e"]]
    assert [names(batch) for batch in part.batches(state)] == once + once
    assert names(state.rows) == ["f"]


def test_a_question_that_one_answer_solved_never_enters() -> None:
    part, state = ReLIFT(size=1), HardQuestions()
    groups = [[row("a"), row("a", accuracy=1.0)], [row("b", accuracy=1.0)] * 2]
    metrics = part.collect(groups, Solutions(), state)
    assert metrics["extra/relift/unsolved"] == 0
    assert state.rows == [] and part.batches(state) == []
    assert state.seen == 2


def test_answers_that_are_all_worse_are_counted_and_not_collected() -> None:
    part, state = ReLIFT(size=9, metric="reward"), HardQuestions()
    groups = [
        [row("a", reward=-1.0), row("a", reward=-1.0)],
        [row("b", reward=-1.0), row("b", reward=0.0)],
        [row("c"), row("c")],
    ]
    metrics = part.collect(groups, Solutions(), state)
    assert names(state.rows) == ["c"]
    assert metrics["extra/relift/worse"] == 1
    assert metrics["extra/relift/unsolved"] == 1


def test_what_the_verifier_calls_wrong_counts_whatever_else_is_rewarded() -> None:
    part, state = ReLIFT(size=9), HardQuestions()
    part.collect([[row("a", reward=0.1), row("a", reward=0.0)]], Solutions(), state)
    assert names(state.rows) == ["a"]
    part.collect([[row("b", reward=0.1)]], Solutions(), other := HardQuestions())
    assert names(other.rows) == ["b"]
    assert (
        ReLIFT(size=9, metric="reward").collect(
            [[row("a", reward=0.1)]], Solutions(), HardQuestions()
        )["extra/relift/unsolved"]
        == 0
    )


def test_a_demonstration_among_the_answers_solves_nothing() -> None:
    part, state = ReLIFT(size=9), HardQuestions()
    part.collect([[row("a"), row("a", accuracy=1.0, given=True)]], Solutions(), state)
    assert names(state.rows) == ["a"]


def test_questions_without_a_solution_are_counted_and_left_out() -> None:
    part, state = ReLIFT(size=2), HardQuestions()
    metrics = part.collect(failed("a", "b", "c"), Solutions(missing={"b"}), state)
    assert names(state.rows) == ["a", "c"]
    assert metrics["extra/relift/without_solution"] == 1
    assert metrics["extra/relift/buffer"] == 2


def test_the_share_of_taught_questions_counts_all_that_were_sampled() -> None:
    part, state = ReLIFT(size=1, mini_batch=1), HardQuestions()
    part.collect([*failed("a"), [row("b", accuracy=1.0)] * 2], Solutions(), state)
    part.batches(state)
    metrics = part.collect([[row("c", accuracy=1.0)] * 2] * 2, Solutions(), state)
    assert metrics["extra/relift/taught_share"] == 1 / 4


@pytest.mark.parametrize("size", [-1, 0])
def test_without_a_size_nothing_is_collected(size: int) -> None:
    part, state = ReLIFT(size=size), HardQuestions()
    assert part.collect(failed("a"), Solutions(), state) == {}
    assert state.rows == [] and part.batches(state) == []


def test_the_buffer_survives_a_checkpoint() -> None:
    part, state = ReLIFT(size=2, mini_batch=1), HardQuestions()
    part.collect(failed("a", "b", "c"), Solutions(), state)
    saved = json.loads(json.dumps(state.state_dict()))
    again = part.make_state()
    again.load_state_dict(saved)
    assert again.state_dict() == state.state_dict()
    for one, other in zip(part.batches(state), part.batches(again), strict=True):
        assert [(r.prompt, r.tokens, r.loss_mask) for r in one] == [
            (r.prompt, r.tokens, r.loss_mask) for r in other
        ]
        a, b = (taught_batch(r, 8, seed=1, step=3, steps=9) for r in (one, other))
        assert torch.equal(a.row_seeds, b.row_seeds) and torch.equal(a.mask, b.mask)


def test_what_is_taught_ends() -> None:
    assert ended([1, 2], 9) == (1, 2, 9)
    assert ended([1, 2, 9, 4], 9) == (1, 2, 9)
    assert ended([1, 2, 3], 9, limit=4) == (1, 2, 3, 9)
    assert ended([1, 2, 3], 9, limit=3) == (1, 2, 9)
    assert ended([], 9, limit=1) == (9,)


@dataclass
class Given:
    """A forward pass that returns given log-probs and entropies."""

    logprobs: Tensor
    entropies: Tensor

    def entropy(self) -> Tensor:
        return self.entropies


@pytest.mark.parametrize("denominator", ["global_tokens", "micro"])
def test_only_the_fidelity_option_depends_on_micro_batches(denominator: str) -> None:
    part = ReLIFT(denominator=denominator, entropy_coef=0.1)
    rows = [row("a"), dataclasses.replace(row("b"), tokens=(1,), loss_mask=[1])]
    random = torch.Generator().manual_seed(0)
    given = -torch.rand(2, 3, generator=random), torch.rand(2, 3, generator=random)

    def loss(cuts: list[list[int]]) -> Tensor:
        batch = taught_batch(rows, 8, seed=0, step=0, steps=1, micro_batches=len(cuts))
        parts = [torch.tensor(cut) for cut in cuts]
        return torch.stack(
            [part.loss(batch.select(i), Given(given[0][i], given[1][i])).total for i in parts]  # type: ignore[arg-type]
        ).sum()

    tokens = (-given[0] - 0.1 * given[1])[[0, 0, 0, 1], [0, 1, 2, 0]]
    torch.testing.assert_close(loss([[0, 1]]), tokens.mean())
    apart = tokens.mean() if denominator == "global_tokens" else (tokens[:3].mean() + tokens[3]) / 2
    torch.testing.assert_close(loss([[0], [1]]), apart)


def test_the_policy_loss_is_the_bare_ratio_divided_by_the_response_limit() -> None:
    objective = composed("objective=relift")
    rows = random_rows()
    far = dataclasses.replace(rows.batch, old_logprobs=rows.batch.old_logprobs - 3.0)
    rows = dataclasses.replace(rows, batch=far)  # ratios far beyond any usual clip
    bare = dataclasses.replace(objective, auxiliary={})
    weighted = dataclasses.replace(bare, policy_loss=Reinforce(importance_weight=True))
    torch.testing.assert_close(
        loss_and_gradient(bare, rows)[1], loss_and_gradient(weighted, rows)[1]
    )
    clipped = dataclasses.replace(bare, policy_loss=composed("objective=grpo").policy_loss)
    assert not torch.allclose(loss_and_gradient(bare, rows)[1], loss_and_gradient(clipped, rows)[1])


def test_the_entropy_bonus_is_a_mean_over_tokens_whatever_the_aggregation() -> None:
    rows = random_rows()
    with_bonus = composed("objective=relift")
    without = dataclasses.replace(with_bonus, auxiliary={})
    bonus = loss_and_gradient(with_bonus, rows)[0] - loss_and_gradient(without, rows)[0]
    distribution = rows.logits.log_softmax(-1)
    entropy = -(distribution.exp() * distribution).sum(-1)
    mean = (entropy * rows.batch.mask).sum() / rows.batch.mask.sum()
    assert float(bonus) == pytest.approx(-0.001 * float(mean), rel=1e-6)
