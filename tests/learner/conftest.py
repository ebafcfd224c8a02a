"""Stages with a very small model, built the way `train` builds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from etude.config.prepare import prepare
from etude.learner.make import StageContext, make_learner

SMALL = (
    "model=scratch",
    "model.hidden_size=32",
    "model.layers=2",
    "model.heads=2",
    "model.kv_heads=1",
    "model.intermediate_size=64",
    "execution.samples=100",
)
SIZES = {
    "sft": ("training.rows_per_step=8",),
    "generate": ("training.rows_per_step=8", "rollout.max_new_tokens=24"),
    "rl": (
        "training.prompts_per_step=4",
        "training.rollouts_per_prompt=4",
        "+reward_weighting.weights.length=0.1",  # an untrained model differs in nothing else
        "rollout.max_new_tokens=24",
    ),
}

Build = Callable[..., Any]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Pin torch's threads, as a run does, so that sums add in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def learner(tmp_path: Path) -> Iterator[Build]:
    """Return a function that builds the learner of one stage from overrides."""
    opened: list[Any] = []

    def build(*overrides: str, stage: str = "rl", **given: Any) -> Any:
        recipe = "sft" if stage == "sft" else "rl"
        kind = "generate" if "objective=generate" in overrides else recipe
        runs = prepare([f"recipe={recipe}", *SMALL, *SIZES[kind], *overrides]).runs
        config = runs[0][1][0].config
        usual = {"seed": config["seed"], "start": None, "folder": tmp_path}
        context = StageContext(**usual | given)
        made = make_learner(config, context)
        opened.append(made)
        return made

    yield build
    for made in opened:
        made.close()
