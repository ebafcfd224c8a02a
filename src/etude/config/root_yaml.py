"""conf/etude.yaml, the primary config: every group's default choice, and the run's settings."""

from __future__ import annotations

from etude.component import GROUPS
from etude.config import reflect, write_yaml
from etude.config.settings import Root

#: The choice of every group when nobody chooses. `sources` has none: every choice is there.
DEFAULTS: dict[str, str] = {
    "model": "tiny",
    "models": "default",
    "objective": "grpo",
    "data_mix": "arithmetic",
    "verifier": "number",
    "reward_weighting": "weighted_sum",
    "curriculum": "constant",
    "rollout": "transformers",
    "environment": "none",
    "environments": "default",
    "optimizer": "adamw",
    "training": "standard",
    "evaluation": "pass_at_k",
    "evaluations": "default",
    "tracker": "wandb",
    "launcher": "local",
    "recipe": "quickstart",
}


def text() -> str:
    """Return the YAML of the primary config."""
    lines = [
        f"{write_yaml.MARK}etude.config.settings by python -m etude.schema; edit it there.",
        "# The primary config. A stage's config is this root with stages.<name> laid over it.",
        "defaults:",
        "  - _self_",
    ]
    for group, choice in DEFAULTS.items():
        lines.append(f"  - {group}: {choice}  # {GROUPS[group]}")
    lines.append("  # every file of conf/sources/ is there as sources.<file>, without being chosen")
    lines += write_yaml.field_lines(reflect.describe_fields(Root, ""))
    return "\n".join(lines) + "\n"
