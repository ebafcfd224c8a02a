"""vLLM as a backend: its engine stepped in this process, one request a row.

It is imported where the engine runs and nowhere else. Tried with the version that the extra
``etude[vllm]`` names.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etude.engines.asked import About, Answer, Ask, Held, How
from etude.engines.child import Refused
from etude.engines.logprobs import tempered
from etude.rollout.stops import StopStrings
from etude.rows import StopReason

EXTENSION = "etude.engines.vllm_worker.EtudeWeights"

#: Read when vLLM is imported.
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine lives in the process that steps it
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}

#: Tokens of a cache block on a CPU: the fewest it takes.
CPU_BLOCK = 32

#: vLLM's seeds are signed.
_SEEDS = 1 << 63


def arguments(folder: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what vLLM's engine is made with."""
    from vllm.platforms import current_platform

    found = {
        **options,
        "model": folder,
        "skip_tokenizer_init": True,  # prompts are tokens, and no text is wanted
        "generation_config": "vllm",  # a model's own defaults must not leak in
        "logprobs_mode": "processed_logprobs",
        "max_logprobs": -1,
        "worker_extension_cls": EXTENSION,
        "disable_log_stats": True,
    }
    if current_platform.is_cpu():
        found["block_size"] = CPU_BLOCK
        # A prompt read in two turns moves the row's generator back, which CPU generators cannot.
        found["enable_chunked_prefill"] = False
        found["max_num_batched_tokens"] = max(8192, int(options.get("max_model_len", 0)))
    return found


class VllmBackend:
    """Steps vLLM's engine (:class:`~etude.engines.child.Backend`)."""

    def __init__(self, folder: str, options: Mapping[str, Any], tokenizer: bytes) -> None:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import vllm
        from vllm.engine.arg_utils import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        self._version = vllm.__version__
        self._params = vllm.SamplingParams
        self._tokenizer = tokenizer
        self._stops: dict[tuple[str, ...], StopStrings] = {}
        self._number = 0
        self._engine = LLMEngine.from_engine_args(EngineArgs(**arguments(folder, options)))

    def about(self) -> About:
        """See :class:`~etude.engines.child.Backend`."""
        block = int(self._engine.vllm_config.cache_config.block_size)
        held = Held.of(self._engine.collective_rpc("etude_held"))
        return About(f"vllm {self._version}", block, held)

    def load(self, folder: str) -> Held:
        """See :class:`~etude.engines.child.Backend`."""
        return Held.of(self._engine.collective_rpc("etude_load", args=(folder,)))

    def forget(self) -> None:
        """See :class:`~etude.engines.child.Backend`."""
        if not self._engine.reset_prefix_cache():
            raise RuntimeError("vLLM did not reset its prefix cache")

    def score(self, texts: Sequence[tuple[int, ...]]) -> list[list[float]]:
        """See :class:`~etude.engines.child.Backend`."""
        asks = [
            Ask(place, text, 0, 0, forced=len(text) - 1)
            for place, text in enumerate(texts)
            if len(text) > 1
        ]
        found: dict[int, list[float]] = {}
        for ended in self.sample(asks, How(1.0)):
            found |= {answer.place: list(answer.forced) for answer in ended}
        return [found.get(place, []) for place in range(len(texts))]

    def sample(self, asks: Sequence[Ask], how: How) -> Iterator[list[Answer]]:
        """See :class:`~etude.engines.child.Backend`."""
        stops = self._stops_of(how.stop)
        waiting: dict[str, Ask] = {}
        for ask in asks:
            self._number += 1
            name = str(self._number)
            prompt = {"prompt_token_ids": list(ask.tokens)}
            try:
                given = self._engine.add_request(name, prompt, self._asked(ask, how))
            except ValueError as error:  # its context is too short, a token is not in its words
                raise Refused(f"vLLM refuses a row of {len(ask.tokens)} tokens: {error}") from error
            waiting[name] = ask
            waiting[given] = ask
        texts: dict[str, tuple[list[int], int]] = {}
        while self._engine.has_unfinished_requests():
            ended = []
            for output in self._engine.step():
                ask = waiting[output.request_id]
                line = output.outputs[0]
                tokens = list(line.token_ids)
                cut = _completed(stops, tokens, texts, output.request_id, ask) if stops else None
                if cut is not None:
                    if not output.finished:
                        self._engine.abort_request([output.request_id])
                    ended.append(_answer(ask, output, how, tokens[:cut], StopReason.STRING))
                elif output.finished:
                    ended.append(_answer(ask, output, how, tokens, _REASONS[line.finish_reason]))
            yield ended

    def _asked(self, ask: Ask, how: How) -> Any:
        forced: int | None = None
        if ask.forced:
            # vLLM's prompt log-probs know no temperature: all are needed to bring it in.
            forced = 0 if how.temperature in (0.0, 1.0) else -1
        return self._params(
            temperature=how.temperature,
            top_p=how.top_p,
            top_k=how.top_k,
            seed=ask.seed % _SEEDS,
            max_tokens=max(1, ask.limit),
            logprobs=0,
            prompt_logprobs=forced,
            detokenize=False,
            ignore_eos=True,
            stop_token_ids=list(how.ends),
        )

    def _stops_of(self, stop: tuple[str, ...]) -> StopStrings | None:
        if not stop:
            return None
        if stop not in self._stops:
            self._stops[stop] = StopStrings(pickle.loads(self._tokenizer), stop)
        return self._stops[stop]


_REASONS = {"stop": StopReason.STOP, "length": StopReason.LENGTH}


def _completed(
    stops: StopStrings,
    tokens: Sequence[int],
    seen: dict[str, tuple[list[int], int]],
    name: str,
    ask: Ask,
) -> int | None:
    """Return how many new tokens a row has where one of them completes a stop string."""
    text, known = seen.get(name) or (list(ask.tokens[len(ask.tokens) - ask.forced :]), 0)
    for number in range(known, len(tokens)):
        text.append(tokens[number])
        if stops.may_complete(tokens[number]) and stops.completed_by_last(text):
            return number + 1
    seen[name] = (text, len(tokens))
    return None


def _answer(ask: Ask, output: Any, how: How, tokens: Sequence[int], reason: StopReason) -> Answer:
    if not ask.limit:
        tokens = ()
    given = output.outputs[0].logprobs or []
    logprobs = [given[t][token].logprob for t, token in enumerate(tokens)]
    if tokens and tokens[-1] in how.ends:
        reason = StopReason.STOP
    forced = _forced(ask, output.prompt_logprobs, how.temperature) if ask.forced else ()
    return Answer(ask.place, tuple(tokens), tuple(logprobs), tuple(forced), str(reason))


def _forced(ask: Ask, given: Any, temperature: float) -> list[float]:
    """Return the log-probs of the forced tokens, at the temperature."""
    return [
        tempered(
            given[place][ask.tokens[place]].logprob,
            (each.logprob for each in given[place].values()),
            temperature,
        )
        for place in range(len(ask.tokens) - ask.forced, len(ask.tokens))
    ]
