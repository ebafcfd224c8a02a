"""From ``rollout=vllm`` and a policy to an open engine: its options, its process or servers."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from etude.engines.asked import Link
from etude.engines.beside import BesideEngine, Kept
from etude.engines.probe import Probe
from etude.engines.process import ProcessLink, Program
from etude.engines.server import ServerLink
from etude.engines.settings import Settings
from etude.engines.vllm_backend import ENVIRONMENT
from etude.engines.weights import Checkpoints
from etude.learner.forward import score
from etude.model.policy import Policy
from etude.rollout.fitting import positions_of

_BACKEND = "etude.engines.vllm_backend:VllmBackend"


def engine_of(settings: Settings, component: Any, policy: Policy) -> BesideEngine:
    """Return an open engine of a policy's weights that samples as a component of rollout says."""
    dtype = dtype_of(settings, policy)
    known = [each for each in (settings.context_tokens, positions_of(policy)) if each is not None]
    kept = Kept(
        policy,
        link_of(settings, policy, dtype),
        Checkpoints(dtype, settings.weights_folder, once=settings.mode == "server"),
        Probe(name_of(dtype), settings.probe_tolerance),
        log_probs,
        vocabulary=int(policy.causal_lm.get_input_embeddings().weight.shape[0]),
        restarts=settings.restarts,
        positions=min(known, default=None),
    )
    return BesideEngine(kept, policy, component, owner=True, name="vllm")


@dataclass(frozen=True)
class _Text:
    """A text as a forward pass reads it: its first token is the prompt of the others."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]

    @property
    def loss_mask(self) -> list[int]:
        return [1] * len(self.tokens)


def log_probs(policy: Policy, texts: Sequence[tuple[int, ...]]) -> list[list[float]]:
    """Return the trainer's log-probs of texts from the second token on, at temperature 1."""
    if policy.shards is not None:
        return score(policy, [_Text(text[:1], text[1:]) for text in texts], token_budget=1 << 30)
    ids = torch.tensor(texts, device=policy.device)
    with torch.no_grad(), policy.measuring(), policy.precision():
        logits = policy.logits_of(policy.states(input_ids=ids, use_cache=False))[:, :-1]
    known = torch.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), -1)
    found: list[list[float]] = known.gather(-1, ids[:, 1:, None]).squeeze(-1).tolist()
    return found


def dtype_of(settings: Settings, policy: Policy) -> torch.dtype:
    """Return what an engine computes in."""
    if settings.dtype != "auto":
        found: torch.dtype = getattr(torch, settings.dtype)
        return found
    # vLLM has no float64.
    return torch.float32 if policy.compute_dtype == torch.float64 else policy.compute_dtype


def name_of(dtype: torch.dtype) -> str:
    """Return the name of a dtype, as configs spell it."""
    return str(dtype).removeprefix("torch.")


def link_of(settings: Settings, policy: Policy, dtype: torch.dtype) -> Link:
    """Return how the engine is reached."""
    if settings.mode == "server":
        return ServerLink(
            settings.url,
            policy.tokenizer,
            rows=settings.max_rows,
            start_limit=settings.start_limit,
            patience=settings.patience,
        )
    return ProcessLink(
        Program(
            _BACKEND,
            options(settings, policy, dtype),
            pickle.dumps(policy.tokenizer),
            environment(settings, policy),
            settings.start_limit,
            settings.patience,
        )
    )


def options(settings: Settings, policy: Policy, dtype: torch.dtype) -> dict[str, Any]:
    """Return what vLLM's engine is made with, but for the folder of its model."""
    found: dict[str, Any] = {
        "dtype": name_of(dtype),
        "tensor_parallel_size": settings.gpus,
        "max_num_seqs": settings.max_rows,
        "enable_prefix_caching": settings.prefix_cache,
        "enforce_eager": settings.eager or policy.device.type == "cpu",
        "gpu_memory_utilization": settings.memory_share,
        "seed": 0,
    }
    known = [each for each in (settings.context_tokens, positions_of(policy)) if each is not None]
    if known:
        found["max_model_len"] = min(known)
    return found


def environment(settings: Settings, policy: Policy) -> dict[str, str]:
    """Return the environment that an engine's process needs."""
    found = {**ENVIRONMENT, "VLLM_CPU_KVCACHE_SPACE": f"{settings.cache_gib:g}"}
    if policy.device.type == "cpu":
        found["OMP_NUM_THREADS"] = str(torch.get_num_threads())
    elif policy.device.index is not None and settings.gpus == 1:
        shown = os.environ.get("CUDA_VISIBLE_DEVICES")
        own = shown.split(",") if shown else None
        found["CUDA_VISIBLE_DEVICES"] = (
            own[policy.device.index] if own else str(policy.device.index)
        )
    return found
