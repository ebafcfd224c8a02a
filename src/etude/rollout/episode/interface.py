"""What an episode is, and what it may ask of the stage that it is played in.

An episode turns prompts into rows: it has models sample from contexts, tells them something, has
them go on. What a model sampled stays the tokens that it sampled; a row is an append-only text.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from etude.rows import Example, Message, Row, RowName

if TYPE_CHECKING:
    from etude.component import Declaration
    from etude.environment.opened import OpenEnvironments
    from etude.model.calls import CallReader


@dataclass(frozen=True)
class Context:
    """What a model goes on from: the tokens of a prompt, or a row and what it is told then.

    ``index`` numbers the answers to the example's prompt. ``row`` is gone on with, after the tokens
    ``told``, a message of ``speaker``; without one, ``prompt`` is answered, beginning with the
    tokens ``head``. ``parent`` is the row that the new one goes on from or answers, and ``asked``
    tells a context that an episode made from one that the step began with.
    """

    example: Example
    index: int
    prompt: tuple[int, ...]
    head: tuple[int, ...] = ()
    row: Row | None = None
    told: tuple[int, ...] = ()
    speaker: str = "user"
    turn: int = 0
    parent: RowName | None = None
    asked: bool = True


class EpisodeStage(Protocol):
    """What an episode may ask for: prompts to answer, models that answer them, verdicts.

    All of it belongs to the prompts that the episode was given; ranks play theirs each for itself.
    """

    @property
    def seed(self) -> int:
        """Return the seed of the stage."""

    @property
    def step(self) -> int:
        """Return the number of the step, from 0; of an evaluation 0."""

    @property
    def limit(self) -> int:
        """Return how many tokens a row's response may have, what it is told included."""

    @property
    def contexts(self) -> list[Context]:
        """Return what is to be answered: every example as often as its size says, in order."""

    def sample(
        self,
        role: str,
        contexts: Sequence[Context],
        decoder: Any = None,
        *,
        key: str = "",
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        final: bool = False,
    ) -> list[Row]:
        """Return the rows that the model of a role (``policy`` or one of ``models``) writes.

        One row a context, in order, none of them judged. A row that was gone on with comes back as
        a longer one; where the limit leaves it no token it comes back as it was, ended by the
        limit. ``decoder`` draws from a combination of logits (:mod:`etude.rollout.logits`); by
        default the policy draws as ``rollout.logits`` says and any other model from its own.
        ``max_new_tokens`` limits this turn, and ``temperature`` takes the place of the step's (of
        the policy) or the config's: rows that are learned from are then held against the log-probs
        that they were drawn with. An evaluation's own temperature stays. ``final`` says that the
        rows will be judged as they are, so that it may begin while others are sampled; verdicts do
        not depend on it. A draw is keyed by (seed, role, turn, step, prompt, index, key). Raises
        StageError where a draw would repeat one.
        """

    def context(self, example: Example) -> Context:
        """Return one more answer to begin to an example, with an index of its own."""

    @property
    def environments(self) -> OpenEnvironments:
        """Return the open environments; raises StageError where the stage has none."""

    def converse(
        self, context: Context, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()
    ) -> Context:
        """Return a context that begins with a conversation in the place of its example's prompt.

        ``tools`` are JSON schemas that the chat template is told of. A model without a chat
        template reads the texts, a line each.
        """

    def calls(self, written: str = "auto") -> CallReader:
        """Return what reads the calls of tools in the policy's answers."""

    def refuse_other_histories(self, accept: bool) -> None:
        """Raise StageError where the chat template writes earlier answers otherwise than given.

        Where that is to be accepted, it is told once.
        """

    def tell(self, row: Row, text: str | Sequence[Message], *, role: str = "user") -> Context:
        """Return the row to go on with once its model is told a message of ``role``, or several.

        The tokens told are those that the chat template writes between the answer and the next
        one; without a template those of ``text`` alone. They are not trained.
        """

    def branch(self, row: Row, count: int) -> list[Context]:
        """Return so many ways to go on with a row as it stands, each with an index of its own."""

    def ask(
        self,
        role: str,
        row: Row,
        prompt: str | Sequence[Message],
        *,
        system: str | None = None,
    ) -> Context:
        """Return a new text for the model of a role, about a row: a prompt, or a conversation."""

    def verify(self, rows: Sequence[Row]) -> None:
        """Have rows judged now; all that an episode returns are, at its end, if they are not."""


class Episode(ABC):
    """A component of the slot ``rollout.episode``: how prompts become groups of rows.

    One that returns other numbers of rows than it was asked for provides ``groups:unequal``. What
    it reads or writes of named tensors it declares (``provides=["tensor:NAME"]``), and the models
    that it asks for (``requires=[Need("model:{judge}")]``, with a field ``judge``).
    """

    declaration: ClassVar[Declaration]

    @abstractmethod
    def play(
        self, examples: Sequence[Example], sizes: Sequence[int], stage: EpisodeStage
    ) -> Sequence[Sequence[Row]] | Sequence[Row]:
        """Return the group of each example, in order; ``sizes`` are the answers asked for.

        As many rows as were asked for, one after another, are groups of these sizes. Rows of a role
        that the stage does not train are kept for the record and are not learned from. It depends
        on nothing but what it is given, so that any rank, and a stage that goes on, plays it alike.
        """


def in_groups(rows: Sequence[Row], sizes: Sequence[int]) -> list[list[Row]]:
    """Return rows that stand one after another as groups of these sizes."""
    left = iter(rows)
    return [list(islice(left, size)) for size in sizes]
