"""Engines on servers that run already, over vLLM's HTTP interface: rows are dealt out to them.

A server is started with etude's extension for its workers, so that weights can be given to it::

    VLLM_SERVER_DEV_MODE=1 python -m vllm.entrypoints.openai.api_server --model FOLDER \\
        --worker-extension-cls etude.engines.vllm_worker.EtudeWeights \\
        --logprobs-mode processed_logprobs --generation-config vllm --max-logprobs -1
"""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from etude.engines.asked import About, Answer, Ask, Ended, EngineLost, Held, How
from etude.engines.logprobs import tempered
from etude.execute.watchdog import progress
from etude.rollout.stops import StopStrings
from etude.rows import StopReason

#: vLLM's seeds are signed.
_SEEDS = 1 << 63

#: What a server must be started with, as its workers say it.
_WANTED = {"logprobs_mode": "processed_logprobs", "generation_config": "vllm"}

_UNREACHABLE = (urllib.error.URLError, http.client.HTTPException, OSError, TimeoutError)


class ServerLink:
    """Reaches servers by their addresses (:class:`~etude.engines.asked.Link`).

    ``rows`` are how many requests each is given at once. A server that fails is waited for.
    """

    def __init__(
        self, urls: Sequence[str], tokenizer: Any, *, rows: int, start_limit: float, patience: float
    ) -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self._tokenizer = tokenizer
        self._rows = rows
        self._start_limit = start_limit
        self._patience = patience
        self._models: dict[str, str] = {}
        self._folder = ""

    def start(self, folder: str) -> About:
        """Wait for every server, and have it take over the weights in a folder."""
        deadline = time.monotonic() + self._start_limit
        for url in self._urls:
            while not self._well(url):
                progress()
                if time.monotonic() > deadline:
                    raise EngineLost("died", f"the server {url} does not answer /health")
                time.sleep(0.2)
            self._models[url] = self._asked(url, "/v1/models")["data"][0]["id"]
            for found in self._workers(url, "etude_held"):
                for name, wanted in _WANTED.items():
                    if found[name] != wanted:
                        flag = f"--{name.replace('_', '-')} {wanted}"
                        raise EngineLost(
                            "refused",
                            f"the server {url} works with {name}={found[name]}; start it with "
                            f"{flag}",
                        )
        held = self.load(folder)
        self.forget()
        version = self._asked(self._urls[0], "/version")["version"]
        block = max(int(each["block"]) for each in self._workers(self._urls[0], "etude_held"))
        return About(f"vllm {version}", block, held)

    def load(self, folder: str) -> Held:
        """Have every server take over the checkpoint in a folder; they must hold the same."""
        self._folder = folder
        helds = [Held.of(self._workers(url, "etude_load", folder)) for url in self._urls]
        missing = tuple(sorted({name for held in helds for name in held.missing}))
        if any(held.squares != helds[0].squares for held in helds):
            raise EngineLost("failed", "the servers do not hold the same weights after a load")
        return Held(helds[0].total, helds[0].squares, missing)

    def forget(self) -> None:
        """Have every server forget its keys and values."""
        for url in self._urls:
            if not self._asked(url, "/reset_prefix_cache", {})["success"]:
                raise EngineLost("failed", f"the server {url} did not reset its prefix cache")

    def score(self, texts: Sequence[tuple[int, ...]]) -> list[list[float]]:
        """See :class:`~etude.engines.asked.Link`."""
        found: dict[int, list[float]] = {}
        asks = [Ask(n, text, 0, 0, forced=len(text) - 1) for n, text in enumerate(texts)]
        self.sample(
            [ask for ask in asks if ask.forced],
            How(1.0),
            lambda ended: found.update({each.place: list(each.forced) for each in ended}),
            lambda: None,
        )
        return [found.get(place, []) for place in range(len(texts))]

    def sample(self, asks: Sequence[Ask], how: How, ended: Ended, idle: Callable[[], None]) -> None:
        """See :class:`~etude.engines.asked.Link`."""
        stops = StopStrings(self._tokenizer, how.stop) if how.stop else None
        self._refuse_other_weights()
        waiting: dict[str, queue.SimpleQueue[Ask]]
        waiting = {url: queue.SimpleQueue() for url in self._urls}
        for number, ask in enumerate(asks):
            waiting[self._urls[number % len(self._urls)]].put(ask)
        told: queue.SimpleQueue[Answer | EngineLost] = queue.SimpleQueue()
        over = threading.Event()

        def work(url: str) -> None:
            while not over.is_set():
                try:
                    ask = waiting[url].get_nowait()
                except queue.Empty:
                    return
                try:
                    told.put(self._row(url, ask, how, stops))
                except EngineLost as lost:
                    told.put(lost)
                    return

        for url in self._urls:
            for _ in range(min(self._rows, len(asks))):
                threading.Thread(target=work, args=(url,), daemon=True).start()
        try:
            left = len(asks)
            while left:
                progress()
                idle()
                try:
                    one = told.get(timeout=0.2)
                except queue.Empty:
                    continue
                if isinstance(one, EngineLost):
                    raise one
                left -= 1
                ended([one])
        finally:
            over.set()
        self._refuse_other_weights()

    def end(self) -> None:
        """Leave the servers: they are not ours."""

    # Within --------------------------------------------------------------------------------

    def _row(self, url: str, ask: Ask, how: How, stops: StopStrings | None) -> Answer:
        forced: int | None = None
        if ask.forced:
            forced = 0 if how.temperature in (0.0, 1.0) else -1
        found = self._asked(
            url,
            "/v1/completions",
            {
                "model": self._models[url],
                "prompt": list(ask.tokens),
                "temperature": how.temperature,
                "top_p": how.top_p,
                "top_k": how.top_k,
                "min_p": 0.0,
                "repetition_penalty": 1.0,
                "seed": ask.seed % _SEEDS,
                "max_tokens": max(1, ask.limit),
                "logprobs": 0,
                "prompt_logprobs": forced,
                "return_token_ids": True,
                "ignore_eos": True,
                "stop_token_ids": list(how.ends),
                "stop": list(how.stop),
                "include_stop_str_in_output": True,
                "skip_special_tokens": False,
            },
        )["choices"][0]
        tokens, logprobs = found["token_ids"], found["logprobs"]["token_logprobs"]
        reason = StopReason.LENGTH if found["finish_reason"] == "length" else StopReason.STRING
        if not ask.limit:
            tokens = []
        head = list(ask.tokens[len(ask.tokens) - ask.forced :]) if ask.forced else []
        if stops is not None and (count := stops.first(tokens, head)):
            tokens, reason = tokens[:count], StopReason.STRING
        if tokens and tokens[-1] in how.ends:
            reason = StopReason.STOP
        given = found.get("prompt_logprobs") or []
        before = [
            tempered(
                given[at][str(ask.tokens[at])]["logprob"],
                [each["logprob"] for each in given[at].values()],
                how.temperature,
            )
            for at in range(len(ask.tokens) - ask.forced, len(ask.tokens))
        ]
        return Answer(
            ask.place, tuple(tokens), tuple(logprobs[: len(tokens)]), tuple(before), str(reason)
        )

    def _refuse_other_weights(self) -> None:
        """Raise EngineLost where somebody else has given a server weights since the last load."""
        for url in self._urls:
            for found in self._workers(url, "etude_at"):
                if found["folder"] != self._folder:
                    raise EngineLost(
                        "refused",
                        f"the server {url} was given other weights ({found['folder']}) in the "
                        "middle of this run; every run needs servers of its own",
                    )

    def _workers(self, url: str, method: str, *arguments: str) -> list[dict[str, Any]]:
        asked = {"method": method, "args": list(arguments)}
        limit = self._start_limit
        found: list[dict[str, Any]] = self._asked(url, "/collective_rpc", asked, limit)["results"]
        return found

    def _well(self, url: str) -> bool:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return True
        except _UNREACHABLE:
            return False

    def _asked(
        self,
        url: str,
        path: str,
        given: Mapping[str, Any] | None = None,
        limit: float | None = None,
    ) -> Any:
        data = None if given is None else json.dumps(given).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url + path, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=limit or self._patience) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace")[:500]
            if error.code == 404:
                said = f"{said}; start it with VLLM_SERVER_DEV_MODE=1 (docs/engines.md)"
            refused = 400 <= error.code < 500
            told = f"the server {url} answered {path} with {error.code}: {said}"
            raise EngineLost("refused" if refused else "failed", told) from error
        except TimeoutError as error:
            raise EngineLost("hung", f"the server {url} did not answer {path} in time") from error
        except _UNREACHABLE as error:
            raise EngineLost("died", f"the server {url} did not answer {path}: {error}") from error
