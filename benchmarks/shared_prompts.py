"""Time one update that computes each prompt once, once for each answer, and by TRL, alternating.

    python benchmarks/shared_prompts.py [--model FOLDER] [--prompts 256] [--answers 64] [--group 8]

All three take the same rows and the same GRPO loss with clipped ratios through a forward and a
backward pass of one model (its own weights, or random ones), with entropies as both log them, and
come to one gradient, which is compared. Times are medians over the rounds, ratios those of rounds.
TRL takes part where it is installed (the extra ``benchmarks``).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.cli.frame import let_threads_sleep

let_threads_sleep()  # as the commands do, before torch is imported; it serves all sides

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from etude.learner.forward import forward  # noqa: E402
from etude.learner.layout import Layout  # noqa: E402
from etude.model.policy import Policy  # noqa: E402


@dataclass(frozen=True)
class Line:
    """A prompt and an answer to it, all of which is trained."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]

    @property
    def loss_mask(self) -> list[int]:
        return [1] * len(self.tokens)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, help="a folder; without it random weights")
    parser.add_argument("--hidden", type=int, default=256, help="width of the random model")
    parser.add_argument("--layers", type=int, default=6, help="layers of the random model")
    parser.add_argument("--prompts", type=int, default=256, help="tokens of a prompt")
    parser.add_argument("--answers", type=int, default=64, help="tokens of an answer")
    parser.add_argument("--groups", type=int, default=2, help="prompts of an update")
    parser.add_argument("--group", type=int, default=8, help="answers to a prompt")
    parser.add_argument("--budget", type=int, default=4096, help="tokens of a micro-batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    policy = opened(options)
    rows, advantages = sampled(policy, options)
    with tempfile.TemporaryDirectory() as folder:
        sides: dict[str, Callable[[], None]] = {
            name: by_etude(policy, rows, advantages, options.budget, share=share)
            for name, share in (("plain", False), ("shared", True))
        }
        if importlib.util.find_spec("trl") is not None:
            sides["trl"] = by_trl(policy, rows, advantages, options, Path(folder))
        compare(policy, sides, options.rounds)


def compare(policy: Policy, sides: dict[str, Callable[[], None]], rounds: int) -> None:
    """Run the sides in turn and print times, ratios of each round, and how gradients differ."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    gradients: dict[str, Tensor] = {}
    for number in range(rounds + 1):
        for name, update in sides.items():
            policy.model.zero_grad(set_to_none=True)
            begin = time.perf_counter()
            update()
            if policy.device.type == "cuda":
                torch.cuda.synchronize()
            if number:  # the first round warms up and tries how the model reads
                seconds[name].append(time.perf_counter() - begin)
            gradients[name] = torch.cat(
                [p.grad.flatten() for p in policy.trainable_parameters() if p.grad is not None]
            )
    for name, times in seconds.items():
        off = (gradients[name] - gradients["plain"]).norm() / gradients["plain"].norm()
        print(
            f"{name:<7} {statistics.median(times):7.3f} s an update, "
            f"{min(times):.3f} to {max(times):.3f}; gradient differs by {float(off):.1e}"
        )
    for name in [name for name in sides if name != "shared"]:
        ratios = [a / b for a, b in zip(seconds[name], seconds["shared"], strict=True)]
        print(
            f"{name} ÷ shared: {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} rounds)"
        )


def opened(options: Any) -> Policy:
    """Return the model, on the GPU where there is one."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if options.model is not None:
        from etude.model.loading import Settings, load_policy

        return load_policy(str(options.model), device, Settings())
    from etude.model.scratch import Scratch

    heads = max(1, options.hidden // 64)
    scratch = Scratch(
        hidden_size=options.hidden,
        layers=options.layers,
        heads=heads,
        kv_heads=heads,
        intermediate_size=3 * options.hidden,
    )
    return scratch.create(0, device)


def sampled(policy: Policy, options: Any) -> tuple[list[Line], Tensor]:
    """Return random rows, group after group, and advantages that sum to 0 in each."""
    draw = torch.Generator().manual_seed(0)
    high = policy.causal_lm.config.get_text_config().vocab_size

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(7, high, (count,), generator=draw).tolist())

    rows = []
    for _ in range(options.groups):
        prompt = tokens(options.prompts)
        rows += [Line(prompt, tokens(options.answers)) for _ in range(options.group)]
    advantages = torch.randn(options.groups, options.group, generator=draw)
    return rows, (advantages - advantages.mean(-1, keepdim=True)).flatten().to(policy.device)


def by_etude(
    policy: Policy, rows: list[Line], advantages: Tensor, budget: int, *, share: bool
) -> Callable[[], None]:
    """Return an update's passes as the policy-gradient learner makes them."""

    def update() -> None:
        layout = Layout(share_prompts=share)
        for part in layout.cut(rows, budget, policy):
            batch = layout([rows[i] for i in part], budget, policy)
            passed = forward(policy, batch)
            logprobs = passed.logprobs
            with torch.no_grad():
                passed.entropy()
            ratio = torch.exp(logprobs - logprobs.detach())
            own = advantages[part].unsqueeze(-1)
            gain = torch.minimum(ratio * own, ratio.clamp(0.8, 1.2) * own)
            mask = batch.mask.to(policy.device)
            loss = -((gain * mask).sum(-1) / mask.sum(-1)).sum() / len(rows)
            loss.backward()

    return update


def by_trl(
    policy: Policy, rows: list[Line], advantages: Tensor, options: Any, folder: Path
) -> Callable[[], None]:
    """Return the passes that ``GRPOTrainer`` makes of the same rows, of as many tokens each."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    many = max(1, options.budget // (options.prompts + options.answers))
    trainer = GRPOTrainer(
        model=policy.causal_lm,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        processing_class=policy.tokenizer,
        train_dataset=Dataset.from_list([{"prompt": "1+1="}] * options.group),
        args=GRPOConfig(
            output_dir=str(folder),
            per_device_train_batch_size=options.group,
            num_generations=options.group,
            max_completion_length=options.answers,
            loss_type="grpo",
            beta=0.0,
            temperature=1.0,
            use_cpu=policy.device.type == "cpu",
            bf16=False,
            gradient_checkpointing=False,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
        ),
    )
    trainer.current_gradient_accumulation_steps = 1
    prompts = torch.tensor([row.prompt for row in rows], device=policy.device)
    answers = torch.tensor([row.tokens for row in rows], device=policy.device)
    policy.model.train()

    def update() -> None:
        for start in range(0, len(rows), many):
            part = slice(start, start + many)
            inputs = {
                "prompt_ids": prompts[part],
                "prompt_mask": torch.ones_like(prompts[part]),
                "completion_ids": answers[part],
                "completion_mask": torch.ones_like(answers[part]),
                "advantages": advantages[part],
                "num_items_in_batch": answers[part].numel(),
            }
            share = len(prompts[part]) / len(rows)
            (share * trainer.compute_loss(policy.causal_lm, inputs)).backward()

    return update


if __name__ == "__main__":
    main()
