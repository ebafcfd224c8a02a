"""Stages with a very small model, built the way `train` builds them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from etude.config.prepare import prepare
from etude.learner.context import StageContext
from etude.learner.make import make_learner
from outpost_site import shared

SMALL = (
    "model=scratch",
    "model.hidden_size=32",
    "model.layers=2",
    "model.heads=2",
    "model.kv_heads=1",
    "model.intermediate_size=64",
    "execution.samples=100",
)
#: Making problems, and looking for prompts that are also held out, takes longer than a small step.
FEW_PROBLEMS = ("sources.arithmetic.train_size=500", "sources.arithmetic.test_size=100")
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

#: A model that answers some sums rightly and others not, so that groups have signal.
TAUGHT = (
    "model=scratch",
    "model.hidden_size=64",
    "model.layers=2",
    "model.heads=2",
    "model.kv_heads=1",
    "model.intermediate_size=128",
)
TAUGHT_RL = (
    "data_mix.train.arithmetic.levels=[1]",
    "data_mix.held_out.arithmetic.levels=[1]",
    "training.prompts_per_step=8",
    "training.rollouts_per_prompt=4",
    "rollout.max_new_tokens=20",
    "execution.samples=100",
)

#: What a learner is given, by the name that tests give it, and the place of its reference.
PLACES = {"rollout_from": "rollout.model_from", "critic": "models.critic.load"}

Build = Callable[..., Any]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Pin torch's threads, as a run does, so that sums add in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def open_learner() -> Build:
    """Return a function that opens the learner of one stage in a folder; who asks closes it."""

    def build(folder: Path, *overrides: str, stage: str = "rl", **given: Any) -> Any:
        recipe = "sft" if stage == "sft" else "rl"
        kind = "generate" if "objective=generate" in overrides else recipe
        few = () if any(word.startswith("data_mix=") for word in overrides) else FEW_PROBLEMS
        runs = prepare([f"recipe={recipe}", *SMALL, *SIZES[kind], *few, *overrides]).runs
        config = runs[0][1][0].config
        inputs = {PLACES.get(name, name): folder for name, folder in given.items()}
        context = StageContext(config["seed"], folder, {"start": None, **inputs})
        return make_learner(config, context)

    return build


@pytest.fixture
def learner(open_learner: Build, tmp_path: Path) -> Iterator[Build]:
    """Return a function that builds the learner of one stage from overrides."""
    opened: list[Any] = []

    def build(*overrides: str, stage: str = "rl", **given: Any) -> Any:
        opened.append(open_learner(tmp_path, *overrides, stage=stage, **given))
        return opened[-1]

    yield build
    for made in opened:
        made.close()


def _build(overrides: tuple[str, ...], folder: Path, start: Path | None) -> Any:
    config = prepare(list(overrides)).runs[0][1][0].config
    return make_learner(config, StageContext(config["seed"], folder, {"start": start}))


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small model that was taught some arithmetic.

    Workers of one run share it; the first to want it trains it.
    """
    with shared(tmp_path_factory, "taught-arithmetic") as folder:
        if not (folder / "done").exists():
            _teach(folder)
            (folder / "done").touch()
    return folder / "model"


def _teach(folder: Path) -> None:
    folder.mkdir()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    made = _build(
        (
            "recipe=sft",
            *TAUGHT,
            "data_mix.train.arithmetic.levels=[1]",
            "training.rows_per_step=64",
            "training.steps=150",
            "optimizer.lr=5e-3",
        ),
        folder,
        None,
    )
    for step in range(150):
        made.step(step)
    made.export(folder)
    torch.set_num_threads(before)


@pytest.fixture
def stage_from(taught: Path, tmp_path: Path) -> Iterator[Build]:
    """Return a function that builds a stage which starts from the taught model."""
    opened: list[Any] = []

    def build(*overrides: str) -> Any:
        opened.append(_build(("recipe=rl", *TAUGHT, *TAUGHT_RL, *overrides), tmp_path, taught))
        return opened[-1]

    yield build
    for made in opened:
        made.close()


@pytest.fixture
def short_run(taught: Path, tmp_path: Path) -> Callable[..., list[dict[str, float]]]:
    """Return a function that trains a few steps of a stage and returns each step's metrics.

    Its state after the first step is loaded by a stage that is built anew; what both do from there
    on must be equal to the bit.
    """

    def run(*overrides: str, steps: int = 3) -> list[dict[str, float]]:
        from etude.execute import tree

        chosen = ("recipe=rl", *TAUGHT, *TAUGHT_RL, f"training.steps={steps}", *overrides)
        whole = _build(chosen, tmp_path, taught)
        results = [whole.step(0)]
        saved = Path(tempfile.mkdtemp(dir=tmp_path))
        tree.save(whole.state_dict(), saved)
        results += [whole.step(step) for step in range(1, steps)]
        resumed = _build(chosen, tmp_path, taught)
        resumed.load_state_dict(tree.load(saved))
        again = [resumed.step(step) for step in range(1, steps)]
        for one, other in zip(results[1:], again, strict=True):
            assert one.metrics == other.metrics
            assert one.samples == other.samples
        for a, b in zip(
            whole.policy.model.parameters(), resumed.policy.model.parameters(), strict=True
        ):
            assert torch.equal(a, b)
        whole.close()
        resumed.close()
        return [result.metrics for result in results]

    return run
