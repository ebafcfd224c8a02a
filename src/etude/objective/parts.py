"""The parts a policy-gradient objective is made of: one class for each slot.

A part is a frozen dataclass. What changes from step to step lives in a state object that the part
makes (:meth:`Part.make_state`); it is handed back at every call and travels in every checkpoint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor

from etude.component import Need
from etude.objective.batch import Forward, KnownLogprobs, LossBatch, RolloutBatch, Totals
from etude.objective.loss import Estimate, Loss, ScalarLoss, TokenLoss
from etude.objective.sizes import Size
from etude.rows import Example, Row

if TYPE_CHECKING:
    from etude.optimizer.adamw import AdamW


#: What a part requires that compares an answer with the other answers to its prompt.
SEVERAL = Need("answers:several", why="to compare an answer with the others")


class PartState(Protocol):
    """The mutable state of one part."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state as JSON scalars, lists, dicts and tensors."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""


@dataclass(frozen=True)
class Groups:
    """Judged rows by prompt, and what the log wants: name → (sum, count), a mean in the end."""

    rows: list[list[Row]]
    counts: dict[str, tuple[float, float]] = field(default_factory=dict)


class Sampler(Protocol):
    """What guidance may ask for within one step.

    Rows come back judged (``row.verdict``); a row the verifier failed on says so there. Rewards are
    combined later.
    """

    #: Number of the step, from 0.
    step: int

    @property
    def seed(self) -> int:
        """Return the run's seed, to key random choices by, with the step and the row."""

    def sample(
        self, examples: Sequence[Example], size: Size, *, prefixes: Sequence[str] | None = None
    ) -> list[list[Row]]:
        """Return ``size`` new answers to each example's prompt: so many, or one number for each.

        Asked again for the same example id, it gives other answers, numbered on. ``prefixes`` are
        forced heads of the responses, one an example; their tokens are marked ``off_policy``.
        """

    def demonstrations(
        self, examples: Sequence[Example], shares: Sequence[float]
    ) -> list[Row | None]:
        """Return each example's demonstration as a judged row, None where there is none.

        Every given token is marked ``off_policy``. With a share below 1 only that share of the
        tokens is given and the policy goes on from there.
        """

    def taught(self, example: Example) -> Row | None:
        """Return the example's demonstration to imitate, not judged; None when it has none.

        A longer one than an answer may be is cut, and its last token then ends it.
        """

    def text(self, example: Example) -> str | None:
        """Return the text of the example's demonstration, None when it has none."""

    def beginning(self, text: str, share: float) -> str:
        """Return the beginning of a text: that share of the policy's tokens, rounded."""

    def context(self, example: Example) -> tuple[int, ...]:
        """Return the tokens of the example's prompt."""

    def conversation(self, row: Row) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        """Return what the row's episode began with and its turns; of a single answer nothing."""

    def replayed(self, rows: Sequence[Row], goals: Sequence[Mapping[str, Any]]) -> list[Row | None]:
        """Return each episode played again with a goal's columns, judged; None where it fails.

        Raises StageError where the stage's episode plays no environments.
        """

    def fits(self, example: Example) -> bool:
        """Return whether the model's positions leave room to answer the example's prompt."""


class Part:
    """What all parts share; most have no state."""

    #: True when the part must see all rows of a prompt in one call.
    whole_groups: ClassVar[bool] = False
    #: True when the part reads the trainer's log-probs of the sampling policy before the update.
    reads_old_logprobs: ClassVar[bool] = False
    #: What :meth:`prepare` is given of the present policy: ``logprobs``, or a name of
    #: ``primitives.distribution.STATISTICS``.
    statistics: ClassVar[tuple[str, ...]] = ()
    #: Names of ``STATISTICS`` of the sampling policy, for ``LossBatch.old_statistics``.
    old_statistics: ClassVar[tuple[str, ...]] = ()
    #: True when :meth:`prepare` reads ``marks["clipped"]``: where the policy loss's clip removes
    #: the gradient at the present log-probs, which ``statistics`` then names too.
    reads_clipped: ClassVar[bool] = False

    def make_state(self) -> PartState | None:
        """Return the part's state at the start of a stage, or None when it has none."""
        return None

    def prepare(self, batch: LossBatch, statistics: Mapping[str, Tensor], state: Any) -> LossBatch:
        """Return the update batch with what must be known of all of it before it is cut.

        ``statistics`` holds what the part asked for, each ``[N, T]``, without gradient. Findings
        are left with :meth:`LossBatch.mark`; a changed ``mask`` changes the totals.
        """
        return batch

    def observe(self, metrics: Mapping[str, float], state: Any) -> None:
        """Learn from the metrics of a finished step (an adaptive coefficient moves on)."""


class Shaping(Part, ABC):
    """Changes the rewards of a rollout batch before advantages are computed."""

    @abstractmethod
    def shape(self, batch: RolloutBatch, state: Any) -> tuple[RolloutBatch, dict[str, float]]:
        """Return the batch with its rewards changed, and numbers for the log."""


class Masking(Part, ABC):
    """Takes rows or tokens out of the loss; their rewards stay in the group's statistics."""

    @abstractmethod
    def mask(self, batch: RolloutBatch) -> Tensor:
        """Return the mask with tokens taken out, ``[N, T]``."""


class Advantage(Part, ABC):
    """Turns rewards into advantages, over the whole rollout batch."""

    @abstractmethod
    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token, detached."""


class GroupFilter(Part, ABC):
    """Drops prompt groups before the update; ``refill`` says whether others are sampled instead.

    ``metric`` says what groups are judged by. ``max_batches`` bounds how many batches are sampled
    for one step (0: no bound).
    """

    refill: ClassVar[bool] = False
    #: What groups did that were kept, before the name of the metric: "only 3 groups differed in …".
    passed: ClassVar[str] = "differed in"
    metric: str
    max_batches: int

    @property
    def reads_rewards(self) -> bool:
        """Return whether rewards are read: those that a group has by itself.

        One that reads them ``conflicts`` with ``reward:of_batch``.
        """
        return True

    @abstractmethod
    def keep_groups(self, groups: Sequence[Sequence[Row]]) -> list[bool]:
        """Return for each group of judged rows whether it is kept."""

    def choose(self, kept: int, wanted: int, *keys: int) -> list[int]:
        """Return which of ``kept`` groups are trained on where refilling kept more than wanted.

        They are the first ones. ``keys`` (seed and step) key what is drawn at random instead.
        """
        return list(range(min(kept, wanted)))

    def prompts(self, wanted: int) -> int:
        """Return how many prompts are sampled at a time for so many that are trained on."""
        return wanted

    def among(self, groups: Sequence[list[Row]], wanted: int) -> list[list[Row]]:
        """Return those of a batch of groups that a step of ``wanted`` prompts may train on."""
        kept = self.keep_groups(groups)
        return [group for group, keep in zip(groups, kept, strict=True) if keep]


class MetricFilter(GroupFilter):
    """A filter that sees one number of each row: ``reward``, or the verifier part ``metric``."""

    @abstractmethod
    def keep(self, groups: Sequence[Sequence[float]]) -> list[bool]:
        """Return for each group (the metric of each of its rows) whether it is kept."""

    def keep_groups(self, groups: Sequence[Sequence[Row]]) -> list[bool]:
        """Return for each group of judged rows whether it is kept.

        Rows that a part does not apply to are not looked at.
        """
        return self.keep([self._values(group) for group in groups])

    @property
    def reads_rewards(self) -> bool:
        """Return whether the metric is the reward, and no part."""
        return self.metric == "reward"

    def _values(self, group: Sequence[Row]) -> list[float]:
        if self.metric == "reward":
            return [row.reward for row in group]
        known = [row.verdict.parts for row in group if row.verdict is not None]
        return [parts[self.metric] for parts in known if self.metric in parts]


class Guidance(Part, ABC):
    """Decides how the judged groups of a step come about: hints, demonstrations, more rollouts."""

    @property
    def taken(self) -> int:
        """Return how many places of a group are filled with something else than own answers."""
        return 0

    @abstractmethod
    def groups(
        self, examples: Sequence[Example], size: Size, sampler: Sampler, state: Any
    ) -> Groups:
        """Return the judged groups of the examples, in order, with numbers for the log.

        ``size`` is the number of answers of each, or a sequence of one number for each of them.
        Where a budget decides in rounds it grows while :meth:`Sampler.sample` is asked for it: ask
        with it for the policy's own answers. An example may have several groups: rows are compared
        with those of their group.
        """


class Selection(Part, ABC):
    """Says which rows and tokens are learned from, and how often, once advantages are known."""

    #: True where dropped rows leave before the step is cut into updates, so that there are fewer.
    before_updates: bool = False

    @abstractmethod
    def select(self, batch: RolloutBatch, advantages: Tensor, state: Any) -> Tensor:
        """Return the mask of what is trained on, ``[N, T]``, or how often each row is, ``[N]``.

        What is dropped counts nowhere. A row that counts twice is there twice, in the loss and in
        all that divides it, within its prompt's group; advantages stay those of the rows sampled.
        """


class PolicyLoss(Part, ABC):
    """The loss of the policy, to minimise, before aggregation."""

    @abstractmethod
    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss | ScalarLoss:
        """Return the loss of every token, or a scalar where the method has no token form."""

    def clipped_tokens(self, batch: LossBatch, logprobs: Tensor) -> Tensor:
        """Return where a clip removes the gradient at the given log-probs, boolean ``[N, T]``.

        A loss that reads more of a forward pass than log-probs says it in its own way.
        """
        loss = self.loss(batch, KnownLogprobs(logprobs))
        clipped = loss.clipped if isinstance(loss, TokenLoss) else None
        return torch.zeros_like(batch.mask, dtype=torch.bool) if clipped is None else clipped


class Modifier(Part, ABC):
    """Changes single token losses after the policy loss (weights, penalties, dropped tokens)."""

    @abstractmethod
    def modify(
        self, tokens: TokenLoss, batch: LossBatch, forward: Forward, state: Any
    ) -> TokenLoss:
        """Return the token losses as changed."""


class Aggregation(Part, ABC):
    """Turns a matrix of token losses into one number: how much each token weighs."""

    @abstractmethod
    def weights(self, mask: Tensor, totals: Totals, groups: Tensor | None = None) -> Tensor:
        """Return the weight of every token, ``[N, T]``; the loss is the sum of weight × loss.

        ``mask`` and ``groups [N]`` (the prompt group of each row) are those of a micro-batch and
        ``totals`` those of the update batch.
        """


class Regularizer(Part, ABC):
    """A term added to the loss, aggregated like the policy loss."""

    @property
    def active(self) -> bool:
        """Return whether the term is not identically 0."""
        return True

    @abstractmethod
    def loss(self, batch: LossBatch, forward: Forward, state: Any) -> TokenLoss:
        """Return the term of every token, its coefficient included."""


class Auxiliary(Part, ABC):
    """A loss of its own beside the policy loss (a critic, imitation), with its own denominators."""

    @abstractmethod
    def loss(self, batch: LossBatch, forward: Forward, state: Any) -> ScalarLoss:
        """Return the loss, coefficient and denominators included; it adds over micro-batches."""


class Imitation(Part, ABC):
    """A second stream of rows in every update: demonstrations beside the policy's own answers."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Return how many demonstrations join each update batch; 0 for none."""

    @abstractmethod
    def policy_weight(self, step: int) -> float:
        """Return what the policy loss of step number ``step`` is multiplied by."""

    @abstractmethod
    def loss(self, batch: LossBatch, forward: Forward) -> Loss:
        """Return the loss of demonstrations, weight included; it adds over micro-batches.

        The batch holds demonstrations only, and its totals count nothing else.
        """


class ExtraUpdate(Part, ABC):
    """Updates of the policy after the main one of a step, with an optimizer of their own."""

    @property
    @abstractmethod
    def optimizer(self) -> AdamW:
        """Return the optimizer, whose state is kept apart from the policy's."""

    @property
    @abstractmethod
    def gradient_clip(self) -> float | None:
        """Return the largest norm of the gradient; None clips nothing."""

    @abstractmethod
    def collect(
        self, groups: Sequence[Sequence[Row]], sampler: Sampler, state: Any
    ) -> dict[str, float]:
        """Take in what the step sampled (before the update); return numbers for the log."""

    @abstractmethod
    def batches(self, state: Any) -> list[list[Row]]:
        """Return the rows of each update that is due now; what is returned is used up."""

    @abstractmethod
    def loss(self, batch: LossBatch, forward: Forward) -> Loss:
        """Return the loss of these rows; it adds over micro-batches."""
