"""How a judge is put a question: its prompt, its decoding, and how often it is asked again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etude.randomness import seed_of
from etude.rollout.neutral import neutral
from etude.verifier.asked import AskedModel, Reply
from etude.verifier.host import Host
from etude.verifier.verdict.kind import Reading, VerdictForm


@dataclass(frozen=True)
class Decoding:
    """How a judge's words are drawn: tokens of the longest reply, and how often it is asked again.

    ``retries`` are for replies without a verdict, at a temperature of their own.
    """

    max_new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    retries: int = 0
    retry_temperature: float = 1.0


@dataclass(frozen=True)
class Judged:
    """What a judge said of one question; ``reading`` is None where it was too long to be read.

    ``without_answer`` tells that it is not, but for what it shows of the answer.
    """

    reading: Reading | None
    reply: str
    tokens: int
    without_answer: bool = False


class AskedJudge:
    """A model that is asked for verdicts, which depend on prompt, seed and weights alone."""

    def __init__(self, host: Host, role: str, form: VerdictForm, decoding: Decoding) -> None:
        self._form = form
        self._how = decoding
        sampling: Any = None
        if decoding.top_p < 1:
            sampling = dataclasses.replace(neutral(host.rollout), top_p=decoding.top_p)
        self._model = AskedModel(host, role, sampling)

    def ask(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        steps: Sequence[int],
        system: str | None = None,
    ) -> list[Judged]:
        """Return what is said of each question; ``steps`` are those of the solutions shown."""
        found: dict[int, Judged] = {}
        left = list(range(len(prompts)))
        for turn in range(1 + self._how.retries):
            if not left:
                break
            replies = self._model.answers(
                [prompts[i] for i in left],
                [seed_of("asked", seeds[i], turn) for i in left],
                system=system,
                max_new_tokens=self._how.max_new_tokens,
                temperature=self._how.retry_temperature if turn else self._how.temperature,
            )
            for i, reply in zip(left, replies, strict=True):
                before = found[i].tokens if i in found else 0
                found[i] = self._read(reply, steps[i], before)
            left = [i for i in left if (said := found[i].reading) and said.accepts is None]
        return [found[i] for i in range(len(prompts))]

    def fits(self, prompt: str, system: str | None = None) -> bool:
        """Return whether a question is one that can be read."""
        most = self._how.max_new_tokens
        return self._model.fits(prompt, system=system, max_new_tokens=most)

    def _read(self, reply: Reply | None, steps: int, before: int) -> Judged:
        if reply is None:
            return Judged(None, "", before)
        return Judged(self._form.read(reply.text, steps), reply.text, before + reply.tokens)
