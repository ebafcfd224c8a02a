"""How the problems of an evaluation are answered: the stage's episode is played for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from etude.environment.opened import Environments, OpenEnvironments
from etude.errors import StageError
from etude.randomness import judging_seed, seed_of
from etude.rollout.episode.interface import Context, Episode
from etude.rollout.finished import Expected
from etude.rollout.playing import Keys, Playing, play
from etude.rows import POLICY, Candidate, Ended, Example, Row, Sampled, Verdict
from etude.verifier.interface import Ahead, Judge, sound

#: What was sampled as an answer, its text, what the verifier says of it, and how its episode ended
#: where there is an environment.
Answered = tuple[Sampled, str, Verdict, Ended | None]


class Host(Protocol):
    """The other models that an evaluation asks for: those of a stage, or its own."""

    def model(self, name: str) -> Any:
        """Return the model of a role."""

    def engine(self, name: str, sampling: Any = None) -> Any:
        """Return what samples from it by a component of ``rollout``, opened by all ranks."""

    def environments_of(self, environments: Environments) -> OpenEnvironments | None:
        """Return environments opened, None where there is none."""


@dataclass(frozen=True)
class Asked:
    """Problems with their prompts, and how each is answered."""

    problems: list[Example]
    prompts: list[tuple[int, ...]]
    tries: int
    temperature: float
    seed: int
    limit: int

    def some(self, places: Sequence[int]) -> Asked:
        """Return what is asked of the problems at some places."""
        return replace(
            self,
            problems=[self.problems[place] for place in places],
            prompts=[self.prompts[place] for place in places],
        )


@dataclass(frozen=True)
class EvaluationPlayers:
    """What an episode is played with to measure a model: the model itself, alone.

    ``sampling`` samples from it; other roles are sampled by ``rollout``, that of the evaluation.
    """

    policy: Any
    sampling: Any
    rollout: Any
    host: Host
    judge: Judge
    seed: int
    environments: OpenEnvironments | None = None
    logits: None = None
    expected: Expected = field(default_factory=Expected)

    def row_seed(self, prompt_id: str, index: int) -> int:
        """Return what keys the draws of an answer."""
        return seed_of("evaluation", self.seed, prompt_id, index)

    def model(self, role: str) -> Any:
        """Return the model that writes as a role."""
        return self.policy if role == POLICY else self.host.model(role)

    def engine(self, role: str) -> Any:
        """Return what samples from the model of a role."""
        return self.sampling if role == POLICY else self.host.engine(role, self.rollout)

    def learned_at(self, role: str) -> None:
        """Return None: nothing is learned from what is measured."""

    def verify(self, rows: Sequence[Row]) -> None:
        """Have rows judged; each gets its verdict."""
        candidates = [
            self.expected.of(row, fresh)
            for row, fresh in zip(rows, self._candidates(rows), strict=True)
        ]
        for row, verdict in zip(rows, self.judge.verify(candidates), strict=True):
            row.verdict = sound(verdict)
        self.expected.forget()

    @property
    def expects(self) -> bool:
        """Return whether the judge can begin with rows while others are still sampled."""
        return isinstance(self.judge, Ahead)

    def expect(self, rows: Sequence[Row]) -> None:
        """Have judging begin of rows that will be verified as they are."""
        self.expected.tell(self.judge, rows, self._candidates(rows))

    def go_on(self) -> None:
        """Have the judge do what it can without waiting."""
        if isinstance(self.judge, Ahead):
            self.judge.go_on()

    def _candidates(self, rows: Sequence[Row]) -> list[Candidate]:
        return [
            Candidate.of(
                row.example,
                row.index,
                row.text,
                stop_reason=row.stop_reason,
                length=row.length,
                evaluation=True,
                seed=judging_seed(self.row_seed(row.prompt_id, row.index), row.turn),
                rendered=self.expected.rendered(self.policy, row.sampled_prompt or row.prompt),
                ended=row.ended,
            )
            for row in rows
        ]


def answers_of(episode: Episode, asked: Asked, players: EvaluationPlayers) -> list[list[Answered]]:
    """Return as many judged answers to each problem as are asked for."""
    contexts = [
        Context(example, index, prompt, asked=False)
        for example, prompt in zip(asked.problems, asked.prompts, strict=True)
        for index in range(asked.tries)
    ]
    stage = Playing(
        players,
        Keys(asked.seed, 0, players.row_seed),
        contexts,
        {example.id: asked.tries for example in asked.problems},
        limit=asked.limit,
        temperature=asked.temperature,
        measures=True,
    )
    groups = play(episode, asked.problems, [asked.tries] * len(asked.problems), stage)
    chosen = [
        _measured(group, asked.tries, example)
        for group, example in zip(groups, asked.problems, strict=True)
    ]
    players.verify([row for group in chosen for row in group if row.verdict is None])
    return [[_answered(row) for row in group] for group in chosen]


def _measured(group: Sequence[Row], tries: int, example: Example) -> list[Row]:
    """Return the rows of a group that are measured: the model's own.

    Raises StageError where they are not as many as tries: which of them count would be a guess.
    """
    own = [row for row in group if row.role == POLICY]
    if len(own) != tries:
        raise StageError(
            f"the episode gave {len(own)} answers to {example.id}, and {tries} are measured; to "
            "measure otherwise, evaluations.NAME.rollout.episode=single gives an evaluation "
            "another episode, and evaluation=null has none"
        )
    return own


def _answered(row: Row) -> Answered:
    assert row.verdict is not None  # all were judged
    told = {at for span in row.spans if span.told for at in range(span.start, span.end)}
    own = [at for at in range(len(row.tokens)) if at not in told]
    logprobs = tuple(row.sampler_logprobs[at] for at in own)
    sampled = Sampled(tuple(row.tokens[at] for at in own), logprobs, row.stop_reason)
    return sampled, row.text, row.verdict, row.ended
