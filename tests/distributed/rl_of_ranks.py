"""Steps of policy gradient as one process or several make them, written down to be compared.

Run as a program it is one of several ranks; imported it does the same alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from etude import schema
from etude.config.prepare import prepare
from etude.distributed.world import current, joined
from etude.execute import tree
from etude.learner.make import StageContext, make_learner
from etude.rows import Outcome, Row, Verdict

CONF = Path(schema.__file__).parent / "conf"

STAGE = (
    "recipe=rl",
    "model=scratch",
    "model.hidden_size=32",
    "model.layers=2",
    "model.heads=2",
    "model.kv_heads=1",
    "model.intermediate_size=64",
    "sources.arithmetic.levels=3",
    "sources.arithmetic.train_size=600",
    "sources.arithmetic.test_size=100",
    "data_mix.train.arithmetic.limit=200",
    "data_mix.held_out.arithmetic.limit=10",
    "training.prompts_per_step=5",
    "training.rollouts_per_prompt=4",
    "training.steps=2",
    "training.gradient_clip=0.5",
    "rollout.max_new_tokens=8",
    "rollout.stop_token_ids=[3,5,7,11,13,17,19,23,29,31]",
    "execution.micro_batch_tokens=160",
    "execution.samples=100",
    "optimizer.lr=1e-2",
    # Adam divides by the size of a gradient: without this it would blow rounding errors up.
    "optimizer.epsilon=1e-3",
)

#: Preset → what makes all of it work on a few rows.
SUITED: dict[str, tuple[str, ...]] = {
    "chord": ("objective.imitation.rows=5",),
    "dapo": ("objective.filter.metric=accuracy",),
    "guide": ("objective.guidance.fallback_ratio=0.5", "objective.guidance.group=separate"),
    "relift": ("objective.extra_update.relift.size=1", "objective.extra_update.relift.lr=1e-3"),
    "riskpo": ("objective.advantage.bundle_size=2",),
}

#: Presets that differ from grpo in arithmetic on rows alone, which tests/objective/test_ranks.py
#: holds for every preset; here they would show nothing that others do not.
PLAIN = frozenset(
    {
        "asymre",
        "cispo",
        "dr_grpo",
        "gspo",
        "nsr",
        "opmd",
        "psr",
        "raft_plus_plus",
        "rec",
        "reinforce",
        "reinforce_plus_plus",
        "reinforce_plus_plus_baseline",
        "rloo",
        "w_reinforce",
    }
)

#: Name → what presets alone do not show.
MORE: dict[str, tuple[str, ...]] = {
    "two updates": ("objective=grpo", "training.updates_per_step=2"),
    "two epochs": (
        "objective=grpo",
        "objective.rollout_correction=2.0",
        "training.updates_per_step=2",
        "training.epochs_per_step=2",
    ),
    "reference": ("objective=grpo", "objective/regularizer=[kl]"),
    "one prompt": ("objective=reinforce", "training.prompts_per_step=1"),
    "rows drawn twice": ("objective=ghpo", "data_mix.train.arithmetic.limit=3"),
    "growing hints": (
        "objective=ghpo",
        "objective.guidance.escalation=across_epochs",
        "data_mix.train.arithmetic.limit=5",
    ),
    "refill from few": (
        "objective=dapo",
        "objective.filter.metric=accuracy",
        "data_mix.train.arithmetic.limit=6",
    ),
    "shared critic": ("objective=ppo", "objective.critic.share=head"),
}

#: Cases that are saved after their first step and gone on with.
SAVED = ("growing hints", "ppo", "relift")


def cases() -> dict[str, tuple[str, ...]]:
    """Return what is tried: the presets with means of their own, and more; name → overrides."""
    known = sorted(schema.load().components["objective"].items())
    presets_of = {name for name, info in known if info.learner == "policy_gradient"}
    assert presets_of >= PLAIN
    names = sorted(presets_of - PLAIN)
    presets = {name: (f"objective={name}", *SUITED.get(name, ())) for name in names}
    return presets | MORE


def judge(rows: Sequence[Row]) -> None:
    """Judge by the prompt's text and the tokens: some prompts nobody solves, others some do."""
    for row in rows:
        hopeless = crc32(row.example.prompt.encode()) % 3 == 0
        right = not hopeless and sum(row.tokens) % 2 == 0
        parts = {"accuracy": float(right), "format": float(len(row.tokens) % 2)}
        row.verdict = Verdict(Outcome.CORRECT if right else Outcome.WRONG, parts)


def told(row: Row) -> list[Any]:
    """Return what must be equal of a row."""
    return [row.prompt_id, row.index, row.prompt, row.tokens, row.off_policy, row.reward]


@cache
def stage(*overrides: str) -> dict[str, Any]:
    """Return the config of a stage."""
    config: dict[str, Any] = prepare([*STAGE, *overrides]).runs[0][1][0].config
    return config


def objective(*overrides: str) -> Any:
    """Return the objective's node alone: it is composed in a fraction of a stage's time."""
    with initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
        config = compose(overrides=[f"+{overrides[0]}", *overrides[1:]])
    return OmegaConf.to_container(config.objective, resolve=True)


def learner_of(overrides: Sequence[str], folder: Path, **training: Any) -> Any:
    """Return the learner of a case; answers are judged by :func:`judge`."""
    chosen = [each for each in overrides if each.startswith("objective")]
    config = dict(stage(*(each for each in overrides if each not in chosen)))
    config |= {"objective": objective(*chosen), "training": config["training"] | training}
    context = StageContext(seed=config["seed"], start=None, folder=folder)
    learner: Any = make_learner(config, context)
    learner.rollouts.verify = judge
    return learner


def counting(learner: Any) -> list[int]:
    """Return a list that grows by the number of rows whenever this process samples some."""
    sample = learner.rollouts.engine.sample
    asked: list[int] = []

    def counted(requests: Any, **how: Any) -> Any:
        asked.append(len(requests))
        return sample(requests, **how)

    learner.rollouts.engine.sample = counted
    return asked


def parameters_of(learner: Any) -> list[list[float]]:
    """Return all parameters of the policy, which several ranks hold together."""
    return [p.flatten().tolist() for p in learner.policy.inference_copy().model.parameters()]


def run(overrides: Sequence[str], folder: Path, saved: Path | None = None) -> dict[str, Any]:
    """Return rows, metrics and parameters of two steps; the state of the first goes to ``saved``.

    ``asked`` counts the rows this process sampled itself.
    """
    learner = learner_of(overrides, folder)
    asked = counting(learner)
    gather = learner.rollouts.gather
    rows: list[dict[str, Any]] = []

    def recorded(*given: Any) -> Any:
        found = gather(*given)
        rows.append(
            {
                "groups": [[told(row) for row in group] for group in found.groups],
                "sampled": [told(row) for row in found.sampled],
                "demonstrated": [told(row) for row in found.demonstrated],
                "logprobs": [row.sampler_logprobs for group in found.groups for row in group],
            }
        )
        return found

    learner.rollouts.gather = recorded
    done = [learner.step(0)]
    if saved is not None:
        tree.save(learner.state_dict(), saved, current().rank)
        current().barrier()
    done.append(learner.step(1))
    learner.close()
    return {
        "asked": sum(asked),
        "rows": rows,
        "metrics": [result.metrics for result in done],
        "samples": [result.samples for result in done],
        "state": learner.state.state_dict(),
        "parameters": parameters_of(learner),
    }


def go_on(overrides: Sequence[str], folder: Path, saved: Path) -> dict[str, Any]:
    """Return metrics and parameters of the second step, gone on with from a saved first one."""
    learner = learner_of(overrides, folder)
    learner.load_state_dict(tree.load(saved, whole=current().is_alone))
    metrics = learner.step(1).metrics
    learner.close()
    return {"metrics": metrics, "parameters": parameters_of(learner)}


def generate(folder: Path) -> dict[str, Any]:
    """Return what a stage that writes rows makes of its first prompts."""
    learner = learner_of(("objective=step_advantages",), folder, rows_per_step=5)
    asked = counting(learner)
    metrics = learner.step(0).metrics
    learner.close()
    return {"asked": sum(asked), "rows": learner.rows, "metrics": metrics}


def run_all(folder: Path, *, save: bool) -> dict[str, Any]:
    """Return what every case comes to, as JSON has it."""
    torch.set_num_threads(1)
    found = {"generated": generate(folder)}
    for name, overrides in cases().items():
        saved = folder / name if save and name in SAVED else None
        found[name] = run(overrides, folder, saved)
        if saved is not None:
            found[name]["gone on"] = go_on(overrides, folder, saved)
    return json.loads(json.dumps(found, default=lambda tensor: tensor.tolist()))


def start(ranks: int, folder: Path) -> subprocess.Popen[str]:
    """Start this program as several ranks that write ``<rank>.json`` into ``folder``."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks)),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"),
            *(__file__, str(folder)),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    with joined(patience=120):
        folder = Path(sys.argv[1])
        found = run_all(folder, save=True)
        (folder / f"{current().rank}.json").write_text(json.dumps(found))
