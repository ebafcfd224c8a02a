"""A prompt that is computed once for its answers: the same numbers and gradient, fewer tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    Mamba2Config,
    MistralConfig,
    PretrainedConfig,
)

from etude.learner.forward import forward, score
from etude.learner.layout import Layout
from etude.learner.shared_prompts import lines_of
from etude.model.loading import Settings, policy_of
from etude.model.policy import Policy
from etude.model.tokenizer import make_tokenizer

CPU = torch.device("cpu")
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 48,
    "head_dim": 16,
    "max_position_embeddings": 128,
}
BUDGET = 128


@dataclass
class Line:
    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    loss_mask: list[int]


def groups(prompts: Sequence[int] = (14, 9), size: int = 4) -> list[Line]:
    """Rows of some prompts, mixed, with answers of several lengths and masks with holes."""
    draw = torch.Generator().manual_seed(0)

    def some(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(7, 100, (count,), generator=draw).tolist())

    heads = [some(length) for length in prompts]
    answers = [some(1 + (5 * i) % 7) for i in range(size * len(heads))]
    # The first token of some answers is not trained, of most it is.
    masks = [[int((i + t) % 5 != 2) for t in range(len(a))] for i, a in enumerate(answers)]
    return [
        Line(heads[i % len(heads)], answer, mask)
        for i, (answer, mask) in enumerate(zip(answers, masks, strict=True))
    ]


def made(config: PretrainedConfig, dtype: str = "float64", attention: str = "sdpa") -> Policy:
    config.vocab_size, config.initializer_range = 104, 0.3
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    model = model.to(getattr(torch, dtype))
    return policy_of(model, make_tokenizer("characters", 128), CPU, Settings(dtype=dtype))


def exact(policy: Policy) -> Policy:
    """The policy with norms that keep float64, which those of transformers take in float32."""
    for module in policy.model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            norm = partial(nn.functional.rms_norm, normalized_shape=(32,), weight=module.weight)
            module.forward = norm
    return policy


def mistral(window: int | None = None) -> MistralConfig:
    return MistralConfig(**SIZES, sliding_window=window)


def gpt2() -> GPT2Config:
    return GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=128)


def learned(policy: Policy, rows: list[Line], *, share: bool, budget: int = BUDGET):
    """Return log-probs, loss and gradient of rows in micro-batches, and the tokens they took."""
    layout, passed, tokens = Layout(share_prompts=share), {}, 0
    policy.model.zero_grad()
    whole = torch.zeros((), dtype=policy.compute_dtype)
    for part in layout.cut(rows, budget, policy):
        batch = layout([rows[i] for i in part], budget, policy)
        tokens += batch.ids.numel()
        assert batch.ids.numel() <= budget
        found = forward(policy, batch, 0.7).logprobs
        weights = torch.tensor([1.0 + i % 3 for i in part], dtype=found.dtype)
        loss = (weights.unsqueeze(-1) * found.square()).sum()
        loss.backward()
        whole = whole + loss.detach()
        passed |= {i: line[: len(rows[i].tokens)] for i, line in zip(part, found, strict=True)}
    logprobs = torch.cat([passed[i].detach() for i in range(len(rows))])
    gradient = torch.cat([p.grad.flatten() for p in policy.model.parameters()])
    return logprobs, whole, gradient, tokens


# Eager attention takes its softmax in float32 whatever the weights are.
@pytest.mark.parametrize(
    ("config", "dtype", "attention", "limit"),
    [
        (mistral(), "float64", "sdpa", 1e-10),
        (mistral(), "float64", "eager", 1e-5),
        (mistral(), "float32", "sdpa", 1e-5),
        (gpt2(), "float64", "sdpa", 1e-10),
        (gpt2(), "float32", "eager", 1e-5),
    ],
)
def test_sharing_changes_no_logprob_loss_or_gradient(
    config: PretrainedConfig, dtype: str, attention: str, limit: float
) -> None:
    policy, rows = made(config, dtype, attention), groups()
    if dtype == "float64":
        exact(policy)
    *plain, many = learned(policy, rows, share=False)
    for budget in (BUDGET, 40):  # a micro-batch for all, and lines that are cut by the budget
        *shared, few = learned(policy, rows, share=True, budget=budget)
        assert few < 0.75 * many
        for mine, expected in zip(shared, plain, strict=True):
            assert float((mine - expected).norm() / expected.norm()) < limit


def test_a_measured_row_has_the_numbers_it_has_alone() -> None:
    policy, rows = exact(made(mistral())), groups((11, 6, 3), 3)
    alone = [score(policy, [row], token_budget=BUDGET)[0] for row in rows]
    shared = score(policy, rows, token_budget=BUDGET, layout=Layout(share_prompts=True))
    for mine, expected in zip(shared, alone, strict=True):
        assert mine == pytest.approx(expected, abs=1e-10)


def shares(policy: Policy, rows: list[Line]) -> bool:
    return Layout(share_prompts=True)(rows, 1000, policy).segments is not None


def test_windows_are_shared_below_and_never_beyond() -> None:
    policy = made(mistral(window=24))
    assert shares(policy, groups((14,)))  # rows of 21 tokens at most, in a line of more than 24
    assert not shares(policy, groups((30,)))
    plain, shared = (learned(policy, groups((30, 9)), share=share) for share in (False, True))
    assert all(torch.equal(a, b) for a, b in zip(plain[:3], shared[:3], strict=True))


def test_a_state_that_is_carried_on_is_not_shared() -> None:
    config = Mamba2Config(hidden_size=32, num_heads=8, head_dim=8, num_hidden_layers=1, n_groups=1)
    config.state_size, config.chunk_size, config.tie_word_embeddings = 8, 8, True
    assert not shares(made(config, "float32", "eager"), groups())


def test_flash_attention_is_never_given_a_mask_of_ours() -> None:
    policy = made(mistral())
    assert policy.reading.pads([3, 5])
    policy.causal_lm.config._attn_implementation = "flash_attention_2"
    policy.states = lambda **_: pytest.fail("the model was run")  # type: ignore[method-assign]
    assert not shares(policy, groups())


def test_dropout_draws_for_every_copy_of_a_prompt() -> None:
    policy = made(mistral())
    policy.model.add_module("drops", nn.Dropout(0.1))
    assert not shares(policy, groups())


def test_without_the_setting_or_an_equal_prompt_rows_stay_apart() -> None:
    policy, rows = made(mistral()), groups()
    assert Layout()(rows, 1000, policy).segments is None
    assert not shares(policy, rows[:2])  # one of each prompt


def test_lines_hold_as_many_answers_as_are_worth_their_scores() -> None:
    def rows(prompt: int, answer: int, count: int) -> list[Line]:
        return [Line((5,) * prompt, (6,) * answer, [1] * answer)] * count

    assert lines_of(rows(256, 64, 8), 16384, 576) == [list(range(8))]
    # Eight long answers would mostly compute scores with each other.
    assert lines_of(rows(40, 2000, 8), 16384, 576) == [[i] for i in range(8)]
    assert max(map(len, lines_of(rows(256, 64, 64), 16384, 576))) < 64
    assert [len(line) for line in lines_of(rows(256, 64, 8), 512, 576)] == [4, 4]
    assert len(lines_of(rows(256, 64, 8), 16384, 576, least=4)) == 4
    labels = [0, 1] * 4
    lines = lines_of(rows(256, 64, 8), 16384, 576, labels)
    assert lines == [[0, 2, 4, 6], [1, 3, 5, 7]]
