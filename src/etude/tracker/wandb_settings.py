"""The keys of ``tracker=wandb``, for whoever logs by them."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import option


@dataclass(frozen=True)
class WandbSettings:
    """Where runs go on Weights & Biases, and under which names."""

    mode: str = option(
        "auto",
        "auto: online where logged in, else offline; online; offline; off",
        kind="execution",
        choices=("auto", "online", "offline", "off"),
    )
    project: str = option("etude", "project that runs go to", kind="execution")
    entity: str | None = option(None, "user or team; null: your default", kind="execution")
    group: str | None = option(
        None, "group of the run's stages; null: the run's name", kind="execution"
    )
    tags: list[str] = option([], "tags of every stage", kind="execution")
    samples: int = option(
        64, "rows of the samples table logged at the end of a stage", kind="execution", ge=0
    )
    directory: str | None = option(
        None, "folder that W&B makes its wandb/ folder in; null: outputs", kind="execution"
    )
