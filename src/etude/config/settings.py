"""The settings of the root that belong to no component: the run's, a stage's and how work is done.

They are declared like components (:func:`etude.component.option`), so one reader turns both into
YAML, types and documentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from etude.component import option
from etude.gating import MODES, RULES


@dataclass(frozen=True)
class Execution:
    """How a stage is carried out; nothing here changes a result or a fingerprint."""

    device: str = option(
        "auto",
        "where tensors live; auto takes a GPU where there is one",
        kind="execution",
        choices=("auto", "cpu", "cuda"),
    )
    threads: int = option(
        2, "CPU threads of torch, pinned for the run", kind="execution", ge=1, le=4096
    )
    micro_batch_tokens: int = option(
        16384, "tokens, padding included, in one forward and backward pass", kind="execution", ge=1
    )
    share_prompts: bool = option(
        True,
        "compute a prompt once for all answers to it in the passes of an update, wherever the "
        "model reads each as if alone then (which is tried); false: once for each answer",
        kind="execution",
    )
    checkpoint_every: int = option(
        50,
        "steps between checkpoints; 0 keeps only those of an interruption",
        kind="execution",
        ge=0,
    )
    evaluate_every: int = option(
        0,
        "steps between evaluations; 0 measures only the start and the end",
        kind="execution",
        ge=0,
    )
    keep: int = option(2, "checkpoints that stay on disk", kind="execution", ge=1, le=1_000_000)
    samples: int = option(8, "rows of each step written to samples.jsonl", kind="execution", ge=0)
    log_every: int = option(
        1, "steps between lines in a log that is no terminal", kind="execution", ge=1
    )
    verifier_workers: int = option(
        1, "processes that judge answers", kind="execution", ge=1, le=4096
    )
    minimum_free_gib: float = option(
        1.0,
        "free disk, GiB, below which a checkpoint is refused instead of begun",
        kind="execution",
        ge=0,
    )
    entropy: bool = option(
        True,
        "measure the policy's entropy at every trained token of a policy-gradient step",
        kind="execution",
    )
    report: bool = option(
        True, "write report.html into the run's folder when the run is over", kind="execution"
    )
    accept_code: bool = option(
        False,
        "use stages that other code trained as they are; false: say so and start nothing",
        kind="execution",
    )
    hang_minutes: float | None = option(
        60.0,
        "minutes without any progress after which a process is ended as hung; 0 or null: never",
        kind="execution",
        ge=0,
        le=1_000_000,
    )


@dataclass(frozen=True)
class Gate:
    """A condition on a stage's last evaluation that decides whether its model is handed on."""

    metric: str = option("pass@1", "metric of the evaluation")
    at_least: float | None = option(
        None, "the least value that passes; null: any, or 0 where there is no rule either"
    )
    rule: str | None = option(
        None,
        "strict: passes above best + delta | margin: from there on; best is what the stage started "
        "from, or what was kept in its place; null: at_least alone decides",
        choices=RULES,
    )
    delta: float = option(0.0, "how much better than the best it must be, under a rule", ge=0)
    relative: bool = option(False, "delta is a share of |best|")
    mode: str = option("max", "which value is better, under a rule: max | min", choices=MODES)
    patience: int | None = option(
        None,
        "gated stages in a row that fail, each starting from the one before, after which the run "
        "stops; null: on_fail alone decides",
        ge=1,
    )
    on_fail: str = option(
        "stop",
        "stop the run | keep_previous: hand on the model the stage started from | continue: go on "
        "with its own, and say so",
        choices=("stop", "keep_previous", "continue"),
    )


@dataclass(frozen=True)
class Repeat:
    """Copies of a stage, or of several stages in turn, each starting from the one before."""

    times: int = option(1, "how often", ge=1, le=10_000)
    stages: list[str] = option([], "the stages repeated together, in order; empty: this one")
    redraw: list[str] = option(
        [], "those of them that draw other rows and random numbers in each round (another seed)"
    )


@dataclass(frozen=True)
class Resources:
    """What a stage asks of the machines it runs on; null leaves it to the launcher."""

    nodes: int | None = option(None, "machines", kind="execution", ge=1, le=100_000)
    tasks_per_node: int | None = option(
        None,
        "processes on each machine; null: one a GPU, or one",
        kind="execution",
        ge=1,
        le=10_000,
    )
    gpus_per_node: int | None = option(
        None, "GPUs on each machine", kind="execution", ge=0, le=1000
    )
    cpus_per_task: int | None = option(
        None, "CPU cores for each process", kind="execution", ge=1, le=10_000
    )
    memory_gib: float | None = option(
        None, "memory of each machine, GiB", kind="execution", gt=0, le=1_000_000
    )
    time: str | None = option(None, "time limit: minutes, H:MM:SS or D-HH:MM:SS", kind="execution")
    partition: str | None = option(None, "partition (queue)", kind="execution")
    account: str | None = option(None, "account that is charged", kind="execution")
    qos: str | None = option(None, "quality of service", kind="execution")
    constraint: str | None = option(None, "features the machines must have", kind="execution")
    reservation: str | None = option(None, "reservation to run in", kind="execution")
    modules: list[str] | None = option(
        None, "environment modules loaded before Python starts", kind="execution"
    )
    setup: list[str] | None = option(
        None, "shell lines run before Python starts", kind="execution", form="shell"
    )
    container: str | None = option(
        None, "command that Python runs inside: apptainer exec --nv IMAGE", kind="execution"
    )
    sbatch: dict[str, Any] | None = option(
        None, "other options of sbatch by their long names: {nice: 100}", kind="execution"
    )


@dataclass(frozen=True)
class Stage:
    """The keys of `stages.<name>` that are not an overlay over a node of the root."""

    after: list[str] | str | None = option(
        None, "stages that must have finished; null: the one before it in the pipeline"
    )
    start_from: str | None = option(
        None,
        "base, a stage, an output of one (STAGE.critic), a folder or a name on the hub; null: the "
        "predecessor, or base for the first",
    )
    gate: Gate | None = option(
        None, "a condition on the stage's evaluation: metric, at_least, on_fail"
    )
    repeat: Repeat | None = option(None, "copies in turn: times, stages")
    resources: Resources | None = option(
        None, "what this stage asks of a cluster", kind="execution"
    )


@dataclass(frozen=True)
class Root:
    """The keys of the root that are not config groups."""

    seed: int = option(1, "the one seed; every random draw follows from it", ge=0, le=2**63 - 1)
    debug: bool = option(False, "two steps of every stage, evaluation included", kind="execution")
    fresh: bool | list[str] = option(
        False, "true retrains every stage; a list of stages retrains those", kind="execution"
    )
    outputs: str = option("outputs", "folder of everything that is written", kind="execution")
    name: str | None = option(None, "name of the run; null: the recipe's", kind="execution")
    pipeline: list[str] = option([], "the stages that run, in order")
    start_from: str | None = option(
        None, "model the first stage starts from: base, or a path; null: base"
    )
    execution: Execution = field(default_factory=Execution, metadata={"doc": "how work is done"})
    stages: dict[str, Any] = option({}, "what each stage lays over this root")


@dataclass(frozen=True)
class EvaluateRoot(Root):
    """The keys of the root of `evaluate`."""

    checkpoint: str | None = option(
        None, "folder of the model that is measured (Hugging Face format)"
    )


#: A Hydra node that a component may sit in, and whether a stage can lay something over it.
ROOT_ONLY: frozenset[str] = frozenset({"sources", "recipe", "launcher"})

#: Plain root keys that a stage may set for itself.
STAGE_ROOT_KEYS: frozenset[str] = frozenset({"seed", "execution"})

#: Keys that a stage may add to a node beside those of the node's component, references to a model.
STAGE_EXTRAS: dict[str, tuple[str, ...]] = {"rollout": ("model_from",)}

#: Groups whose nodes say under ``preset`` which file of parts they were chosen by, where one was.
PRESET_GROUPS: frozenset[str] = frozenset({"objective"})


def extras_of(group: str) -> tuple[str, ...]:
    """Return the keys that a node of a group may have beside those of its component."""
    return (*(("preset",) if group in PRESET_GROUPS else ()), *STAGE_EXTRAS.get(group, ()))
