"""Sampling with vLLM in a process of its own, or on servers: the engine for real models.

Log-probs are vLLM's processed ones, those that tokens were drawn with. Weights go over as whole
checkpoints by version, and a probe compares the engine with the trainer after each
(docs/engines.md).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from etude.component import BESIDE, Need, Rule, component, option
from etude.engines.settings import Settings
from etude.rollout.kind import Rollout

if TYPE_CHECKING:
    from etude.engines.beside import BesideEngine
    from etude.model.policy import Policy

_NARROWED = (
    "the trainer does not know what was cut away of the distribution that rows were drawn from; "
    "type rollout.top_p=1 rollout.top_k=0"
)


@component(
    source="arXiv 2309.06180",
    requires=[
        Need(
            "package:vllm",
            when="mode != 'server'",
            why="to sample with (docs/engines.md says how it is had on a machine without a GPU)",
        ),
    ],
    provides=[Need(BESIDE, when="mode == 'process'")],
    conflicts=[Need("learner:policy_gradient", when="top_p < 1 or top_k > 0", why=_NARROWED)],
)
@dataclass(frozen=True)
class Vllm(Rollout):
    """Samples with vLLM beside the trainer: in a process of its own, or on servers."""

    samples_as_trained: ClassVar[bool] = False

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "mode != 'server' or url != []",
            "is empty, and {path}.mode is server: it lists addresses, each http://HOST:PORT "
            "(docs/engines.md says how a server is started)",
            key="url",
        ),
        Rule(
            "mode == 'server' or url == []",
            "is {url}, and {path}.mode is {mode}, which has no address. Type {path}.mode=server",
            key="url",
        ),
    )

    mode: str = option(
        "process",
        "process (an engine of each rank's own) | server (engines that run already, by url)",
        choices=("process", "server"),
        kind="execution",
    )
    url: list[str] = option(
        [],
        "addresses of servers (http://HOST:PORT), which rows are dealt out to",
        kind="execution",
        form="filled",
    )
    dtype: str = option(
        "auto",
        "what the engine computes in; auto: what the trainer computes in",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    context_tokens: int | None = option(
        None,
        "longest text, prompt and answer, tokens; null: the model's positions",
        kind="execution",
        ge=16,
    )
    max_rows: int = option(256, "rows that are sampled at once", kind="execution", ge=1)
    memory_share: float = option(
        0.4,
        "share of a GPU's memory that the engine takes, weights and cache",
        kind="execution",
        gt=0,
        le=1,
    )
    cache_gib: float = option(
        1.0, "memory for keys and values on a CPU, GiB", kind="execution", gt=0
    )
    gpus: int = option(
        1,
        "GPUs (on a CPU: processes) that an engine's weights are cut over",
        kind="execution",
        ge=1,
    )
    prefix_cache: bool = option(
        True, "read the beginning that prompts share once, and keep it", kind="execution"
    )
    eager: bool = option(
        False, "start faster, without CUDA graphs and compiled kernels", kind="execution"
    )
    start_limit: float = option(
        900.0, "seconds an engine may take to start or to take over weights", kind="execution", gt=0
    )
    patience: float = option(
        300.0,
        "seconds an engine may say nothing while it samples; then it is ended and started again",
        kind="execution",
        gt=0,
    )
    restarts: int = option(
        3, "how often a stage starts an engine again that failed", kind="execution", ge=0
    )
    probe_tolerance: float | None = option(
        None,
        "largest difference between the engine's log-probs of a fixed text and the trainer's, nats;"
        " null: 1e-3 in float32, 0.5 in bfloat16, 0.1 in float16",
        kind="execution",
        gt=0,
    )
    weights_folder: str = option(
        "",
        "where weights are written for the engine; empty: the machine's memory (/dev/shm). Servers "
        "on other machines must see it",
        kind="execution",
    )

    def engine(self, policy: Policy) -> BesideEngine:
        """Return an engine that samples from the policy's present weights."""
        from etude.engines.vllm_engines import engine_of

        return engine_of(self.settings, self, policy)

    @property
    def settings(self) -> Settings:
        """Return what belongs to the engine and not to the answers that it samples."""
        names = [field.name for field in dataclasses.fields(Settings) if field.name != "url"]
        return Settings(**{name: getattr(self, name) for name in names}, url=tuple(self.url))

    def shares_engine_with(self, other: Any) -> bool:
        """Return whether another component's answers can be sampled by this one's engine."""
        return isinstance(other, Vllm) and other.settings == self.settings
