"""The members of ``methods.py``: what to type to train each objective from one supervised model.

A plain objective of policy gradients needs nothing but its name. The rest is in :data:`NEEDS`: rows
of its own, or a stage that writes them first. Tokens are those that a member samples; one that
samples nothing is given as many to learn from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from member import Member

from etude import schema

#: The model of all members, small enough for a CPU.
SMALL = ("model.hidden_size=64", "model.layers=2", "model.intermediate_size=192")

#: What every command has: nothing beside the work itself.
COMMON = (
    "tracker=none",
    "execution.threads=1",
    "execution.samples=0",
    "execution.micro_batch_tokens=8192",
    "execution.checkpoint_every=0",
)


@dataclass(frozen=True)
class World:
    """Problems to train on and to measure on, and how the model is taught that all start from.

    ``taught`` are overrides of that teaching, ``rows`` those of everything else.
    """

    name: str
    taught: tuple[str, ...]
    rows: tuple[str, ...]
    package: str = ""


def _arithmetic(name: str, levels: str, also: str) -> World:
    def parts(chosen: str) -> tuple[str, ...]:
        return tuple(
            f"data_mix.{part}.arithmetic.levels={chosen}" for part in ("train", "held_out")
        )

    return World(
        name,
        (*parts(also), "sources.arithmetic.levels=3"),
        (*parts(levels), "sources.arithmetic.levels=3", "rollout.max_new_tokens=40"),
    )


def _gym(task: str, tokens: int) -> World:
    rows = ("data_mix=reasoning_gym", f"sources.reasoning_gym.task={task}")
    judged = ("verifier=reasoning_gym", f"rollout.max_new_tokens={tokens}")
    taught = (*rows, "data_mix.response_template='{solution}'")
    return World(task, taught, (*rows, *judged), "reasoning_gym")


#: Arithmetic that is half solved, arithmetic that hardly is, and two tasks of reasoning_gym. Those
#: of arithmetic share the model, which was taught all levels.
WORLDS = {
    world.name: world
    for world in (
        _arithmetic("arithmetic", "[1,2]", "[1,2,3]"),
        _arithmetic("hard", "[3]", "[1,2,3]"),
        _gym("spell_backward", 40),
        _gym("chain_sum", 30),
    )
}

#: Objectives that stand for others: their parts are the same, and so is the work.
SAME_AS = {"preference": "dpo", "supervised": "sft"}

#: Objectives that learn from episodes of environments, which no world here has.
PLAYED = {"hindsight"}

_PAIRS = (
    "recipe=per_step_negatives",
    "pipeline=[build,dpo]",
    "stages.build.training.rows_per_step=16",
    "stages.dpo.data_mix.held_out.arithmetic.levels=null",
)
_STEPS = (
    "recipe=per_step_negatives/weighted",
    "pipeline=[build,weighted]",
    "stages.build.training.rows_per_step=16",
    "stages.weighted.data_mix.held_out.arithmetic.levels=null",
)
_OWN_ANSWERS = (
    "recipe=expert_iteration",
    "pipeline=[sample,improve]",
    "stages.sample.training.rows_per_step=16",
    "stages.improve.start_from={start}",
    "stages.improve.repeat.times=1",
    "stages.improve.optimizer.lr=1e-4",
    "stages.improve.data_mix.held_out.arithmetic.levels=null",
)
_CALLS = (
    "data_mix=arithmetic_tools",
    "verifier=tool_call",
    "training.too_long=drop",
    "rollout.max_new_tokens=48",
)


@dataclass(frozen=True)
class Need:
    """How an objective is trained that is no plain one, and in which of the worlds that is.

    In what is typed ``{start}`` is the model that all begin with. ``rows`` says whether the world's
    own problems are trained on.
    """

    typed: tuple[str, ...]
    steps_key: str = "training.steps"
    rows: bool = True
    only: tuple[str, ...] = ("arithmetic", "hard")


NEEDS: dict[str, Need] = {
    "advantage_weighted": Need(_STEPS, "stages.build.training.steps"),
    "cft": Need(
        (
            "recipe=sft",
            "objective=cft",
            "data_mix=arithmetic_critiques",
            "training.too_long=drop",
            "rollout.max_new_tokens=72",
        ),
        rows=False,
        only=("arithmetic",),
    ),
    "distillation": Need(
        (
            "recipe=distillation",
            "sources.arithmetic_candidates.problems=6000",
            "sources.arithmetic_candidates.stated=0.0",
            "sources.arithmetic_candidates.empty=0.0",
        ),
        rows=False,
        only=("arithmetic",),
    ),
    "dpo": Need(_PAIRS, "stages.build.training.steps"),
    "generate": Need(_OWN_ANSWERS, "stages.sample.training.steps"),
    "preference": Need(_PAIRS, "stages.build.training.steps"),
    "sft": Need(("recipe=sft",)),
    "sft_on_calls": Need(("recipe=sft", *_CALLS), rows=False, only=("arithmetic",)),
    "step_advantages": Need(_STEPS, "stages.build.training.steps"),
    "step_pairs": Need(_PAIRS, "stages.build.training.steps"),
    "supervised": Need(("recipe=sft", "objective=supervised")),
    "tl_training": Need(
        ("recipe=sft", "objective=tl_training", *_CALLS), rows=False, only=("arithmetic",)
    ),
}


def objectives() -> list[str]:
    """Return every registered objective that the worlds have rows for, by name."""
    return sorted(set(schema.load().choices("objective")) - PLAYED)


def trained_in(objective: str) -> tuple[str, ...]:
    """Return the worlds that an objective is trained in."""
    need = NEEDS.get(objective)
    return tuple(WORLDS) if need is None else need.only


class Sizes(Protocol):
    """Held-out problems, answers to each, and the learning rate of policy gradients."""

    problems: int
    tries: int
    lr: str


def member(objective: str, world: World, start: str, seed: int, sizes: Sizes) -> Member:
    """Return what trains an objective in a world from the model ``start``."""
    need = NEEDS.get(objective, Need(("recipe=rl", f"objective={objective}")))
    plain = objective not in NEEDS
    own = world.rows if need.rows else ()
    return Member(
        (
            *(word.replace("{start}", start) for word in need.typed),
            *SMALL,
            *COMMON,
            *own,
            f"evaluation.problems={sizes.problems}",
            f"evaluation.samples={sizes.tries}",
            f"evaluation.k=[1,{sizes.tries}]",
            "evaluation.bootstrap=0",
            f"start_from={start}",
            f"seed={seed}",
            *((f"optimizer.lr={sizes.lr}", "training.prompts_per_step=16") if plain else ()),
        ),
        need.steps_key,
    )
