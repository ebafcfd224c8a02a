"""vLLM beside a trainer on a CPU: log-probs, weights, what ends rows, failures, distributions."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from etude.errors import EngineError
from etude.learner.forward import score
from etude.model.lora import Lora, attach
from etude.model.scratch import Scratch
from etude.rollout.transformers import Transformers
from etude.rollout.vllm import Vllm
from etude.rows import Request, StopReason

CPU = torch.device("cpu")
SIZES = {"hidden_size": 64, "layers": 2, "heads": 2, "max_position_embeddings": 192}


def policy_of(seed=1, **more):
    """A model that is no longer random: its weights are wide enough to tell tokens apart."""
    policy = Scratch(**{**SIZES, **more}).create(seed, CPU)
    moved(policy, 0.25, seed)
    return policy


def moved(policy, by, seed):
    """Move every matrix of the model itself by noise of this size."""
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.causal_lm.parameters():
            if parameter.dim() > 1:
                parameter += by * torch.randn(parameter.shape, generator=drawn)


@pytest.fixture(scope="module")
def engine():
    policy = policy_of()
    opened = Vllm(max_new_tokens=24).engine(policy)
    opened.policy = policy
    yield opened
    opened.close()


def requests_of(policy, prompts=6, group=4, limit=24):
    return [
        Request(f"p{i}", g, policy.encode_prompt(f"What is {i} + {7 * i}?"), 1000 * i + g, limit)
        for i in range(prompts)
        for g in range(group)
    ]


@dataclass
class Known:
    prompt: tuple[int, ...]
    tokens: tuple[int, ...]

    @property
    def loss_mask(self):
        return [1] * len(self.tokens)


def apart(policy, requests, answers, temperature=1.0):
    """The largest difference between the engine's log-probs and the trainer's."""
    rows = [Known(r.prompt, a.tokens) for r, a in zip(requests, answers, strict=True)]
    known = score(policy, rows, token_budget=1 << 20, temperature=temperature)
    pairs = [
        (x, y)
        for answer, line in zip(answers, known, strict=True)
        for x, y in zip(answer.logprobs, line, strict=True)
    ]
    return max(abs(x - y) for x, y in pairs)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probs_are_the_trainers(engine, temperature):
    requests = requests_of(engine.policy)
    answers = engine.sample(requests, temperature=temperature)
    assert apart(engine.policy, requests, answers, temperature) < 1e-4
    heads = [replace(r, prefix=tuple(engine.policy.encode_text("so 1"))) for r in requests]
    forced = engine.sample(heads, temperature=temperature)
    assert all(a.tokens[:4] == r.prefix for a, r in zip(forced, heads, strict=True))
    assert apart(engine.policy, heads, forced, temperature) < 1e-4


def test_rows_depend_on_their_seeds_and_on_nothing_beside_them(engine):
    requests = requests_of(engine.policy)
    answers = engine.sample(requests)
    assert engine.sample(requests) == answers
    same_rows(engine.sample(requests[::-1])[::-1], answers)
    same_rows([engine.sample([each])[0] for each in requests[:3]], answers[:3])
    assert len({answer.tokens for answer in answers}) > len(answers) // 2


def same_rows(found, wanted):
    """Rows have the same tokens; log-probs are alike up to rounding, whatever is sampled beside."""
    assert [each.tokens for each in found] == [each.tokens for each in wanted]
    assert [each.stop_reason for each in found] == [each.stop_reason for each in wanted]
    pairs = [np.concatenate([each.logprobs for each in rows]) for rows in (found, wanted)]
    assert np.abs(pairs[0] - pairs[1]).max() < 1e-4


def test_the_likeliest_tokens_and_what_ends_rows_are_those_of_the_built_in_engine(engine):
    policy = engine.policy
    token = policy.encode_text("e")[0]
    component = Vllm(max_new_tokens=24, stop=["7", "an"], stop_token_ids=[token])
    mine = engine.sampling_as(component)
    other = Transformers(max_new_tokens=24, stop=["7", "an"], stop_token_ids=[token]).engine(policy)
    requests = requests_of(policy, prompts=40, group=1)
    found, wanted = (each.sample(requests, temperature=0.0) for each in (mine, other))
    same_rows(found, wanted)
    drawn = mine.sample(requests)
    ends = {StopReason.STOP, StopReason.STRING, StopReason.LENGTH}
    assert {each.stop_reason for each in drawn} == ends
    for answer in drawn:
        text = policy.rendered(answer.tokens)
        last = policy.rendered(answer.tokens[:-1])
        assert "7" not in last and "an" not in last
        assert ("7" in text or "an" in text) == (answer.stop_reason is StopReason.STRING)


def test_both_engines_draw_from_one_distribution():
    """Chi-square over the first two tokens of many answers to one prompt, a tiny vocabulary."""
    policy = policy_of(seed=3)
    prompt = policy.encode_prompt("2+2=")
    requests = [Request("p", g, prompt, 7919 * g, 2) for g in range(4000)]
    engines = [Vllm(max_new_tokens=2).engine(policy), Transformers(max_new_tokens=2).engine(policy)]
    counted = []
    for engine in engines:
        counted.append(Counter(answer.tokens for answer in engine.sample(requests)))
        engine.close()
    assert agree(*counted) > 0.001
    tilted = Transformers(max_new_tokens=2, temperature=0.9).engine(policy).sample(requests)
    assert agree(counted[0], Counter(answer.tokens for answer in tilted)) < 1e-6  # it can fail


def agree(one, other):
    """The p-value of two counts being of one distribution; rare outcomes are one."""
    often = [key for key in one | other if one[key] + other[key] >= 20]
    table = [[counts[key] for key in often] for counts in (one, other)]
    for line, counts in zip(table, (one, other), strict=True):
        line.append(sum(counts.values()) - sum(line))
    seen = np.array(table, dtype=float)
    seen = seen[:, seen.sum(0) > 0]
    expected = seen.sum(1, keepdims=True) * seen.sum(0) / seen.sum()
    statistic = torch.tensor(((seen - expected) ** 2 / expected).sum())
    freedom = torch.tensor(float(seen.shape[1] - 1), dtype=torch.float64)
    return float(torch.special.gammaincc(freedom / 2, statistic / 2))


@pytest.mark.parametrize("tied", [True, False])
def test_weights_go_over_whole_and_equal_a_fresh_engine_to_the_bit(tied):
    policy = policy_of(tie_embeddings=tied)
    requests = requests_of(policy)
    engine = Vllm(max_new_tokens=24).engine(policy)
    try:
        assert engine.kept._probe._sums
        before = engine.sample(requests)
        moved(policy, 0.02, 5)
        engine.sync(policy)
        after = engine.sample(requests)
    finally:
        engine.close()
    assert before != after and apart(policy, requests, after) < 1e-4
    fresh = Vllm(max_new_tokens=24).engine(policy)
    try:
        assert fresh.sample(requests) == after
    finally:
        fresh.close()


def test_an_adapter_is_merged_into_what_the_engine_gets():
    pytest.importorskip("peft")
    policy = policy_of()
    policy = replace(policy, model=attach(policy.model, Lora(rank=4)))
    requests = requests_of(policy)
    engine = Vllm(max_new_tokens=24).engine(policy)
    try:
        plain = engine.sample(requests)
        with torch.no_grad():
            for parameter in policy.trainable_parameters():
                parameter += 0.1 * torch.randn(
                    parameter.shape, generator=torch.Generator().manual_seed(1)
                )
        engine.sync(policy)
        answers = engine.sample(requests)
    finally:
        engine.close()
    assert plain != answers and apart(policy, requests, answers) < 1e-4


def test_an_engine_that_is_killed_in_the_middle_goes_on_with_the_same_rows(engine, capfd):
    requests = requests_of(engine.policy, prompts=40)
    wanted = engine.sample(requests)
    told = []

    class Killing:
        def ended(self, found):
            if not told:
                os.kill(engine.kept._link.pid, signal.SIGKILL)
            told.extend(place for place, _ in found)

        def meanwhile(self):
            pass

    same_rows(engine.sample(requests, watch=Killing()), wanted)
    assert sorted(told) == list(range(len(requests)))
    assert "was killed by SIGKILL when asked to sample; it is started" in capfd.readouterr().err


@pytest.mark.parametrize("skipped", ["sync", "matrix", "cache"])
def test_an_engine_that_is_stale_is_caught(engine, monkeypatch, skipped):
    """Last in the file, since the engine is of no use to others behind it."""
    link, written = engine.kept._link, engine.kept._checkpoints.write
    before = {name: each.clone() for name, each in engine.policy.model.named_parameters()}
    monkeypatch.setattr(engine.kept._probe, "_sums", False)  # by its log-probs alone
    if skipped == "sync":
        held = link.load(engine.kept._checkpoints.last)
        monkeypatch.setattr(link, "load", lambda folder: held)
    if skipped == "cache":
        monkeypatch.setattr(link, "forget", lambda: None)
    if skipped == "matrix":

        def write(policy):
            name = "model.layers.1.mlp.down_proj.weight"
            matrix = policy.model.get_parameter(name)
            now = matrix.data.clone()
            matrix.data.copy_(before[name])
            folder = written(policy)
            matrix.data.copy_(now)
            return folder

        monkeypatch.setattr(engine.kept._checkpoints, "write", write)
    moved(engine.policy, 0.02, 9)
    said = {"sync": "has log-prob", "matrix": "has log-prob", "cache": "from its cache"}[skipped]
    try:
        with pytest.raises(EngineError, match=said):
            engine.sync(engine.policy)
    finally:
        monkeypatch.undo()
        engine.sync(engine.policy)
