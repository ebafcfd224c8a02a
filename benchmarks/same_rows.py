"""One training by etude and one by TRL, from the same weights on the same rows in the same order.

A :class:`Task` says which method, from which model, on which rows. :func:`by_etude` and
:func:`by_trl` train it and return what :class:`Course` holds: the model's weights at some points,
the tokens until there, what each step took, and the loss of each step. Only the training itself is
timed and its memory measured; models are measured afterwards.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

#: Rows (demonstrations, pairs, or prompts) of a step, and answers to each prompt.
ROWS = {"sft": 64, "dpo": 32, "grpo": 16}
GROUP = 8

#: Peak learning rates; all schedules are constant, Adam's decays 0.9 and 0.999, the clip 1.0.
RATES = {"sft": 1e-3, "dpo": 1e-4, "grpo": 1e-4}
BETA = 0.1
LONGEST = 40

#: Parts of a course after each of which the model is kept; the start is, too.
PARTS = {"sft": 1, "dpo": 1, "grpo": 4}

WEIGHTS = {"accuracy": 1.0, "format": 0.1}


@dataclass(frozen=True)
class Task:
    """One training: method, seed, the folder of the model, rows, and how many tokens it takes.

    ``rows`` are in the order of training: prompt and solution (sft), chosen and rejected (dpo),
    answer (grpo). Of sft and dpo there are as many as are trained on, once each; of grpo prompts
    come until ``tokens`` have been sampled.
    """

    method: str
    seed: int
    model: Path
    rows: list[dict[str, str]]
    tokens: int
    folder: Path

    def tokens_of(self, rows: list[dict[str, str]]) -> int:
        """Return the tokens that are taught of rows: a character is one, and so is the end."""
        names = {"sft": ["solution"], "dpo": ["chosen", "rejected"]}[self.method]
        return sum(len(row[name]) + 1 for row in rows for name in names)


@dataclass
class Course:
    """What a training did: at each point tokens and weights, at each step loss and seconds."""

    tokens: list[int] = field(default_factory=list)
    weights: list[dict[str, torch.Tensor]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: float = 0.0

    def keep(self, model: torch.nn.Module, tokens: int, task: Task) -> None:
        """Keep the weights where the next point has been reached."""
        parts = PARTS[task.method]
        while len(self.tokens) <= parts and tokens >= len(self.tokens) * task.tokens / parts:
            state = {name: each.detach().clone() for name, each in model.state_dict().items()}
            self.tokens.append(tokens)
            self.weights.append(state)


class Meter:
    """Seconds of each step, and the most memory above what there was when it was made."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._before = _resident()

    def begin(self) -> None:
        """Begin a step."""
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def end(self) -> None:
        """End it."""
        self._course.wall.append(time.perf_counter() - self._wall)
        self._course.processor.append(time.process_time() - self._processor)
        self._course.memory = max(self._course.memory, _resident() - self._before)


def _resident() -> float:
    """Return this process's resident memory, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def by_etude(task: Task) -> Course:
    """Train with etude."""
    from etude.config.prepare import prepare
    from etude.learner.context import StageContext
    from etude.learner.make import make_learner

    task.folder.mkdir(parents=True, exist_ok=True)
    file = task.folder / "rows.jsonl"
    lines = [json.dumps({"id": str(n), **row}) for n, row in enumerate(task.rows)]
    file.write_text("\n".join(lines) + "\n")
    source = "generated_pairs" if task.method == "dpo" else "generated"
    size = ROWS[task.method]
    steps = len(task.rows) // size if task.method != "grpo" else 100_000
    overrides = [
        "model=scratch",
        "data_mix=mix",
        f"+data_mix.train.{source}.split=train",
        "data_mix.shuffle=false",
        f"sources.{source}.path={file}",
        "evaluation=null",
        f"seed={task.seed}",
        f"training.steps={steps}",
        f"optimizer.lr={RATES[task.method]}",
        "optimizer.beta2=0.999",
        "execution.micro_batch_tokens=65536",
        "execution.entropy=false",
    ]
    overrides += {
        "sft": [
            "recipe=sft",
            "data_mix.response_template='{solution}'",
            f"training.rows_per_step={size}",
            "~sources.generated.columns.answer",
        ],
        "dpo": [
            "recipe=sft",
            "objective=dpo",
            f"objective.pair_loss.beta={BETA}",
            f"training.rows_per_step={size}",
            "~sources.generated_pairs.columns.chosen_open",
            "~sources.generated_pairs.columns.rejected_open",
            "~sources.generated_pairs.columns.answer",
        ],
        "grpo": [
            "recipe=rl",
            "objective=grpo",
            "objective.advantage=grpo_trl",
            f"training.prompts_per_step={size}",
            f"training.rollouts_per_prompt={GROUP}",
            f"rollout.max_new_tokens={LONGEST}",
            "~sources.generated.columns.solution",
            *(f"reward_weighting.weights.{name}={value}" for name, value in WEIGHTS.items()),
        ],
    }[task.method]
    config = prepare(overrides).runs[0][1][0].config
    course = Course()
    learner = make_learner(config, StageContext(task.seed, task.folder, {"start": task.model}))
    model: Any = learner.policy.model
    try:
        course.keep(model, 0, task)
        meter, tokens = Meter(course), 0
        for step in range(steps):
            meter.begin()
            metrics = learner.step(step).metrics
            meter.end()
            course.losses.append(metrics.get("loss", float("nan")))
            if task.method == "grpo":
                tokens = int(metrics["tokens/sampled"])
                course.rewards.append(metrics["reward/accuracy/raw"])
            else:
                tokens += task.tokens_of(task.rows[step * size : (step + 1) * size])
            course.keep(model, tokens, task)
            if tokens >= task.tokens:
                break
    finally:
        learner.close()
    return course


def by_trl(task: Task) -> Course:
    """Train with TRL's SFTTrainer, DPOTrainer or GRPOTrainer."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    import datasets
    import trl
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(task.model)
    model = AutoModelForCausalLM.from_pretrained(task.model)
    size = ROWS[task.method]
    rewarded = Rewarding(task, tokenizer)
    course = Course()

    class Watch(TrainerCallback):
        """Times the steps, and ends the training where all tokens have been sampled."""

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            course.keep(model, 0, task)
            self.meter, self.tokens = Meter(course), 0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.meter.begin()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            self.meter.end()
            if task.method == "grpo":
                self.tokens = rewarded.tokens
                course.rewards.append(rewarded.accuracy)
            else:
                end = state.global_step * size
                self.tokens += task.tokens_of(task.rows[end - size : end])
            course.keep(model, self.tokens, task)
            control.should_training_stop = self.tokens >= task.tokens
            return control

    common = {
        "output_dir": str(task.folder),
        "seed": task.seed,
        "learning_rate": RATES[task.method],
        "lr_scheduler_type": "constant",
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": [],
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
    }
    in_order = {"train_sampling_strategy": "sequential", "num_train_epochs": 1}
    if task.method == "sft":
        base = trl.SFTTrainer
        args = trl.SFTConfig(
            per_device_train_batch_size=size, max_length=None, **in_order, **common
        )
        rows = [_said(row["prompt"], completion=row["solution"]) for row in task.rows]
        more = {}
    elif task.method == "dpo":
        base = trl.DPOTrainer
        args = trl.DPOConfig(
            per_device_train_batch_size=size, max_length=None, beta=BETA, **in_order, **common
        )
        rows = [
            _said(row["prompt"], chosen=row["chosen"], rejected=row["rejected"])
            for row in task.rows
        ]
        more = {}
    else:
        base = trl.GRPOTrainer
        args = trl.GRPOConfig(
            per_device_train_batch_size=size * GROUP,
            num_generations=GROUP,
            max_completion_length=LONGEST,
            max_steps=100_000,
            beta=0.0,
            temperature=1.0,
            loss_type="grpo",
            shuffle_dataset=False,
            **common,
        )
        rows = [{**_said(row["prompt"]), "answer": row["answer"]} for row in task.rows]
        more = {"reward_funcs": rewarded}

    class Told(base):  # type: ignore[misc, valid-type]
        """Keeps the loss of each step."""

        def training_step(self, *args: Any, **kwargs: Any) -> Any:
            loss = super().training_step(*args, **kwargs)
            course.losses.append(float(loss))
            return loss

    Told(
        model=model,
        args=args,
        processing_class=tokenizer,
        train_dataset=datasets.Dataset.from_list(rows),
        callbacks=[Watch()],
        **more,
    ).train()
    return course


def _said(prompt: str, **answers: str) -> dict[str, list[dict[str, str]]]:
    """Return a prompt and answers to it as conversations, which the chat template renders."""
    row = {"prompt": [{"role": "user", "content": prompt}]}
    for name, text in answers.items():
        row[name] = [{"role": "assistant", "content": text}]
    return row


class Rewarding:
    """The reward of etude's verifier ``number`` as TRL calls it, and what it has seen."""

    __name__ = "number"

    def __init__(self, task: Task, tokenizer: Any) -> None:
        self._task = task
        self._tokenizer = tokenizer
        self.tokens = 0
        self.accuracy = 0.0

    def __call__(self, completion_ids: list[list[int]], answer: list[str], **_: Any) -> list[float]:
        """Return the reward of each answer."""
        from etude.rows import Candidate, StopReason
        from etude.verifier.number import Number

        end = self._tokenizer.eos_token_id
        candidates = []
        for number, (ids, right) in enumerate(zip(completion_ids, answer, strict=True)):
            ended = ids[-1:] == [end]
            text = self._tokenizer.decode(ids[:-1] if ended else ids, skip_special_tokens=False)
            reason = StopReason.STOP if ended else StopReason.LENGTH
            columns = {"answer": right}
            candidates.append(Candidate("", number, "", text, columns, reason, len(ids)))
        self.tokens += sum(len(ids) for ids in completion_ids)
        verdicts = Number().verdicts(candidates)
        self.accuracy = sum(verdict.parts["accuracy"] for verdict in verdicts) / len(verdicts)
        return [
            sum(weight * verdict.parts[name] for name, weight in WEIGHTS.items())
            for verdict in verdicts
        ]


def measured(task: Task, course: Course, levels: list[int]) -> Iterator[dict[str, float]]:
    """Yield the metrics of the model at each point, over held-out problems of some levels."""
    from etude.config.prepare import prepare
    from etude.learner.context import StageContext
    from etude.learner.make import make_learner

    overrides = [
        "recipe=rl",
        "model=scratch",
        f"data_mix.train.arithmetic.levels={levels}",
        f"data_mix.held_out.arithmetic.levels={levels}",
        f"rollout.max_new_tokens={LONGEST}",
        "evaluation.problems=150",
        "evaluation.samples=2",
        "evaluation.bootstrap=0",
    ]
    config = prepare([word.replace(" ", "") for word in overrides]).runs[0][1][0].config
    learner = make_learner(config, StageContext(1, task.folder, {"start": task.model}))
    model: Any = learner.policy.model
    try:
        for state in course.weights:
            model.load_state_dict(state)
            learner.sync()  # what samples has weights of its own
            found, _ = learner.evaluate()
            yield {name: each["value"] for name, each in found["metrics"].items()}
    finally:
        learner.close()
