"""Time a GRPO step of etude and of TRL's GRPOTrainer side by side, alternating in one run.

    python benchmarks/grpo_step.py [--rounds 3] [--steps 3] [--prompts 8] [--group 8]

Both train the same tiny model on the same prompts with the same group size, optimizer, longest
answer (256 tokens) and one update a step, on the CPU. Before the first round the model is taught
to end its answers at random, with a mean of about a quarter of the limit, so that lengths vary as
they do in practice. Each round runs a few steps of one and then of the other from the same
weights; the first step of each is not timed. Needs the extra ``benchmarks`` (TRL).
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from etude.cli.frame import let_threads_sleep

let_threads_sleep()  # as the commands do, before torch is imported; it serves both sides

import numpy as np  # noqa: E402
import torch  # noqa: E402

LIMIT = 256
MEAN = 64


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=3)
    arguments.add_argument("--prompts", type=int, default=8)
    arguments.add_argument("--group", type=int, default=8)
    arguments.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prompts = make_model(folder / "model")
        timings: dict[str, list[dict[str, float]]] = {"trl": [], "etude": []}
        for number in range(options.rounds):
            for side, run in (("trl", run_trl), ("etude", run_etude)):
                found = run(folder / "model", prompts, options, folder / f"{side}-{number}")
                timings[side] += found
                seconds = statistics.median(step["seconds"] for step in found)
                tokens = statistics.mean(step["tokens"] for step in found)
                print(f"round {number + 1}  {side:<6} {seconds:6.2f} s/step  {tokens:7.0f} tokens")
    report(timings)
    print(f"peak memory of the process {peak():.0f} MiB; matrix products {limit():.0f} Gflop/s")


def report(timings: dict[str, list[dict[str, float]]]) -> None:
    rates: dict[str, tuple[float, float]] = {}
    for side, steps in timings.items():
        seconds = statistics.median(step["seconds"] for step in steps)
        tokens = sum(s["tokens"] for s in steps) / sum(s["seconds"] for s in steps)
        rates[side] = (1.0 / seconds, tokens)
        memory = max(step["memory"] for step in steps)
        phases = {
            name.removeprefix("seconds/"): statistics.median(s.get(name, 0.0) for s in steps)
            for name in steps[0]
            if name.startswith("seconds/")
        }
        detail = " · ".join(f"{name} {value:.2f} s" for name, value in phases.items())
        print(
            f"{side:<6} {1 / seconds:6.3f} steps/s  {tokens:8.0f} generated tokens/s  "
            f"peak {memory:.0f} MiB above the start  {detail}"
        )
    print(
        f"etude ÷ trl: {rates['etude'][0] / rates['trl'][0]:.2f} × steps/s, "
        f"{rates['etude'][1] / rates['trl'][1]:.2f} × generated tokens/s"
    )


def make_model(folder: Path) -> list[str]:
    """Write the tiny model, taught to end answers after MEAN tokens on average; return prompts."""
    from etude.model.scratch import Scratch

    policy = Scratch(max_position_embeddings=1024).create(0, torch.device("cpu"))
    generator = np.random.default_rng(0)
    prompts = [f"{a}+{b}=" for a, b in generator.integers(2, 99, (256, 2)).tolist()]
    letters = [i for i in range(3, len(policy.tokenizer)) if i not in policy.eos_ids]
    optimizer = torch.optim.AdamW(policy.model.parameters(), lr=2e-3)
    end = min(policy.eos_ids)
    context = torch.tensor(policy.encode_prompt(prompts[0]))
    for _ in range(40):
        tokens = torch.tensor(generator.choice(letters, (16, 160)))
        tokens[torch.from_numpy(generator.random((16, 160)) < 1 / MEAN)] = end
        ids = torch.cat([context.expand(16, -1), tokens], 1)
        logits = policy.model(input_ids=ids).logits[:, len(context) - 1 : -1]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    policy.save(folder)
    return prompts


def run_etude(
    model: Path, prompts: list[str], options: Any, folder: Path
) -> list[dict[str, float]]:
    """Return the timing of each timed step of the policy-gradient learner."""
    import json

    from etude.config.prepare import prepare
    from etude.learner.context import StageContext
    from etude.learner.make import make_learner

    folder.mkdir()
    rows = folder / "train.jsonl"
    rows.write_text(
        "\n".join(
            json.dumps({"id": str(i), "prompt": p, "answer": "1"}) for i, p in enumerate(prompts)
        )
        + "\n"
    )
    overrides = [
        "recipe=rl",
        "model=scratch",
        "data_mix=mix",
        "+data_mix.train.bench.source=gsm8k",
        "verifier=number",
        f"sources.gsm8k.path={rows}",
        "sources.gsm8k.answer_pattern=null",
        f"training.prompts_per_step={options.prompts}",
        f"training.rollouts_per_prompt={options.group}",
        f"rollout.max_new_tokens={LIMIT}",
        "evaluation=null",
        "execution.micro_batch_tokens=4096",
        "optimizer.lr=1e-6",
        "+reward_weighting.weights.length=0.01",
    ]
    config = prepare(overrides).runs[0][1][0].config
    learner = make_learner(config, StageContext(1, folder, {"start": model}))
    found = []
    try:
        for step in range(options.steps + 1):
            before = resident()
            begin = time.perf_counter()
            result = learner.step(step)
            seconds = time.perf_counter() - begin
            tokens = result.metrics["rollout/length"] * result.metrics["rollout/rows"]
            found.append({**result.timing, "tokens": tokens, "seconds": seconds})
            found[-1]["memory"] = max(0.0, resident() - before)
    finally:
        learner.close()
    return found[1:]


def run_trl(model: Path, prompts: list[str], options: Any, folder: Path) -> list[dict[str, float]]:
    """Return the timing of each timed step of GRPOTrainer."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    found: list[dict[str, float]] = []
    lengths: list[int] = []

    def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
        lengths.extend(len(ids) for ids in completion_ids)
        return [0.01 * len(ids) for ids in completion_ids]

    class Watch(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            lengths.clear()
            self.memory = resident()
            self.begin = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            seconds = time.perf_counter() - self.begin
            memory = max(0.0, resident() - self.memory)
            found.append({"seconds": seconds, "tokens": float(sum(lengths)), "memory": memory})

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = options.prompts * options.group
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        reward_funcs=reward,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(
            [{"prompt": [{"role": "user", "content": prompt}]} for prompt in prompts]
        ),
        callbacks=[Watch()],
        args=GRPOConfig(
            output_dir=str(folder),
            max_steps=options.steps + 1,
            per_device_train_batch_size=rows,
            num_generations=options.group,
            max_completion_length=LIMIT,
            learning_rate=1e-6,
            beta=0.0,
            temperature=1.0,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        ),
    )
    trainer.train()
    return found[1:]


def resident() -> float:
    """Return this process's resident memory, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def limit() -> float:
    """Return the machine's rate of large matrix products, Gflop/s."""
    a = torch.randn(1536, 1536)
    a @ a
    begin = time.perf_counter()
    for _ in range(5):
        a @ a
    return 5 * 2 * 1536**3 / (time.perf_counter() - begin) / 1e9


if __name__ == "__main__":
    main()
