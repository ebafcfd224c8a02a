"""A model that a verifier asks: texts in, answers or log-probs out, alike in every batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etude.rollout.neutral import neutral
from etude.rows import Example, Request, StopReason
from etude.verifier.host import Host


@dataclass(frozen=True)
class Reply:
    """What a model said: its text, how many tokens it has, and whether it came to an end.

    ``read`` are the tokens of what it was asked.
    """

    text: str
    tokens: int
    ended: bool
    read: int = 0


class AskedModel:
    """The model of a role as a verifier asks it.

    Prompts are read as a user's turn of its chat template, where it has one. On a CPU an answer
    depends on its prompt, its seed and the weights alone, to the bit.
    """

    def __init__(self, host: Host, role: str, sampling: Any = None) -> None:
        """Open the model of a role; ``sampling`` is a component of the group ``rollout``.

        Without one it is the host's, but for what ends and narrows the answers of a policy.
        """
        self._policy = host.model(role)
        self._engine = host.engine(role, sampling or neutral(host.rollout))
        # An answer that spells control tokens must not speak in another's name.
        self._wording = self._policy.wording.literal()
        config = self._policy.causal_lm.config
        self._positions = getattr(config, "max_position_embeddings", None) or math.inf

    def answers(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        system: str | None = None,
        max_new_tokens: int = 64,
        temperature: float = 0.0,
    ) -> list[Reply | None]:
        """Return an answer to each prompt; at temperature 0 the likeliest token each time.

        None stands for a prompt that does not fit the model's positions beside its answer.
        """
        encoded = [self._wording.encode_prompt(prompt, system, ()) for prompt in prompts]
        places = [i for i, ids in enumerate(encoded) if self._has_room(ids, max_new_tokens)]
        requests = [Request(str(i), 0, tuple(encoded[i]), seeds[i], max_new_tokens) for i in places]
        found: list[Reply | None] = [None] * len(prompts)
        sampled = self._engine.sample(requests, temperature=temperature) if requests else []
        for place, answer in zip(places, sampled, strict=True):
            ended = answer.stop_reason is not StopReason.LENGTH
            asked = Example("", "", prompts[place])
            text = self._policy.answer_text(answer.tokens, asked, answer.stop_reason)
            found[place] = Reply(text, len(answer.tokens), ended, len(encoded[place]))
        return found

    def fits(self, prompt: str, *, system: str | None = None, max_new_tokens: int = 64) -> bool:
        """Return whether a prompt fits the model's positions beside its answer."""
        return self._has_room(self._wording.encode_prompt(prompt, system, ()), max_new_tokens)

    def _has_room(self, ids: Sequence[int], max_new_tokens: int) -> bool:
        return len(ids) + max_new_tokens <= self._positions

    def logprobs(self, prompts: Sequence[str], texts: Sequence[str]) -> list[list[float] | None]:
        """Return the log-prob of each token of a text as the answer to its prompt.

        None stands for one that does not fit the model's positions.
        """
        heads = [tuple(self._wording.encode_prompt(prompt, None, ())) for prompt in prompts]
        tails = [tuple(self._wording.encode_text(text)) for text in texts]
        places = [
            i
            for i, (head, tail) in enumerate(zip(heads, tails, strict=True))
            if tail and len(head) + len(tail) <= self._positions
        ]
        requests = [Request(str(i), 0, heads[i], 0, len(tails[i]), prefix=tails[i]) for i in places]
        found: list[list[float] | None] = [None if tail else [] for tail in tails]
        sampled = self._engine.sample(requests, temperature=1.0) if requests else []
        for place, answer in zip(places, sampled, strict=True):
            found[place] = list(answer.logprobs)
        return found
