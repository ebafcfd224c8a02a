"""What flows through a stage: problems, requests for rollouts, answers, verdicts and rows.

Everything here is unpadded and plain Python; padding happens once, in the micro-batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Message:
    """One message of a conversation: its text, and whose it is (user, assistant, tool, …)."""

    role: str
    content: str


@dataclass(frozen=True)
class Example:
    """One problem or demonstration from a source.

    ``id`` is stable (``<source>:<id of the row>``) whatever the order or mix. ``prompt`` is the
    finished user text (templates applied); ``response`` is the text a demonstration teaches, or
    None. ``columns`` holds every mapped column (``answer``, ``solution``, ``level``, …).
    ``messages`` is the conversation that is gone on with, oldest message first; the model then
    reads it in the place of ``prompt``.
    """

    id: str
    source: str
    prompt: str
    response: str | None = None
    system: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()


class StopReason(StrEnum):
    """Why a rollout ended."""

    STOP = "stop"  # end-of-text token or a stop token
    STRING = "string"  # a stop string
    LENGTH = "length"  # the token limit


@dataclass(frozen=True)
class Request:
    """One rollout asked of an engine.

    ``seed`` alone (with ``prompt``) decides the tokens: token ``t`` is drawn by inverse CDF with
    the ``t``-th uniform of ``randomness.uniforms(seed, …)``. ``prefix`` is forced at the head of
    the response; its tokens are returned with the rest.
    """

    prompt_id: str
    index: int
    prompt: tuple[int, ...]
    seed: int
    max_new_tokens: int
    prefix: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sampled:
    """One rollout: response tokens (stop token included), their log-probs, and why it ended.

    ``logprobs`` are those of the full distribution at the sampling temperature, float32, one a
    token. A stop string ends the row after the token that completes it.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    stop_reason: StopReason


class Outcome(StrEnum):
    """What a verifier found; the five are counted apart."""

    CORRECT = "correct"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Candidate:
    """One answer to judge: the response text, the row it answers, and how it ended."""

    id: str
    index: int
    prompt: str
    response: str
    columns: Mapping[str, Any]
    stop_reason: StopReason = StopReason.STOP
    length: int = 0


@dataclass(frozen=True)
class Verdict:
    """What a verifier says of one candidate.

    ``parts`` are named raw rewards (``accuracy``, ``format``, ``length``); ``extracted`` is the
    answer it read; ``detail`` says what went wrong when ``outcome`` is timed_out or crashed.
    """

    outcome: Outcome
    parts: Mapping[str, float]
    extracted: str | None = None
    detail: str | None = None


@dataclass
class Row:
    """One trained sequence: a context, a response and everything known about it.

    ``prompt`` is the context it is trained in and ``sampled_prompt`` the one it was sampled in.
    Per-token lists have the length of ``tokens``. ``loss_mask`` is 1 where a token is trained
    (holes are allowed); ``off_policy`` is 1 where a token was not sampled from the policy.
    """

    prompt_id: str
    index: int
    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    loss_mask: list[int]
    example: Example
    sampled_prompt: tuple[int, ...] = ()
    off_policy: list[int] = field(default_factory=list)
    sampler_logprobs: list[float] = field(default_factory=list)
    old_logprobs: list[float] = field(default_factory=list)
    reference_logprobs: list[float] | None = None
    advantages: list[float] | None = None
    token_rewards: list[float] | None = None
    reward: float = 0.0
    stop_reason: StopReason = StopReason.STOP
    verdict: Verdict | None = None
    text: str = ""
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        """Return the row's stable identity: (prompt id, rollout index)."""
        return self.prompt_id, self.index
