"""Run by torchrun: steps of a stage whose ranks share the weights, each with its own engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from etude.build import build
from etude.config.prepare import prepare
from etude.distributed.world import joined
from etude.evaluation.run import evaluate_policy
from etude.learner.context import StageContext
from etude.learner.make import make_learner

STAGE = (
    "recipe=rl",
    "rollout=vllm",
    "model=scratch",
    "model.hidden_size=64",
    "model.layers=2",
    "model.heads=2",
    "model.intermediate_size=96",
    "model.max_position_embeddings=160",
    "sources.arithmetic.train_size=200",
    "sources.arithmetic.test_size=50",
    "training.prompts_per_step=4",
    "training.rollouts_per_prompt=4",
    "training.steps=2",
    "rollout.max_new_tokens=12",
    "evaluation.problems=4",
    "evaluation.samples=2",
    "optimizer.lr=1e-2",
    "execution.device=cpu",
    "execution.threads=1",
)


def scratch(config: Mapping[str, Any]) -> Any:
    """Return the base model of a stage, whole."""
    return build(config["model"], "model").create(1, torch.device("cpu"))


def main(folder: Path) -> None:
    """Make two steps and an evaluation, and write down what the first rank logs of them."""
    ((_, (stage,)),) = prepare(STAGE).runs
    with joined() as world:
        learner = make_learner(stage.config, StageContext(1, folder))
        try:
            steps = [learner.step(step).metrics for step in range(2)]
            measured, _ = learner.evaluate()
        finally:
            learner.close()
        # A model that every rank has whole is measured by an engine of its own, opened alone.
        policy = scratch(stage.config)
        alone, _ = evaluate_policy(stage.config, policy)
        if world.is_main:
            found = {"steps": steps, "measured": measured, "alone": alone}
            (folder / "found.json").write_text(json.dumps(found, default=str), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
