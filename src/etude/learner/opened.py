"""What a stage that samples holds open: prompts, the model that answers, its engine, the judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

from etude.data_mix.draw import Draw
from etude.environment.opened import OpenEnvironments
from etude.errors import DataError
from etude.learner.open_stage import OpenStage
from etude.learner.spans import token_spans
from etude.model.policy import Policy
from etude.randomness import judging_seed, row_seed
from etude.rollout.engine import Engine
from etude.rollout.episode.interface import Episode
from etude.rollout.episode.single import Single
from etude.rollout.finished import Expected
from etude.rollout.fitting import PromptLimit
from etude.rollout.logits.interface import Logits
from etude.rows import POLICY, Candidate, Example, Row
from etude.verifier.interface import Ahead, Judge, sound

#: Draws for one batch of prompts, where some are too long, before it is said that none fit.
_DRAWS = 20


class Opened:
    """The stream of prompts, the model and engine that answer, and the judge, as opened.

    Answers come from ``policy``, or from the frozen model that the stage's ``rollout.model_from``
    names. ``max_new_tokens`` is the longest answer of the present step and ``limit`` the longest
    prompt beside it; a plan may set them (:meth:`allow`).
    """

    #: The number of the present step, by which rows are keyed.
    step: int = 0

    def __init__(self, stage: OpenStage) -> None:
        self._stage = stage
        self._parts = stage.parts
        self.seed = stage.seed
        self.role = stage.role
        self.on_policy = stage.on_policy
        #: The trained roles that the episode has write rows.
        self.writers = [role for role, each in stage.trained.items() if each.given]
        self.policy: Policy = stage.model(stage.sampler)
        stage.engine(stage.sampler)
        for role in stage.roles.asked_by("rollout"):
            stage.engine(role)  # opened by all ranks before one of them needs it
        self.allow(None)
        self.stream = stage.open_stream(self.limit.fits)
        self._judge = stage.verifier
        self._expected = Expected()

    @property
    def episode(self) -> Episode:
        """Return how prompts become rows: the component, or what it has opened."""
        chosen: Episode = getattr(self._parts.rollout, "episode", None) or Single()
        opened: Any = self._stage.live.get("rollout.episode")
        return opened if hasattr(opened, "play") else chosen

    @property
    def logits(self) -> Logits | None:
        """Return what the tokens of answers are drawn from; None: the model's own distribution."""
        chosen: Logits | None = getattr(self._parts.rollout, "logits", None)
        opened: Any = self._stage.live.get("rollout.logits")
        return opened if hasattr(opened, "combine") else chosen

    def model(self, role: str) -> Policy:
        """Return the model that writes as a role: as the policy the one that answers."""
        return self.policy if role == POLICY else self._stage.model(role)

    def engine(self, role: str) -> Engine:
        """Return what samples from the model of a role."""
        return self._stage.engine(self._stage.sampler if role == POLICY else role)

    @property
    def environments(self) -> OpenEnvironments | None:
        """Return the open environments of the stage, None where it has none."""
        return self._stage.environments_of(self._parts.environments_there)

    def learned_at(self, role: str) -> float | None:
        """Return the temperature of the config that a role is trained at; None: it is not."""
        if role == POLICY and self._parts.optimizer is not None:
            return float(self._parts.rollout.temperature)
        if role not in self.writers:
            return None
        return float(self._stage.trained[role].parts.rollout.temperature)

    def allow(self, max_new_tokens: int | None) -> None:
        """Let answers have so many tokens from now on, or as many as the config says (None)."""
        rollout = self._parts.rollout
        self.max_new_tokens: int = max_new_tokens or rollout.max_new_tokens
        readers = [self._stage.model(role) for role in self._stage.roles.asked_by("rollout/logits")]
        self.limit = PromptLimit(self.policy, rollout, self.max_new_tokens, beside=readers)

    def draw(self, wanted: int | Draw) -> list[Example]:
        """Return prompts of the mix, cut where they are too long and that is the rule.

        Nobody has looked at rows that are made on demand, or at the room beside longer answers than
        the config's: there others are drawn for those that are left out, each in its own place.
        Raises DataError where a long one is refused, or where as many as a draw asks for do not
        fit.
        """
        if not isinstance(wanted, Draw) or not (wanted.parameters or self._longer):
            return [self.limit.cut(example) for example in self.stream.next(wanted)]
        where = "the curriculum's draw"
        asked = self.stream.next(wanted)
        found = self.limit.in_place(asked, where)
        left = _without(found)
        for _ in range(_DRAWS - 1):
            if not left:
                break
            again = self.stream.again(wanted, left)
            for place, example, fits in zip(
                left, again, self.limit.in_place(again, where), strict=True
            ):
                asked[place], found[place] = example, fits
            left = _without(found)
        if left:
            made = asked[left[0]].columns.get("parameters")
            raise DataError(
                f"after {_DRAWS} draws only {len(found) - len(left)} of {len(found)} prompts fit "
                f"beside {self.max_new_tokens} new tokens"
                + ("" if made is None else f"; one that does not is made from {dict(made)}")
                + " (rollout.too_long=cut leaves out their beginnings)"
            )
        return [example for example in found if example is not None]

    @property
    def _longer(self) -> bool:
        """Return whether answers may be longer than prompts were measured for."""
        longest: int = self._parts.rollout.max_new_tokens
        return self.max_new_tokens > longest

    def verify(self, rows: Sequence[Row]) -> None:
        """Have rows of the present step judged; each gets its verdict."""
        for role, some in self._by_role(rows):
            model = self._model_of(role)
            candidates = [
                self._expected.of(row, fresh)
                for row, fresh in zip(some, self._candidates(some, model), strict=True)
            ]
            verdicts = self._judge_of(role).verify(candidates)
            for row, verdict in zip(some, verdicts, strict=True):
                row.verdict = sound(verdict)
                row.part_spans = token_spans(row, model)
        self._expected.forget()

    @cached_property
    def _judges(self) -> list[Judge]:
        return [self._judge_of(role) for role in (None, *self.writers)]

    @property
    def expects(self) -> bool:
        """Return whether a judge can begin with rows while others are still sampled."""
        return any(isinstance(judge, Ahead) for judge in self._judges)

    def expect(self, rows: Sequence[Row]) -> None:
        """Have judging begin of rows that will be verified as they are."""
        for role, some in self._by_role(rows):
            candidates = self._candidates(some, self._model_of(role))
            self._expected.tell(self._judge_of(role), some, candidates)

    def go_on(self) -> None:
        """Have judges do what they can without waiting."""
        for judge in self._judges:
            if isinstance(judge, Ahead):
                judge.go_on()

    def _by_role(self, rows: Sequence[Row]) -> list[tuple[str | None, list[Row]]]:
        """Return rows by the trained role that wrote them, None for all others, if there are."""
        found: dict[str | None, list[Row]] = {role: [] for role in (None, *self.writers)}
        for row in rows:
            found[row.role if row.role in self.writers else None].append(row)
        return [(role, some) for role, some in found.items() if some]

    def _judge_of(self, role: str | None) -> Judge:
        return self._judge if role is None else self._stage.trained[role].verifier

    def _model_of(self, role: str | None) -> Policy:
        return self.policy if role is None else self.model(role)

    def _candidates(self, rows: Sequence[Row], model: Policy) -> list[Candidate]:
        return [self._candidate(row, partial(self._expected.rendered, model)) for row in rows]

    def _candidate(self, row: Row, rendered: Callable[[tuple[int, ...]], str]) -> Candidate:
        """Return what a verifier sees of a row."""
        return Candidate.of(
            row.example,
            row.index,
            row.text,
            stop_reason=row.stop_reason,
            length=row.length,
            seed=judging_seed(row_seed(self.seed, self.step, row.prompt_id, row.index), row.turn),
            rendered=rendered(row.sampled_prompt or row.prompt),
            ended=row.ended,
        )


def _without(found: Sequence[Example | None]) -> list[int]:
    """Return the places that have no example."""
    return [place for place, example in enumerate(found) if example is None]
