"""What guidance asks of one step: answers, continuations and demonstrations, all judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etude.curriculum.interface import StepPlan
from etude.learner.sharing import shared
from etude.learner.taught import demonstration_row
from etude.randomness import row_seed
from etude.rows import Candidate, Example, Request, Row, StopReason

if TYPE_CHECKING:
    from etude.learner.rollouts import Rollouts


#: An example, given tokens at the head of the response, and the rollout index.
Wanted = tuple[Example, tuple[int, ...], int]


class StepSampler:
    """Samples for one step; the same prompt asked for again gets other answers.

    Everything random about a row is keyed by (seed, step, prompt id, rollout index). ``sampled``
    holds every row the policy wrote, ``demonstrated`` every one it was given. All ranks ask for the
    same rows and get all of them; each samples and has judged those of its own prompts.
    """

    def __init__(self, rollouts: Rollouts, step: int, plan: StepPlan) -> None:
        self._rollouts = rollouts
        self._plan = plan
        self._next: Counter[str] = Counter()
        self.step = step
        self.sampled: list[Row] = []
        self.demonstrated: list[Row] = []

    @property
    def seed(self) -> int:
        """Return the run's seed."""
        return self._rollouts.seed

    def sample(
        self, examples: Sequence[Example], size: int, *, prefixes: Sequence[str] | None = None
    ) -> list[list[Row]]:
        """Return ``size`` judged answers to each example, after forced prefixes if given."""
        heads = [self._tokens(text) for text in prefixes] if prefixes else [()] * len(examples)
        wanted = [
            (example, head, self._index(example))
            for example, head in zip(examples, heads, strict=True)
            for _ in range(size)
        ]
        rows = shared(wanted, _prompt, self._answer)
        self.sampled += rows
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def demonstrations(
        self, examples: Sequence[Example], shares: Sequence[float]
    ) -> list[Row | None]:
        """Return each example's demonstration as a judged row, None where there is none.

        After a share below 1 the policy goes on.
        """
        rows: dict[int, Row] = {}
        whole: dict[int, Wanted] = {}
        begun: dict[int, Wanted] = {}
        for place, (example, share) in enumerate(zip(examples, shares, strict=True)):
            text = self.text(example)
            if text is None:
                continue
            tokens = self._rollouts.policy.encode_response(text)
            index = self._index(example)
            if share < 1.0:
                begun[place] = (example, tokens[: int(share * len(tokens))], index)
            else:
                whole[place] = (example, tokens, index)
        if whole:
            rows |= zip(whole, shared(list(whole.values()), _prompt, self._give), strict=True)
        if begun:
            rows |= zip(begun, shared(list(begun.values()), _prompt, self._answer), strict=True)
        found = [rows.get(place) for place in range(len(examples))]
        self.demonstrated += [row for row in found if row is not None]
        return found

    def _give(self, wanted: Sequence[Wanted]) -> list[Row]:
        """Return judged rows that the policy wrote nothing of."""
        policy = self._rollouts.policy
        rows = []
        for example, tokens, index in wanted:
            row = self._row(example, index, policy.encode_example(example))
            row.tokens = tokens[: self._limit]
            row.loss_mask = [1] * len(row.tokens)
            row.off_policy = [1] * len(row.tokens)
            row.sampler_logprobs = [0.0] * len(row.tokens)
            cut = len(tokens) > len(row.tokens)
            row.stop_reason = StopReason.LENGTH if cut else StopReason.STOP
            row.text = policy.decode(row.tokens)
            rows.append(row)
        self._rollouts.verify(rows)
        return rows

    def taught(self, example: Example) -> Row | None:
        """Return the example's demonstration to imitate, not judged; None when it has none.

        A longer one than an answer may be is cut, and its last token then ends it.
        """
        text = self.text(example)
        if text is None:
            return None
        return demonstration_row(self._rollouts.policy, example, text, limit=self._limit)

    def text(self, example: Example) -> str | None:
        """Return the text of the example's demonstration, None when it has none."""
        return self._rollouts.stream.demonstrations.of(example)

    def beginning(self, text: str, share: float) -> str:
        """Return the beginning of a text: that share of the policy's tokens, rounded."""
        tokens = self._tokens(text)
        return self._rollouts.policy.decode(tokens[: round(share * len(tokens))])

    def context(self, example: Example) -> tuple[int, ...]:
        """Return the tokens of the example's prompt."""
        return self._rollouts.policy.encode_example(example)

    @property
    def _limit(self) -> int:
        return self._plan.max_new_tokens or self._rollouts.max_new_tokens

    def _tokens(self, text: str) -> tuple[int, ...]:
        return self._rollouts.policy.encode_response(text)[:-1]

    def _index(self, example: Example) -> int:
        self._next[example.id] += 1
        return self._next[example.id] - 1

    def _row(self, example: Example, index: int, prompt: tuple[int, ...]) -> Row:
        return Row(
            prompt_id=example.id,
            index=index,
            prompt=prompt,
            sampled_prompt=prompt,
            tokens=(),
            loss_mask=[],
            example=example,
        )

    def _answer(self, wanted: Sequence[Wanted]) -> list[Row]:
        """Return judged answers that begin with the given tokens."""
        policy, seed = self._rollouts.policy, self._rollouts.seed
        contexts = {(e.prompt, e.system, e.messages): self.context(e) for e, _, _ in wanted}
        requests = [
            Request(
                example.id,
                index,
                contexts[example.prompt, example.system, example.messages],
                row_seed(seed, self.step, example.id, index),
                self._limit,
                prefix=head[: self._limit],
            )
            for example, head, index in wanted
        ]
        answers = self._rollouts.engine.sample(requests, temperature=self._plan.temperature)
        rows = []
        for (example, head, index), request, answer in zip(wanted, requests, answers, strict=True):
            row = self._row(example, index, request.prompt)
            row.tokens = answer.tokens
            row.loss_mask = [1] * len(answer.tokens)
            row.off_policy = [int(t < len(head)) for t in range(len(answer.tokens))]
            row.sampler_logprobs = list(answer.logprobs)
            row.stop_reason = answer.stop_reason
            row.text = policy.decode(answer.tokens)
            rows.append(row)
        self._rollouts.verify(rows)
        return rows


def _prompt(wanted: Wanted) -> str:
    return wanted[0].id


def candidate_of(row: Row) -> Candidate:
    """Return what a verifier sees of a row."""
    return Candidate(
        id=row.prompt_id,
        index=row.index,
        prompt=row.example.prompt,
        response=row.text,
        columns=row.example.columns,
        stop_reason=row.stop_reason,
        length=len(row.tokens),
    )
