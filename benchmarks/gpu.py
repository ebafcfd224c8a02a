"""What a machine with one GPU makes of a step: SFT and GRPO, compiled and not, beside TRL.

    python benchmarks/gpu.py                        # 0.5B and 1.5B, at most 8 minutes, no network
    python benchmarks/gpu.py --sizes tiny --minutes 3   # the same on a CPU, to try it
    python benchmarks/gpu.py --json gpu.json            # what was found, for later

Models have the sizes of Qwen2.5 and random weights, so nothing is downloaded; they never end an
answer by themselves, and every step is of the same size. Each case runs in a process of its own:
its memory is its own, and one that fails costs no other. Cases are taken in the order of what they
tell; one for which no time is left is named. Without TRL (extra ``benchmarks``) its side is left
out. Tokens are those sampled (GRPO) or those of demonstrations (SFT); memory is the most that was
allocated on the GPU, or resident on a CPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

#: Seconds under which no case is begun: imports and weights alone take as long.
LEAST = 25.0


@dataclass(frozen=True)
class Size:
    """A model's shape, and how much work a step is (counts of rows, lengths in tokens)."""

    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    intermediate_size: int
    vocabulary: int
    prompts: int = 8
    group: int = 8
    prompt: int = 128
    answer: int = 128
    rows: int = 16
    row: int = 512


SIZES = {
    "tiny": Size(64, 2, 4, 2, 128, 1000, prompts=2, group=4, prompt=16, answer=8, rows=4, row=32),
    "0.5b": Size(896, 24, 14, 2, 4864, 151_936),
    "1.5b": Size(1536, 28, 12, 2, 8960, 151_936),
}


@dataclass(frozen=True)
class Case:
    """One measurement."""

    size: str
    method: str
    side: str
    compiled: bool = False

    @property
    def name(self) -> str:
        return f"{self.size} {self.method} {self.side}" + (" compiled" if self.compiled else "")


@dataclass(frozen=True)
class Step:
    """One step: how long it took, its tokens, and the seconds of its phases."""

    seconds: float
    tokens: float
    phases: dict[str, float]


@dataclass
class Found:
    """What a case came to: seconds of the timed steps, tokens a step, GiB, seconds of phases."""

    seconds: list[float]
    tokens: float
    memory: float
    phases: dict[str, float]


def main() -> None:
    """Measure every case that there is time for, and print what they came to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["0.5b", "1.5b"])
    parser.add_argument("--minutes", type=float, default=8.0, help="after which all is over")
    parser.add_argument("--steps", type=int, default=3, help="steps that are timed")
    parser.add_argument("--json", type=Path, help="where to write what was found")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case is not None:
        found = measure(Case(**json.loads(args.case)), args.folder, args.steps)
        print(json.dumps(asdict(found)))
        return
    end = time.monotonic() + 60 * args.minutes
    with tempfile.TemporaryDirectory() as name:
        results = dict(all_of(list(cases(args.sizes)), Path(name), args.steps, end))
    print(shown(results))
    if args.json is not None:
        told = {case.name: asdict(found) for case, found in results.items()}
        args.json.write_text(json.dumps(told, indent=1) + "\n")


def cases(sizes: list[str]) -> Iterator[Case]:
    """Yield the cases of some sizes, those that tell most first."""
    sides = ["etude", *(["trl"] if importlib.util.find_spec("trl") is not None else [])]
    for size in sizes:
        yield from (Case(size, method, side) for method in ("grpo", "sft") for side in sides)
    for size in sizes:
        yield from (Case(size, method, "etude", compiled=True) for method in ("sft", "grpo"))


def all_of(
    wanted: list[Case], folder: Path, steps: int, end: float
) -> Iterator[tuple[Case, Found]]:
    """Yield what each case came to, until the time is over."""
    for case in wanted:
        left = end - time.monotonic()
        if left < LEAST:
            print(f"{case.name:<28} left out: no time", flush=True)
            continue
        command = [sys.executable, __file__, "--case", json.dumps(asdict(case))]
        command += ["--folder", str(folder), "--steps", str(steps)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=left)
        except subprocess.TimeoutExpired:
            print(f"{case.name:<28} was cut short: no time", flush=True)
            continue
        if done.returncode != 0:
            why = (done.stderr.strip().splitlines() or ["?"])[-1]
            print(f"{case.name:<28} failed: {why}", flush=True)
            continue
        found = Found(**json.loads(done.stdout.splitlines()[-1]))
        print(f"{case.name:<28} {median(found.seconds):7.3f} s/step", flush=True)
        yield case, found


def shown(results: dict[Case, Found]) -> str:
    """Return a table of all cases, and how etude stands to TRL where both are there."""
    columns: dict[str, list[str]] = {"s/step": [], "tokens/s": [], "GiB": [], "phases": []}
    ratios = []
    for case, found in results.items():
        seconds = median(found.seconds)
        columns["s/step"].append(f"{seconds:.3f}")
        columns["tokens/s"].append(f"{found.tokens / seconds:,.0f}")
        columns["GiB"].append(f"{found.memory:.2f}")
        phases = (f"{name} {value:.2f}" for name, value in found.phases.items() if value >= 0.005)
        columns["phases"].append(" · ".join(phases))
        other = results.get(Case(case.size, case.method, "trl"))
        if case.side == "etude" and other is not None:
            ratio = median(other.seconds) / seconds * found.tokens / other.tokens
            ratios.append(f"{case.name} ÷ trl: {ratio:.2f} × tokens/s")
    lines = [f"| | {' | '.join(columns)} |", f"|{' --- |' * (len(columns) + 1)}"]
    for place, case in enumerate(results):
        lines.append(f"| {case.name} | {' | '.join(each[place] for each in columns.values())} |")
    return "\n".join([*lines, "", *ratios])


def measure(case: Case, folder: Path, steps: int) -> Found:
    """Run one case in this process; the first steps are not timed (compiling takes two)."""
    model = folder / case.size
    if not model.exists():
        make_model(SIZES[case.size], model)
    own = folder / case.name.replace(" ", "-")
    own.mkdir()
    before = 2 if case.compiled else 1
    run = by_etude if case.side == "etude" else by_trl
    taken = run(case, model, own, steps + before)[before:]
    phases = {key: median(step.phases[key] for step in taken) for key in taken[0].phases}
    tokens = median(step.tokens for step in taken)
    return Found([step.seconds for step in taken], tokens, peak(), phases)


def now() -> float:
    """Return the clock once the GPU has done what it was given, seconds."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def peak() -> float:
    """Return the most memory that this process had, GiB."""
    import resource

    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated() / 2**30)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def make_model(size: Size, folder: Path) -> None:
    """Write random weights, and a tokenizer that has a word for each token."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<pad>", "<end>", "<unk>"]
    words = [*special, *(f"w{n}" for n in range(size.vocabulary - len(special)))]
    plain = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, "<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    plain.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="<end>", unk_token="<unk>"
    )
    tokenizer.chat_template = (
        "{% for message in messages %}{{ message['content'] }}"
        "{% if message['role'] == 'assistant' %} <end>{% endif %} {% endfor %}"
    )
    config = LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.hidden_size,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.kv_heads,
        intermediate_size=size.intermediate_size,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        max_position_embeddings=4096,
    )
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def texts(size: Size, count: int, words: int, seed: int) -> list[str]:
    """Return texts of so many words each."""
    import numpy as np

    drawn = np.random.default_rng(seed).integers(0, size.vocabulary - 3, (count, words))
    return [" ".join(f"w{n}" for n in row) for row in drawn]


def demonstrations(size: Size, steps: int) -> list[dict[str, str]]:
    """Return rows of a quarter of prompt and three of solution, as many as the steps take."""
    count, part = size.rows * steps, size.row // 4
    asked, said = texts(size, count, part, 1), texts(size, count, size.row - part - 1, 2)
    return [{"prompt": p, "solution": s} for p, s in zip(asked, said, strict=True)]


def by_etude(case: Case, model: Path, folder: Path, steps: int) -> list[Step]:
    """Take steps with etude."""
    from etude.config.prepare import prepare
    from etude.learner.context import StageContext
    from etude.learner.make import make_learner

    size = SIZES[case.size]
    if case.method == "sft":
        rows = demonstrations(size, steps)
    else:
        rows = [
            {"prompt": text, "answer": "1"}
            for text in texts(size, size.prompts * steps, size.prompt, 3)
        ]
    file = folder / "rows.jsonl"
    lines = [json.dumps({"id": str(n), **row}) for n, row in enumerate(rows)]
    file.write_text("\n".join(lines) + "\n")
    overrides = [
        "model=pretrained",
        f"model.path={model}",
        f"model.compile={str(case.compiled).lower()}",
        "data_mix=mix",
        "+data_mix.train.generated.split=train",
        f"sources.generated.path={file}",
        "evaluation=null",
        "execution.entropy=false",
        f"training.steps={steps}",
        "optimizer.lr=1e-6",
    ]
    overrides += {
        "sft": [
            "recipe=sft",
            "data_mix.response_template='{solution}'",
            f"training.rows_per_step={size.rows}",
            "~sources.generated.columns.answer",
        ],
        "grpo": [
            "recipe=rl",
            f"training.prompts_per_step={size.prompts}",
            f"training.rollouts_per_prompt={size.group}",
            f"rollout.max_new_tokens={size.answer}",
            f"verifier={Path(__file__)}:half",
            "~sources.generated.columns.solution",
        ],
    }[case.method]
    config = prepare(overrides).runs[0][1][0].config
    learner = make_learner(config, StageContext(1, folder, {"start": model}))
    taken = []
    try:
        for number in range(steps):
            begin = now()
            result = learner.step(number)
            seconds = now() - begin
            tokens = float(size.rows * size.row)
            if case.method == "grpo":
                tokens = result.metrics["rollout/length"] * result.metrics["rollout/rows"]
            head = "seconds/"
            phases = {k.removeprefix(head): v for k, v in result.timing.items() if head in k}
            taken.append(Step(seconds, tokens, phases))
    finally:
        learner.close()
    return taken


def by_trl(case: Case, model: Path, folder: Path, steps: int) -> list[Step]:
    """Take the same steps with TRL: float32 weights, on a GPU with compute in bfloat16."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    import datasets
    import torch
    import trl
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

    datasets.disable_progress_bars()
    size = SIZES[case.size]
    gpu = torch.cuda.is_available()
    taken: list[Step] = []

    class Watch(TrainerCallback):
        """Times the steps."""

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.begin = now()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            taken.append(Step(now() - self.begin, tokens, {}))

    common = {
        "output_dir": str(folder),
        "max_steps": steps,
        "learning_rate": 1e-6,
        "use_cpu": not gpu,
        "bf16": gpu,
        "gradient_checkpointing": False,
        "report_to": [],
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
    }
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(model)
    if case.method == "sft":
        rows = [
            {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "completion": [{"role": "assistant", "content": row["solution"]}],
            }
            for row in demonstrations(size, steps)
        ]
        args = trl.SFTConfig(per_device_train_batch_size=size.rows, max_length=None, **common)
        more: dict[str, Any] = {}
        base, tokens = trl.SFTTrainer, float(size.rows * size.row)
    else:
        rows = [
            {"prompt": [{"role": "user", "content": text}]}
            for text in texts(size, size.prompts * steps, size.prompt, 3)
        ]
        args = trl.GRPOConfig(
            per_device_train_batch_size=size.prompts * size.group,
            num_generations=size.group,
            max_completion_length=size.answer,
            beta=0.0,
            temperature=1.0,
            **common,
        )
        more = {"reward_funcs": by_turns}
        base, tokens = trl.GRPOTrainer, float(size.prompts * size.group * size.answer)
    base(
        model=loaded,
        args=args,
        processing_class=tokenizer,
        train_dataset=datasets.Dataset.from_list(rows),
        callbacks=[Watch()],
        **more,
    ).train()
    return taken


def half(response: str) -> dict[str, float]:
    """Reward half of the answers, as :func:`by_turns` does for TRL."""
    return {"accuracy": float(len(response) % 2)}


def by_turns(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """Reward half of the answers: those of random weights differ in nothing that earns one."""
    return [float(sum(ids) % 2) for ids in completion_ids]


if __name__ == "__main__":
    main()
