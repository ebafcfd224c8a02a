"""Every causal architecture is sampled from, padded and packed rightly, or refused by name."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from architectures import NAMES, tiny_model
from transformers import Phi3Config, Phi3ForCausalLM

from etude.errors import ModelError
from etude.learner.forward import forward
from etude.learner.layout import Layout
from etude.learner.microbatch import collate
from etude.model.loading import Settings, policy_of
from etude.model.policy import Policy
from etude.model.tokenizer import make_tokenizer
from etude.rollout.transformers import Transformers
from etude.rows import Request

CPU = torch.device("cpu")
#: One of each sort: windows, ALiBi, states, hybrids, learned positions, functional dropout.
SORTS = ("gpt_neo", "bloom", "mamba2", "lfm2", "opt")
CHOSEN = NAMES if os.environ.get("ETUDE_LONG") else SORTS


@dataclass
class Line:
    prompt: tuple[int, ...]
    tokens: tuple[int, ...]

    @property
    def loss_mask(self) -> list[int]:
        return [1] * len(self.tokens)


def made(model: Any) -> Policy:
    return policy_of(model, make_tokenizer("characters", 512), CPU, Settings())


def policy_for(name: str) -> Policy:
    try:
        model = tiny_model(name)
        with torch.no_grad():
            model(input_ids=torch.arange(20, 30).view(1, -1), use_cache=False)
    except Exception as error:
        pytest.skip(f"no tiny {name} is known to run: {error}")
    return made(model)


def alone(policy: Policy, prompt: tuple[int, ...], tokens: tuple[int, ...]) -> torch.Tensor:
    """Log-probs of a response from a plain forward pass of transformers over it alone."""
    policy.model.eval()
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([[*prompt, *tokens]]), use_cache=False).logits
    policy.model.train()
    logprobs = torch.log_softmax(logits[0, len(prompt) - 1 : -1].float(), -1)
    return logprobs.gather(-1, torch.tensor(tokens)[:, None])[:, 0]


def requests() -> list[Request]:
    """Groups of prompts of several lengths, beyond every window; rows that end at other times."""
    draw = torch.Generator().manual_seed(1)
    found = []
    for number, (length, limit) in enumerate(((3, 40), (11, 24), (11, 24), (27, 30))):
        prompt = tuple(torch.randint(16, 104, (length,), generator=draw).tolist())
        found += [Request(f"p{number}", g, prompt, 9 * number + g, limit) for g in range(3)]
    return found


@pytest.mark.parametrize("name", CHOSEN)
def test_what_is_sampled_has_the_logprobs_of_a_forward_pass(name: str) -> None:
    policy = policy_for(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # slow ones say so
        asked = requests()
        try:
            engine = Transformers(stop_token_ids=list(range(20, 104, 13))).engine(policy)
            sampled = engine.sample(asked)
        except ModelError as refused:
            assert "cannot be sampled from" in str(refused)
            assert policy.name in str(refused)
            return
    assert len({len(answer.tokens) for answer in sampled}) > 1
    for request, answer in zip(asked, sampled, strict=True):
        expected = alone(policy, request.prompt, answer.tokens)
        assert torch.allclose(torch.tensor(answer.logprobs), expected, atol=1e-3)


@pytest.mark.parametrize("name", CHOSEN)
def test_rows_that_share_a_pass_are_read_as_if_alone(name: str) -> None:
    policy = policy_for(name)
    draw = torch.Generator().manual_seed(2)
    rows = [
        Line(*(tuple(torch.randint(16, 104, (n,), generator=draw).tolist()) for n in (head, tail)))
        for head, tail in ((3, 9), (2, 4), (12, 20), (5, 5), (1, 2))
    ]
    try:
        _ = policy.reading
    except ModelError as refused:
        assert policy.name in str(refused)
        return
    batches = [(rows, collate(rows, pad_id=policy.pad_id))]
    try:
        policy.reading.allow_packing(32)
        batches.append((rows, collate(rows, pad_id=policy.pad_id, lines=[[0, 2, 4], [3, 1]])))
    except ModelError as refused:
        assert "training.packing=none" in str(refused)
    for prompt in (rows[0].prompt, rows[2].prompt * 4):  # within windows, and beyond
        group = [Line(prompt, row.tokens) for row in rows]
        batches.append((group, Layout(share_prompts=True)(group, 1000, policy)))
    for given, batch in batches:
        found = forward(policy, batch).logprobs.detach()
        for row, line in zip(given, found, strict=True):
            expected = alone(policy, row.prompt, row.tokens)
            assert torch.allclose(line[: len(row.tokens)].float(), expected, atol=1e-3)


def longrope() -> Policy:
    """A model whose rotary embedding switches once a text is longer than 48 tokens."""
    torch.manual_seed(0)
    config = Phi3Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        vocab_size=104,
        max_position_embeddings=256,
        original_max_position_embeddings=48,
        initializer_range=0.3,
        bos_token_id=2,
        eos_token_id=3,
        pad_token_id=0,
        rope_parameters={
            "rope_type": "longrope",
            "rope_theta": 10000.0,
            "short_factor": [1.0] * 4,
            "long_factor": [2.0, 4.0, 8.0, 16.0],
        },
    )
    return made(Phi3ForCausalLM(config))


def test_texts_on_both_sides_of_a_switch_of_the_rotary_embedding_are_kept_apart() -> None:
    policy = longrope()
    engine = Transformers().engine(policy)
    draw = torch.Generator().manual_seed(3)
    short, long = (
        Request(f"p{n}", 0, tuple(torch.randint(16, 104, (n,), generator=draw).tolist()), n, 12)
        for n in (20, 60)
    )
    for request, answer in zip((short, long), engine.sample([short, long]), strict=True):
        expected = alone(policy, request.prompt, answer.tokens)
        assert torch.allclose(torch.tensor(answer.logprobs), expected, atol=1e-3)
    rows = [Line(request.prompt, request.prompt[:9]) for request in (short, long)]
    for row, line in zip(rows, forward(policy, collate(rows)).logprobs.detach(), strict=True):
        assert torch.allclose(line, alone(policy, row.prompt, row.tokens), atol=1e-3)


def test_a_response_that_would_cross_the_switch_is_refused_with_the_limit_to_type() -> None:
    engine = Transformers().engine(longrope())
    crossing = Request("p", 0, tuple(range(20, 50)), 0, 40)
    with pytest.raises(ModelError, match=r"longer than 48 tokens.*rollout\.max_new_tokens=18"):
        engine.sample([crossing])
