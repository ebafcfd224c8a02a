"""What a stage will need, guessed before it runs: memory, time and disk.

Everything here is an estimate from sizes and a few stated assumptions; nothing imports torch.
Memory is that of the largest moment of a step. Time is floating-point operations (6 a parameter and
token trained, 2 read) over a rate, which an earlier stage of the same kind measures if there is
one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etude.component import BESIDE
from etude.config import environment
from etude.config.needs import gives, walk
from etude.errors import ModelError
from etude.plan.answers import answers
from etude.plan.earlier import EarlierStages
from etude.plan.others import Other, others_of, parameters
from etude.plan.quantities import duration, size
from etude.plan.shape import (
    Shape,
    shape_of_config,
    shape_of_folder,
    size_in_name,
    stored_parameters,
)
from etude.schema import LearnerInfo, Schema

Config = Mapping[str, Any]

#: Sustained operations a second assumed where nothing was measured: of a CPU thread, of a GPU.
ASSUMED_RATE = {"cpu": 3.0e10, "cuda": 1.0e14}
#: Seconds of a decoding step that do not shrink with the model (launching its kernels), a layer.
DECODE_OVERHEAD = {"cpu": 4e-4, "cuda": 3e-4}
#: Tokens of a prompt where nothing says how long prompts are; answers cut shorter go with shorter.
LONGEST_ASSUMED_PROMPT = 128
_NOWHERE = "nowhere: "
#: Bytes of one line of samples.jsonl beside its text.
_SAMPLE_LINE = 400


@dataclass(frozen=True)
class Memory:
    """Bytes at the largest moment of a step, by what holds them.

    ``weights`` are those of every model; ``others`` is the part of each model beside the policy.
    ``engine`` is what samples beside the trainer: its weights and cache, and the checkpoint that it
    reads them from where that lies in memory.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    cache: float
    others: Mapping[str, float] = field(default_factory=dict)
    engine: float = 0.0

    @property
    def peak(self) -> float:
        """Return the most that is held at once: an update or a rollout, never both."""
        held = self.weights + self.optimizer + self.engine
        return held + max(self.gradients + self.activations + self.logits, self.cache)


@dataclass(frozen=True)
class StageEstimate:
    """The estimate of one stage; ``seconds`` is None for a model of unknown size.

    ``rate_from`` says where the rate of the time comes from. ``disk`` is what stays in the stage's
    folder: checkpoints, the model handed on and samples.
    """

    parameters: int
    origin: str
    memory: Memory | None
    seconds: float | None
    rate_from: str
    disk: float

    def line(self) -> str:
        """Return the estimate in one line."""
        parts = []
        if not self.parameters:
            parts.append(f"memory and time unknown: {self.origin.removeprefix(_NOWHERE)}")
        if self.memory is not None:
            held = self.memory
            inner = [("weights", held.weights - sum(held.others.values())), *held.others.items()]
            inner += [("optimizer", held.optimizer)]
            inner += [("activations", held.activations), ("logits", held.logits)]
            inner += [("cache", held.cache)] if held.cache else []
            inner += [("engine", held.engine)] if held.engine else []
            shown = ", ".join(f"{name} {size(value)}" for name, value in inner if value)
            parts.append(f"memory ~{size(held.peak)} ({shown})")
        if self.seconds is not None:
            parts.append(f"time ~{duration(self.seconds)} ({self.rate_from})")
        parts.append(f"disk ~{size(self.disk)}")
        return " · ".join(parts)


def shape_of(model: Config) -> Shape | None:
    """Return the shape of a config's ``model`` node: scratch fields, a local folder, a cached hub
    model; None when nothing of it lies on this machine, or its config cannot be read.
    """
    try:
        return _shape(model)
    except ModelError:
        return None


def parameters_of(model: Config) -> tuple[int | None, str]:
    """Return the number of parameters of a ``model`` node, and where it was read.

    They are counted in the model's files where its config does not say its shape, and taken from
    its name where there are none; the second text says why where neither is to be had.
    """
    why = "the model is not on this machine"
    try:
        shape = _shape(model)
        if shape is not None:
            return shape.parameters, shape.origin
    except ModelError as error:
        why = str(error)
        folder = _folder(model)
        if folder is not None:
            with contextlib.suppress(ModelError):
                counted = stored_parameters(folder)
                if counted:
                    return counted, str(folder)
    claimed = size_in_name(str(model.get("path", "")))
    return claimed, "its name" if claimed else f"{_NOWHERE}{why}"


def _shape(model: Config) -> Shape | None:
    if not model.get("path"):
        return shape_of_config(_as_transformers(model), "the config")
    folder = _folder(model)
    return None if folder is None else shape_of_folder(folder)


def _folder(model: Config) -> Path | None:
    """Return where the files of a model lie on this machine, None where they do not."""
    path = str(environment.read(model.get("path")) or "")
    for candidate in (Path(path).expanduser(), *_cached(path)):
        if path and (candidate / "config.json").is_file():
            return candidate
    return None


def estimate(
    config: Config,
    learner: str,
    outputs: Path,
    schema: Schema,
    earlier: EarlierStages | None = None,
) -> StageEstimate:
    """Return what a resolved stage config will need; ``outputs`` may hold stages to measure.

    Whoever estimates several gives the ``earlier`` ones of ``outputs``, so that they are read once.
    """
    about = schema.learner(learner)
    earlier = earlier or EarlierStages(outputs)
    model = config.get("model") or {}
    shape = shape_of(model)
    total, origin = parameters_of(model)
    total = total or 0
    others = {o: parameters(o, total, parameters_of) for o in others_of(config, schema) if o.opened}
    own = _trained_parameters(model, shape, total) if about.trains else 0
    trained = own + sum(many for other, many in others.items() if other.trained)
    moved = trained + own * _optimizers_beside(config, schema)
    memory = _memory(config, about, shape, total, trained, moved, others, schema) if total else None
    seconds: float | None = None
    rate_from = ""
    if shape is not None:
        seconds, rate_from = _time(config, about, shape, earlier, schema)
    handed_on = total + sum(many for other, many in others.items() if other.trained)
    kept = sum(many for other, many in others.items() if other.changing and not other.trained)
    disk = _disk(config, about, handed_on, trained + kept, moved, schema)
    return StageEstimate(total, origin, memory, seconds, rate_from, disk)


def _optimizers_beside(config: Config, schema: Schema) -> int:
    """Return how many optimizers move the policy beside the stage's own."""
    inside = walk(config.get("objective"), "objective", "objective", schema)
    return sum(each.info.group == "optimizer" for each in inside)


def free_space(outputs: Path) -> int:
    """Return the bytes free where ``outputs`` lies or would be made."""
    place = outputs.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _memory(
    config: Config,
    learner: LearnerInfo,
    shape: Shape | None,
    total: int,
    trained: int,
    moved: int,
    models: Mapping[Other, int],
    schema: Schema,
) -> Memory:
    # Master weights are float32; on a GPU the forward pass works on a 16-bit copy of them.
    on_gpu = device_of(config) == "cuda"
    wide = 2 if on_gpu else 4
    held = 6.0 if on_gpu else 4.0
    others = {o.name: (held if o.trained else wide) * many for o, many in models.items()}
    weights = held * total + sum(others.values())
    if shape is None:  # a size from a name: what passes through the layers is unknown
        return Memory(weights, 4.0 * trained, 8.0 * moved, 0.0, 0.0, 0.0, others)
    execution = _node(config, "execution")
    budget = int(execution.get("micro_batch_tokens") or 16384)
    tokens = min(budget, _tokens_of_a_step(config, learner, schema)) if learner.trains else 0
    kept = 8 * shape.hidden + 4 * shape.feed_forward + 2 * shape.kv_width
    layers = shape.layers
    if _node(config, "model").get("gradient_checkpointing"):
        activations = tokens * wide * (layers * shape.hidden + kept)
    else:
        activations = tokens * wide * layers * kept
    cache = engine = 0.0
    rollout = _node(config, "rollout")
    beside = [each for each in walk(rollout, "rollout", "rollout", schema) if gives(each, BESIDE)]
    if learner.samples and beside:
        # On a CPU checkpoints lie in memory, the one before until the next is taken over.
        cpu = 2 * wide * total + float(rollout.get("cache_gib") or 0) * 2**30
        row = 2 * layers * shape.kv_width * wide * _longest_row(config)
        most = min(int(rollout.get("max_rows") or 1), _rows(config, learner, schema))
        engine = wide * total + (most * row if on_gpu else cpu)
    elif learner.samples:
        rows = _rows(config, learner, schema)
        budget = int(_node(config, "rollout").get("token_budget") or rows * _longest_row(config))
        held = min(rows * _longest_row(config), budget)
        cache = float(held * 2 * layers * shape.kv_width * wide)
    return Memory(
        weights=weights,
        gradients=4.0 * trained,
        optimizer=8.0 * moved,
        activations=float(activations),
        # Logits and their gradient in float32.
        logits=8.0 * tokens * shape.vocabulary,
        cache=cache,
        others=others,
        engine=float(engine),
    )


def _time(
    config: Config, learner: LearnerInfo, shape: Shape, stages: EarlierStages, schema: Schema
) -> tuple[float, str]:
    steps = int(_node(config, "training").get("steps") or 0)
    operations = _operations_of_a_step(config, learner, shape, schema)
    for earlier in stages.like(config):
        known = shape_of(_node(earlier.config, "model"))
        if known is not None:
            before = _operations_of_a_step(earlier.config, learner, known, schema)
            return steps * earlier.seconds * operations / before, f"at the rate of {earlier.name}"
    device = device_of(config)
    rate = ASSUMED_RATE[device] * _workers(config, device)
    seconds = operations / rate
    if learner.samples:
        seconds += _new_tokens(config) * shape.layers * DECODE_OVERHEAD[device]
    return steps * seconds, f"assuming {rate / 1e9:,.0f} Gflop/s; no earlier stage to measure"


def _workers(config: Config, device: str) -> int:
    if device == "cpu":
        return int(_node(config, "execution").get("threads") or 1)
    asked = _node(config, "resources")
    return int(asked.get("gpus_per_node") or 1) * int(asked.get("nodes") or 1)


def _operations_of_a_step(
    config: Config, learner: LearnerInfo, shape: Shape, schema: Schema
) -> float:
    tokens = _tokens_of_a_step(config, learner, schema)
    work = float(shape.parameters)
    again = 8 if _node(config, "model").get("gradient_checkpointing") else 6
    if not learner.samples:
        return again * work * tokens
    sampled = 2.0 * work * tokens
    if not learner.trains:
        return sampled
    epochs = int(_node(config, "training").get("epochs_per_step") or 1)
    others = [other for other in others_of(config, schema) if other.opened]
    scored = 2.0 * work * tokens * (1 + len(others))
    trained = 1 + sum(other.trained for other in others)
    return sampled + scored + again * work * tokens * epochs * trained


def _disk(
    config: Config, learner: LearnerInfo, total: int, trained: int, moved: int, schema: Schema
) -> float:
    execution, training = _node(config, "execution"), _node(config, "training")
    steps = int(training.get("steps") or 0)
    written = min(int(execution.get("samples") or 0), _rows(config, learner, schema))
    samples = steps * written * (_SAMPLE_LINE + 4 * _new_tokens(config))
    if not learner.trains:
        return float(
            steps * _rows(config, learner, schema) * (_SAMPLE_LINE + 4 * _new_tokens(config))
        )
    checkpoint = 4.0 * trained + 8.0 * moved
    return int(execution.get("keep") or 1) * checkpoint + 4.0 * total + samples


def _trained_parameters(model: Config, shape: Shape | None, total: int) -> int:
    adapter = model.get("lora")
    if not isinstance(adapter, Mapping) or shape is None:
        return total
    # Each linear layer of a decoder layer gets two matrices of rank r: r·(inputs + outputs).
    hidden, query, key_value, wide = (
        shape.hidden,
        shape.query_width,
        shape.kv_width,
        shape.feed_forward,
    )
    ends = 2 * (hidden + query) + 2 * (hidden + key_value) + 3 * (hidden + wide)
    return min(total, shape.layers * int(adapter.get("rank") or 1) * ends)


def _tokens_of_a_step(config: Config, learner: LearnerInfo, schema: Schema) -> int:
    row = _prompt_tokens(config) + max(1, _new_tokens(config) // 2)
    if not learner.samples:
        row = min(row, int(_node(config, "training").get("max_length") or row))
    return learner.sequences * _rows(config, learner, schema) * row


def _longest_row(config: Config) -> int:
    return _prompt_tokens(config) + _new_tokens(config)


def _prompt_tokens(config: Config) -> int:
    return min(LONGEST_ASSUMED_PROMPT, _new_tokens(config) or LONGEST_ASSUMED_PROMPT)


def _rows(config: Config, learner: LearnerInfo, schema: Schema) -> int:
    training = _node(config, "training")
    if learner.groups:
        prompts = int(training.get("prompts_per_step") or 1)
        return prompts * (answers(config, schema).most or 1)
    return int(training.get("rows_per_step") or 1)


def _new_tokens(config: Config) -> int:
    return int(_node(config, "rollout").get("max_new_tokens") or 0)


def device_of(config: Config) -> str:
    """Return ``cpu`` or ``cuda``, as far as the config and the machine's device files tell."""
    asked = str(_node(config, "execution").get("device") or "auto")
    if asked in ASSUMED_RATE:
        return asked
    gpus = _node(config, "resources").get("gpus_per_node")
    return "cuda" if gpus or Path("/dev/nvidia0").exists() else "cpu"


def _as_transformers(model: Config) -> Config:
    """Return scratch fields under the names a transformers config has."""
    from etude.model.tokenizer import VOCABULARY

    return {
        **model,
        "model_type": "llama",
        "vocab_size": VOCABULARY.get(str(model.get("tokenizer")), model.get("vocab_size")),
        "tie_word_embeddings": bool(model.get("tie_embeddings", True)),
    }


def _cached(name: str) -> Iterator[Path]:
    """Yield the newest snapshots of a hub model in the local cache."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface"))
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    root = hub / f"models--{name.replace('/', '--')}" / "snapshots"
    if root.is_dir():
        yield from sorted(root.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)


def _node(config: Config, key: str) -> Config:
    node = config.get(key)
    return node if isinstance(node, Mapping) else {}
