"""The engine on transformers: waves of rows, one token a step, finished rows leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from etude.errors import ModelError
from etude.execute.watchdog import progress
from etude.model.policy import Policy
from etude.rollout.decoder import Decoder
from etude.rollout.page import Page
from etude.rollout.probe import choose_decoder
from etude.rollout.sampling import Sampling, draw
from etude.rollout.stops import StopStrings
from etude.rollout.waves import Wave, cut, up
from etude.rows import Request, Sampled

if TYPE_CHECKING:
    from etude.rollout.transformers import Transformers


class TransformersEngine:
    """Samples from a copy of a policy's weights, taken when it is made and at every :meth:`sync`.

    On a CPU the tokens of a row depend on its request and the weights alone, to the bit, whatever
    is sampled beside it; elsewhere a rounding error can tip a draw that lies on the edge.
    """

    def __init__(self, config: Transformers, policy: Policy) -> None:
        self._config = config
        self._policy = policy.inference_copy()
        self._decoder: Decoder = choose_decoder(self._policy)
        self._stops = StopStrings(policy.tokenizer, config.stop)
        stops = sorted(policy.eos_ids | set(config.stop_token_ids))
        self._stop_tokens = torch.tensor(stops, dtype=torch.long, device=policy.device)

    def sync(self, policy: Policy) -> None:
        """Take over the policy's present weights."""
        policy.copy_weights_to(self._policy)
        with torch.inference_mode():
            self._decoder.refresh()

    def close(self) -> None:
        """Free the copy of the weights and the cache."""
        del self._decoder, self._policy

    @torch.inference_mode()
    def sample(
        self, requests: Sequence[Request], *, temperature: float | None = None
    ) -> list[Sampled]:
        """Return one rollout for each request, in the order asked.

        Raises ModelError when a request does not fit the model's positions.
        """
        heat = self._config.temperature if temperature is None else temperature
        how = Sampling(heat, self._config.top_k, self._config.top_p)
        self._check(requests)
        results: dict[int, Sampled] = {}
        for wave in cut(requests, self._config.token_budget):
            mine = [requests[row] for row in wave.rows]
            results |= zip(wave.rows, self._run(wave, mine, how), strict=True)
        return [results[i] for i in range(len(requests))]

    def _run(self, wave: Wave, requests: Sequence[Request], how: Sampling) -> list[Sampled]:
        """Sample one wave: a token a row, and rows that have ended leave a block at a time."""
        forced = [0] * len(wave.contexts)
        for request, context in zip(requests, wave.context_of, strict=True):
            forced[context] = max(forced[context], len(request.prefix))
        start = self._decoder.begin(wave, forced, how.temperature)
        prefix_logprobs = [start.prefix_logprobs[context] for context in wave.context_of]
        page = Page(requests, prefix_logprobs, self._stop_tokens, self._stops)
        logits = start.logits[torch.tensor(wave.context_of, device=self._policy.device)]
        if not bool(page.live.all()):
            slots = page.survivors()
            logits = logits[slots]
            self._leave(page, slots)
        while page.rows.numel():
            tokens, logprobs = draw(logits, page.uniforms(), how)
            ended = page.write(tokens, logprobs)
            if ended is not None:
                self._decoder.hold(ended)
                slots = page.survivors()
                if up(slots.numel()) < up(tokens.numel()) or not slots.numel():
                    tokens = tokens[slots]
                    self._leave(page, slots)
                if not slots.numel():
                    break
            logits = self._decoder.step(tokens)
            progress()
        return page.sampled()

    def _leave(self, page: Page, slots: Tensor) -> None:
        """Drop the rows whose slots are not named, in the page and in the cache."""
        page.keep(slots)
        self._decoder.keep(slots)

    def _check(self, requests: Sequence[Request]) -> None:
        limit = getattr(self._policy.causal_lm.config, "max_position_embeddings", None)
        for request in requests:
            need = len(request.prompt) + max(request.max_new_tokens, len(request.prefix))
            if limit is not None and need > limit:
                raise ModelError(
                    f"prompt {request.prompt_id} has {len(request.prompt)} tokens, its response "
                    f"may have {request.max_new_tokens}, more than the {limit} positions of "
                    f"{self._policy.name}; lower rollout.max_new_tokens or leave long prompts out"
                )
            if not request.prompt:
                raise ModelError(
                    f"prompt {request.prompt_id} has no tokens, so there is nothing to continue"
                )
