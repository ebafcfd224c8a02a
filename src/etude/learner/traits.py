"""What the rest of etude knows of a learner without importing it, declared beside the learner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

T = TypeVar("T", bound=type)

HandsOn = Literal["model", "data"]


@dataclass(frozen=True, kw_only=True)
class Traits:
    """The facts that planning, estimates, words and views go by; none of them knows a name.

    ``row`` is what one row of a step is (``demonstration``, ``pair``, ``answer``, …) and
    ``sequences`` how many token sequences it has. ``samples`` tells that answers are sampled, so
    that rollout, verifier and reward matter. With ``groups`` a step has
    ``training.prompts_per_step`` groups of ``training.rollouts_per_prompt`` rows, otherwise
    ``training.rows_per_step`` rows.
    ``trains`` tells that parameters move (``trains_roles``: those of other models of the stage as
    well, each on rows of its own), ``hands_on`` what the stage leaves: a model, or the rows
    of ``data/`` (what comes next then starts where it started).

    ``example`` are overrides that choose an ``{objective}`` in a stage that has rows for it.
    ``next`` are overrides worth trying after a run of one such stage, the first that was not
    typed is shown; ``sweep`` is a sweep worth trying.
    """

    row: str = "row"
    sequences: int = 1
    samples: bool = False
    groups: bool = False
    trains: bool = True
    trains_roles: bool = False
    hands_on: HandsOn = "model"
    example: str = "objective={objective}"
    next: tuple[str, ...] = ()
    sweep: str = ""


@dataclass(frozen=True)
class Declared:
    """A learner class under its name, with its traits."""

    name: str
    cls: type
    traits: Traits


LEARNERS: dict[str, Declared] = {}


def learner(*, name: str = "", **traits: Any) -> Callable[[T], T]:
    """Register a class as the learner that objectives name, with its :class:`Traits`.

    The name is that of the module unless given. The class is made from the stage's parts and its
    context and is a :class:`etude.learner.interface.Learner`. Raises TypeError for a trait that
    does not exist and for a name that another class has.
    """

    def register(cls: T) -> T:
        own = name or cls.__module__.rpartition(".")[2]
        known = LEARNERS.get(own)
        if known is not None and known.cls.__qualname__ != cls.__qualname__:
            taken = f"{known.cls.__module__}.{known.cls.__qualname__}"
            raise TypeError(f"the learner {own} is already {taken}")
        LEARNERS[own] = Declared(own, cls, Traits(**traits))
        return cls

    return register
