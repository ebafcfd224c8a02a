"""What an engine beside the trainer is made with: all that does not belong to its answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The fields of ``rollout=vllm`` that say how the engine runs, as they are documented there."""

    mode: str
    url: tuple[str, ...]
    dtype: str
    context_tokens: int | None
    max_rows: int
    memory_share: float
    cache_gib: float
    gpus: int
    prefix_cache: bool
    eager: bool
    start_limit: float
    patience: float
    restarts: int
    probe_tolerance: float | None
    weights_folder: str
