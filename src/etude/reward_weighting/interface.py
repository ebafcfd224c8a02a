"""What a reward weighting is: named parts of a step's rows in, rewards or advantages out.

N is the number of rows of a step that are learned from (those of all ranks, group by group), T the
padded response width. A weighting is pure: what it knows from step to step is a *state*, which it
is handed and returns changed, once a step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from etude.component import OF_BATCH
from etude.feedback import StepFeedback, UpdateFeedback
from etude.live import Live, Tree


@dataclass(frozen=True)
class Combined:
    """What a weighting makes of a step's rows.

    ``rewards [N]`` are what the log and selections call the reward. The stage's own advantage
    component makes advantages of them, unless ``advantages`` (``[N]`` or ``[N, T]``) are given; a
    weighting that gives them provides :data:`etude.component.ADVANTAGES`. ``weights`` say how much
    each part counts in the rewards, for the log and so that a part that lies on spans of tokens is
    rewarded there; None: the reward is no weighted sum. ``state`` is that of the next step (None:
    as it was) and ``metrics`` are numbers for the log.
    """

    rewards: Tensor
    advantages: Tensor | None = None
    weights: Mapping[str, float] | None = None
    state: Tree = None
    metrics: Mapping[str, float] = field(default_factory=dict)


class Gradient(Protocol):
    """The gradient of a loss in some parameters; every rank has the same numbers of it."""

    def dot(self, other: Any) -> float:
        """Return the inner product with another gradient in the same parameters."""

    def norm(self) -> float:
        """Return the Euclidean norm."""

    def flat(self) -> Tensor:
        """Return the whole gradient as one vector, float32, on the CPU."""


@dataclass(frozen=True)
class Tools:
    """What a weighting may ask for beside the parts; :meth:`combine` is given it as ``tools``.

    ``step`` (of ``steps``) is the number of the step and ``learning_rate`` that of its updates.
    ``lengths [N]`` are the tokens of each answer, ``truncated [N]`` whether the limit of ``width``
    tokens ended it, and ``seeds [N]`` key random choices about rows. ``layers`` is how many layers
    the policy's decoder has, numbered from 0. The methods need a policy that
    learns: of a group alone, as a filter sees it, there is none, so a weighting that calls one
    provides :data:`OF_BATCH`.
    """

    step: int = 0
    steps: int = 1
    learning_rate: float = 0.0
    lengths: Tensor = field(default_factory=lambda: torch.zeros(0))
    truncated: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))
    seeds: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    width: int = 0
    layers: int = 0

    @property
    def terms(self) -> tuple[str, ...]:
        """Return the names of the objective's shaping terms, which are parts here."""
        return ()

    @property
    def mask(self) -> Tensor:
        """Return 1 on the tokens that are trained, ``[N, T]``."""
        raise LookupError(_ALONE.format("tokens"))

    def rewards(self, part: str) -> Tensor:
        """Return what a part, or a shaping term, adds up to over each row, ``[N]``."""
        raise LookupError(_ALONE.format(f"the rewards of {part}"))

    def advantages(self, part: str | Tensor) -> Tensor:
        """Return the advantages of one part alone, ``[N, T]``.

        They are what the stage's own advantage component makes of it, with a state for each part.
        ``part`` names a part of the verifier or a shaping term, or is a reward ``[N]`` of one's
        own, which has no state. Rows that a part does not apply to have advantage 0 and are in no
        baseline.
        """
        raise LookupError(_ALONE.format("advantages"))

    def gradient(
        self, advantages: Tensor, rows: Tensor | None = None, layers: Sequence[int] | None = None
    ) -> Gradient:
        """Return the gradient of the objective's loss at the present policy, before any update.

        ``advantages`` are ``[N]`` or ``[N, T]``; ``rows`` (boolean ``[N]`` or numbers) are those
        that take part, all where it is None; ``layers`` are decoder layers by number, every trained
        parameter where it is None. All ranks ask together.
        """
        raise LookupError(_ALONE.format("gradients"))


_ALONE = (
    "{} are asked for where no policy learns: a weighting that asks for them provides "
    f"{OF_BATCH!r} and requires 'learner:policy_gradient'"
)


class RewardWeighting(ABC):
    """A component of the group ``reward_weighting``: named parts of rows become one reward.

    Only :meth:`combine` has to be there. State is a tree of dicts and lists of numbers, texts and
    tensors; every method gets a copy, and what moves is what it returns.
    """

    @abstractmethod
    def combine(self, parts: Mapping[str, Tensor], *args: Any, **given: Any) -> Tensor | Combined:
        """Return the rewards ``[N]``, or :class:`Combined`; called once a step.

        ``parts`` are the verifier's, each ``[N]``. A weighting asks for more by naming it:
        ``groups [N]`` (which group a row belongs to), ``statuses`` (the outcome of each row),
        ``applies`` (part → boolean ``[N]``: False, and the part 0, where it does not apply),
        ``state`` and ``tools`` (:class:`Tools`).
        """

    def start(self, seed: int) -> Tree:
        """Return the state at the start of a stage; None for a weighting without one."""
        return None

    def begin(self, state: Tree, evaluations: Mapping[str, Mapping[str, float]]) -> Tree:
        """Return the state with what evaluations that are asked for at the start came to."""
        return state

    def after_update(self, state: Tree, update: UpdateFeedback) -> Tree:
        """Return the state as an update that was made moves it; it acts from the next step on."""
        return state

    def observe(self, state: Tree, feedback: StepFeedback) -> Tree:
        """Return the state as a finished step moves it."""
        return state

    def metrics(self, state: Tree) -> dict[str, float]:
        """Return numbers for the log of a step, named ``reward_weighting/<name>`` there."""
        return {}

    def values(self) -> Mapping[str, float]:
        """Return the parts and terms that a critic values one by one → the weight of each's loss.

        Those of a weighting that provides :data:`etude.component.ADVANTAGES_BY_VALUE`, in the place
        of :data:`etude.component.ADVANTAGES`. They are fixed for a stage.
        """
        return {}

    def log_weights(self, parts: Sequence[str]) -> Mapping[str, float] | None:
        """Return what each part counts, where :meth:`combine` returns plain rewards."""
        return None

    def open(self, stage: Any) -> WeightingState | None:
        """Return what is alive of it in an open stage, None for a weighting without state."""
        state = self.start(stage.seed)
        return None if state is None else WeightingState(self, state)


class WeightingState(Live):
    """The state of a weighting in a stage, kept and told of steps like anything alive."""

    def __init__(self, weighting: RewardWeighting, state: Tree) -> None:
        self.weighting = weighting
        self.state = state

    def begin(self, evaluations: Mapping[str, Mapping[str, float]]) -> None:
        """Hand what was measured before the first step on to the weighting."""
        self.state = self.weighting.begin(copied(self.state), evaluations)

    def after_update(self, update: UpdateFeedback) -> None:
        """Hand an update on to the weighting."""
        self.state = self.weighting.after_update(copied(self.state), update)

    def observe(self, feedback: StepFeedback) -> None:
        """Hand a finished step on to the weighting."""
        self.state = self.weighting.observe(copied(self.state), feedback)

    def metrics(self) -> dict[str, float]:
        """Return the weighting's numbers for the log."""
        return self.weighting.metrics(copied(self.state))

    def state_dict(self) -> Tree:
        """Return the state."""
        return {"state": copied(self.state)}

    def load_state_dict(self, state: Tree) -> None:
        """Restore the state, to the bit."""
        self.state = state["state"]


def copied(state: Tree) -> Tree:
    """Return a tree of dicts, lists and tensors that shares nothing that can change."""
    if isinstance(state, Mapping):
        return {key: copied(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(copied(value) for value in state)
    return state.clone() if isinstance(state, Tensor) else state
