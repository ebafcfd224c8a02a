"""The engine on transformers: waves of rows, one token a step, finished rows leave."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.errors import ModelError
from etude.execute.watchdog import progress
from etude.model.policy import Policy
from etude.rollout.decoder import Decoder
from etude.rollout.engine import Combination, Watch
from etude.rollout.joined import JoinedDecoder
from etude.rollout.page import Page
from etude.rollout.probe import Decoders
from etude.rollout.sampling import Sampling, draw
from etude.rollout.stops import StopStrings
from etude.rollout.waves import Wave, cut, up
from etude.rows import Request, Sampled


@dataclass(frozen=True)
class _Told:
    """Who hears of the rows of a wave, and which requests they are."""

    watch: Watch
    rows: Sequence[int]

    def ended(self, page: Page, numbers: Sequence[int]) -> None:
        """Tell of rows of the wave that have ended."""
        found = page.sampled(numbers)
        self.watch.ended([(self.rows[n], each) for n, each in zip(numbers, found, strict=True)])


class TransformersEngine:
    """Samples from a copy of a policy's weights, taken when it is made and at every :meth:`sync`.

    On a CPU the tokens of a row depend on its request and the weights alone, to the bit, whatever
    is sampled beside it; elsewhere a rounding error can tip a draw that lies on the edge.
    """

    tells_what_ended: ClassVar[bool] = True

    def __init__(
        self,
        policy: Policy,
        usual: Sampling,
        *,
        stop: Sequence[str],
        stop_token_ids: Sequence[int],
        token_budget: int,
    ) -> None:
        self._usual = usual
        self._token_budget = token_budget
        self._policy = policy.inference_copy()
        with torch.inference_mode():
            self._decoders = Decoders(self._policy)
        self._stops = StopStrings(policy.tokenizer, stop)
        stops = sorted(policy.eos_ids | set(stop_token_ids))
        self._stop_tokens = torch.tensor(stops, dtype=torch.long, device=policy.device)

    def sync(self, policy: Policy) -> None:
        """Take over the policy's present weights."""
        policy.copy_weights_to(self._policy)
        with torch.inference_mode():
            self._decoders.refresh()

    def close(self) -> None:
        """Free the copy of the weights and the cache."""
        del self._decoders, self._policy

    @torch.inference_mode()
    def sample(
        self,
        requests: Sequence[Request],
        *,
        temperature: float | None = None,
        logits: Combination | None = None,
        watch: Watch | None = None,
    ) -> list[Sampled]:
        """Return one rollout for each request, in the order asked.

        ``watch`` hears of each that ends behind its forced prefix. Raises ModelError when a request
        does not fit the model's positions, or a text would be read in two ways as it grows.
        """
        how = self._usual
        if temperature is not None:
            how = dataclasses.replace(how, temperature=temperature)
        engines = [self, *(logits.engines.values() if logits is not None else ())]
        for engine in engines:
            engine._check(requests)
        results: dict[int, Sampled] = {}
        for part in _alike(requests, engines):
            some = [requests[i] for i in part]
            for wave in cut(some, self._token_budget // len(engines)):
                mine = [some[row] for row in wave.rows]
                rows = [part[row] for row in wave.rows]
                told = None if watch is None else _Told(watch, rows)
                if logits is None:
                    found = self._run(self._decoders.of(wave), wave, mine, how, told)
                else:
                    found = self._together(logits, wave, mine, how, told)
                results |= zip(rows, found, strict=True)
        return [results[i] for i in range(len(requests))]

    def _together(
        self,
        logits: Combination,
        wave: Wave,
        requests: Sequence[Request],
        how: Sampling,
        told: _Told | None,
    ) -> list[Sampled]:
        """Sample one wave from a combination of models."""
        others = {role: each._decoders.of(wave) for role, each in logits.engines.items()}
        decoder = JoinedDecoder(self._decoders.of(wave), others, logits.part)
        found = self._run(decoder, wave, requests, how, told)
        return [dataclasses.replace(each, combined=decoder.combined) for each in found]

    def _run(
        self,
        decoder: Decoder,
        wave: Wave,
        requests: Sequence[Request],
        how: Sampling,
        told: _Told | None,
    ) -> list[Sampled]:
        """Sample one wave: a token a row, and rows that have ended leave a block at a time."""
        forced = [0] * len(wave.contexts)
        for request, context in zip(requests, wave.context_of, strict=True):
            forced[context] = max(forced[context], len(request.prefix))
        start = decoder.begin(wave, forced, how.temperature)
        prefix_logprobs = [start.prefix_logprobs[context] for context in wave.context_of]
        page = Page(requests, prefix_logprobs, self._stop_tokens, self._stops)
        logits = start.logits[torch.tensor(wave.context_of, device=self._policy.device)]
        if not bool(page.live.all()):
            slots = page.survivors()
            logits = logits[slots]
            _leave(decoder, page, slots)
        while page.rows.numel():
            tokens, logprobs = draw(logits, page.uniforms(), how)
            ended = page.write(tokens, logprobs)
            if ended is not None:
                if told is not None:
                    told.ended(page, page.rows[ended].tolist())
                decoder.hold(ended)
                slots = page.survivors()
                if up(slots.numel()) < up(tokens.numel()) or not slots.numel():
                    tokens = tokens[slots]
                    _leave(decoder, page, slots)
                if not slots.numel():
                    break
            logits = decoder.step(tokens)
            if told is not None:
                told.watch.meanwhile()
            progress()
        return page.sampled()

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
            broken = self._decoders.lengths.breaks_below(need)
            if broken and broken[-1] >= len(request.prompt):
                raise ModelError(
                    f"{self._policy.name} reads all of a text in another way once it is longer "
                    f"than {broken[-1]} tokens (its rotary embedding switches), so a response that "
                    f"grows beyond them has no one log-prob; prompt {request.prompt_id} has "
                    f"{len(request.prompt)} tokens: type rollout.max_new_tokens="
                    f"{broken[-1] - len(request.prompt)} or less"
                )
            if not request.prompt:
                raise ModelError(
                    f"prompt {request.prompt_id} has no tokens, so there is nothing to continue"
                )


def _alike(requests: Sequence[Request], engines: Sequence[TransformersEngine]) -> list[list[int]]:
    """Return the numbers of requests that may be sampled together: every model reads them alike."""
    parts: dict[tuple[int, ...], list[int]] = {}
    for number, request in enumerate(requests):
        length = len(request.prompt)
        beyond = tuple(len(each._decoders.lengths.breaks_below(length)) for each in engines)
        parts.setdefault(beyond, []).append(number)
    return list(parts.values())


def _leave(decoder: Decoder, page: Page, slots: Tensor) -> None:
    """Drop the rows whose slots are not named, in the page and in the cache."""
    page.keep(slots)
    decoder.keep(slots)
