"""Tokens a second of etude's rollout engine beside transformers' ``generate``, in one run.

    python benchmarks/rollout.py [--rows 64 128 256] [--group 8] [--rounds 3] [--threads 2]

Both sample from the same tiny model, the same prompts and the same distribution, up to 256 tokens
a row. The end-of-text token's embedding is set so that answers end at random with a mean of about
64 tokens, as lengths vary in practice. The two take turns, and each figure is the median of the
rounds. Tokens are those of answers up to their end; what ``generate`` computes beyond is waste.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from etude.model.policy import Policy
from etude.model.scratch import Scratch
from etude.randomness import row_seed
from etude.rollout.transformers import Transformers
from etude.rows import Request

LIMIT = 256
MEAN = 64


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, nargs="+", default=[64, 128, 256])
    arguments.add_argument("--group", type=int, default=8)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    policy = make_policy()
    engine = Transformers(max_new_tokens=LIMIT).engine(policy)
    print(f"{'rows':>5} {'mean length':>12} {'etude':>14} {'generate':>14} {'ratio':>7}")
    for rows in options.rows:
        requests = make_requests(policy, rows, options.group)
        lengths: list[int] = []

        def mine(requests: list[Request] = requests, lengths: list[int] = lengths) -> int:
            answers = engine.sample(requests)
            lengths[:] = [len(answer.tokens) for answer in answers]
            return sum(lengths)

        def theirs(requests: list[Request] = requests) -> int:
            return generate(policy, requests)

        rates = alternate([mine, theirs], options.rounds)
        own, other = rates
        print(
            f"{rows:>5} {statistics.mean(lengths):>12.1f} {own:>8.0f} tok/s {other:>8.0f} tok/s"
            f" {own / other:>7.2f}"
        )


def make_policy() -> Policy:
    """Return the tiny model, its end-of-text token about as likely as 1 in MEAN at every step."""
    policy = Scratch(tie_embeddings=False).create(1, torch.device("cpu"))
    policy.freeze()
    head = policy.causal_lm.lm_head.weight
    end = policy.tokenizer.eos_token_id
    with torch.no_grad():
        # A row of zeros has logit 0; the others are scaled until its share is 1 in MEAN.
        head[end] = 0.0
        ids = torch.randint(7, len(policy.tokenizer), (16, 128))
        states = policy.states(input_ids=ids, use_cache=False)
        low, high = 0.0, 20.0
        for _ in range(40):
            scale = (low + high) / 2
            share = torch.softmax(policy.logits_of(states) * scale, -1)[..., end].mean()
            low, high = (scale, high) if share > 1 / MEAN else (low, scale)
        head.mul_(scale)
    return policy


def make_requests(policy: Policy, rows: int, group: int) -> list[Request]:
    prompts = [policy.encode_prompt(f"Add {i * 7} and {i * i + 3}.") for i in range(rows // group)]
    return [
        Request(str(i), index, prompt, row_seed(1, 0, str(i), index), LIMIT)
        for i, prompt in enumerate(prompts)
        for index in range(group)
    ]


@torch.inference_mode()
def generate(policy: Policy, requests: list[Request]) -> int:
    """Sample with ``generate``, as trainers built on it do; return the tokens up to each end."""
    width = max(len(request.prompt) for request in requests)
    pad = policy.pad_id
    ids = torch.tensor([[pad] * (width - len(r.prompt)) + list(r.prompt) for r in requests])
    start = torch.tensor([width - len(r.prompt) for r in requests]).unsqueeze(-1)
    out = policy.model.generate(
        input_ids=ids,
        attention_mask=(torch.arange(width) >= start).long(),
        do_sample=True,
        top_k=0,
        top_p=1.0,
        temperature=1.0,
        max_new_tokens=LIMIT,
        pad_token_id=pad,
    )[:, width:]
    ended = (out == policy.tokenizer.eos_token_id).long().cumsum(-1)
    return int(((ended == 0) | ((ended == 1) & (out == policy.tokenizer.eos_token_id))).sum())


def alternate(sides: list[Callable[[], int]], rounds: int) -> list[float]:
    """Return the median tokens a second of each side, taking turns after one untimed round."""
    rates: list[list[float]] = [[] for _ in sides]
    for number in range(rounds + 1):
        for side, seen in zip(sides, rates, strict=True):
            began = time.perf_counter()
            tokens = side()
            if number:
                seen.append(tokens / (time.perf_counter() - began))
    return [statistics.median(seen) for seen in rates]


if __name__ == "__main__":
    main()
