"""What an evaluation is given: one model, and what of its stage may be used to measure it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from etude.built import roles_of
from etude.config.evaluations import MAIN
from etude.config.settings import Execution
from etude.data_mix.stream import Stream
from etude.distributed.together import apart
from etude.distributed.world import current
from etude.environment.opened import Environments
from etude.evaluation.interface import Answers
from etude.evaluation.played import Answered, Asked, EvaluationPlayers, Host, answers_of
from etude.rollout.episode.single import Single
from etude.rollout.fitting import positions_of
from etude.rows import Example
from etude.verifier.failures import refuse_failures
from etude.verifier.interface import Judge

if TYPE_CHECKING:
    from etude.evaluation.held_out_loss import Demonstrated
    from etude.evaluation.teacher_forced import Read, TokenLogprobs

Open = TypeVar("Open")

#: Lends what is open, or opens it and closes it behind the block.
Opened = Callable[[], AbstractContextManager[Open]]


@dataclass(frozen=True)
class Around:
    """The components of a stage that an evaluation uses, beside its own; ``name`` is its name."""

    rollout: Any
    verifier: Any
    stream: Stream
    execution: Execution
    environments: Environments
    name: str = MAIN

    @property
    def held_out(self) -> str:
        """Return where the rows that are measured on are described, for messages."""
        return "data_mix.held_out" if self.name == MAIN else f"the evaluation {self.name}"


class View:
    """A model that is measured, the rows it is measured on, and what samples and judges.

    All ranks measure together and ask in the same order; each is given the same.
    """

    def __init__(
        self,
        policy: Any,
        around: Around,
        problems: Callable[[int, int], list[Example]],
        prompt: Callable[[Example], tuple[int, ...]],
        *,
        engine: Opened[Any] | None,
        judge: Opened[Judge],
        host: Host,
    ) -> None:
        self._host = host
        self._sharded = policy
        self._around = around
        self._problems = problems
        self._prompt = prompt
        self._engine = engine
        self._judge = judge

    @cached_property
    def policy(self) -> Any:
        """Return the model with its tokenizer, whole on every rank, however it is trained."""
        return self._sharded.replica()

    def problems(self, most: int, max_new_tokens: int | None = None) -> list[Example]:
        """Return the first held-out rows that leave room for an answer, at most ``most``.

        Raises DataError where there is none, VerifierError where no right answer can be read.
        """
        return list(self._problems(most, self._limit(max_new_tokens)))

    def answers(
        self,
        problems: Sequence[Example],
        tries: int = 1,
        *,
        temperature: float = 1.0,
        seed: int = 0,
        max_new_tokens: int | None = None,
    ) -> Answers:
        """Return ``tries`` judged answers to each problem: all of the first, then of the next.

        Temperature 0 takes the most likely token each time. The draws depend on ``seed``, the
        problem and the number of the try alone. Raises VerifierError when the verifier itself
        fails on more answers than its ``most_failed`` allows.
        """
        prompts = [self._prompt(example) for example in problems]
        limit = self._limit(max_new_tokens)
        played = Asked(list(problems), prompts, tries, temperature, seed, limit)
        answered = self._answered(played)
        every = [answer for answers in answered for answer in answers]
        verdicts = [verdict for _, _, verdict, _ in every]
        name = self._around.name
        where = "the evaluation" if name == MAIN else f"the evaluation {name}"
        refuse_failures(verdicts, self._around.verifier.most_failed, where)
        return Answers(
            problems,
            [sampled for sampled, _, _, _ in every],
            [text for _, text, _, _ in every],
            verdicts,
            limit,
            [self._sharded.rendered(prompt) for prompt in prompts],
            [ended for _, _, _, ended in every],
        )

    def loss(self, problems: Sequence[Example], max_length: int) -> Demonstrated | None:
        """Return the teacher-forced loss of problems that have a response, None where none has.

        Those of more than ``max_length`` tokens are left out.
        """
        if all(example.response is None for example in problems):
            return None
        from etude.evaluation.held_out_loss import held_out_loss

        tokens = self._around.execution.micro_batch_tokens
        loss = held_out_loss(self.policy, problems, max_length, tokens)
        return loss if len(loss.losses) else None

    def logprobs(
        self, problems: Sequence[Example], texts: Sequence[str], ended: Sequence[bool] = ()
    ) -> list[TokenLogprobs]:
        """Return the log-probs of the tokens of a text after each problem, the end token included.

        ``ended`` says of each text whether it ends there; without it all do. They are of the full
        distribution at temperature 1.
        """
        policy = self.policy
        rows = [
            (
                self._prompt(example),
                policy.encode_response(text, example)
                if ends
                else policy.encode_text(text, example),
            )
            for example, text, ends in zip(
                problems, texts, ended or [True] * len(texts), strict=True
            )
        ]
        return self._read(rows, 0)

    def read(self, answers: Answers, top: int = 0) -> list[TokenLogprobs]:
        """Return the log-probs of the tokens of answers, at temperature 1, and of the ``top`` most
        likely tokens in the place of each.

        The model reads them again, whatever sampled them, so they are those of its own weights and
        not of a sampler's precision.
        """
        tries = len(answers.sampled) // max(1, len(answers.examples))
        rows = [
            (self._prompt(answers.examples[place // tries]), sampled.tokens)
            for place, sampled in enumerate(answers.sampled)
        ]
        return self._read(rows, top)

    def _read(self, rows: Sequence[Read], top: int) -> list[TokenLogprobs]:
        from etude.evaluation.teacher_forced import token_logprobs

        tokens = self._around.execution.micro_batch_tokens
        return token_logprobs(self.policy, rows, top=top, batch_tokens=tokens)

    def room(self, prompt: Example, max_new_tokens: int | None) -> int | None:
        """Return the tokens that the model's positions leave behind a prompt and an answer to it.

        None where the model has no limit. Without ``max_new_tokens`` an answer may take what the
        rollout allows.
        """
        positions = positions_of(self.policy)
        if positions is None:
            return None
        return positions - len(self._prompt(prompt)) - self._limit(max_new_tokens)

    def _limit(self, max_new_tokens: int | None) -> int:
        """Return the tokens an answer may take."""
        return max_new_tokens or int(self._around.rollout.max_new_tokens)

    def _answered(self, asked: Asked) -> list[list[Answered]]:
        """Return the answers to each problem; each rank samples and judges those of its problems.

        A request to stop ends it early.
        """
        world = current()
        # What samples is made where all ranks are: the weights may have to be put together.
        engine = self._engine or self._own_engine(self.policy)
        episode = getattr(self._around.rollout, "episode", None) or Single()
        rollout = self._around.rollout
        for role in roles_of(episode):
            self._host.engine(role, rollout)
        mine = world.share(range(len(asked.problems)))

        def answer() -> list[list[Answered]]:
            if not mine:
                return []
            with engine() as opened, self._judge() as judge:
                players = EvaluationPlayers(
                    self._sharded,
                    opened,
                    rollout,
                    self._host,
                    judge,
                    asked.seed,
                    self._host.environments_of(self._around.environments),
                )
                return answers_of(episode, asked.some(mine), players)

        return world.merged(apart(answer))

    def _own_engine(self, policy: Any) -> Opened[Any]:
        return lambda: closing(self._around.rollout.engine(policy))
