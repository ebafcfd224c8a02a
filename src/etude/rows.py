"""What flows through a stage: problems, requests for rollouts, answers, verdicts and rows.

Everything here is unpadded and plain Python; padding happens once, in the micro-batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

#: The role of the model that a stage trains.
POLICY = "policy"


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
    reads it in the place of ``prompt``. ``turns`` are what a demonstration of several turns
    teaches in the place of ``response``: messages of the assistant and what it is told between.
    ``tools`` are JSON schemas of functions that the chat template is told of.
    """

    id: str
    source: str
    prompt: str
    response: str | None = None
    system: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    turns: tuple[Message, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()

    @property
    def taught(self) -> str:
        """Return all text of a demonstration, what is told between its turns included."""
        return "".join(each.content for each in self.turns) or self.response or ""


class StopReason(StrEnum):
    """Why a rollout ended."""

    STOP = "stop"  # end-of-text token or a stop token
    STRING = "string"  # a stop string
    LENGTH = "length"  # the token limit
    ENVIRONMENT = "environment"  # the environment says that the episode is over
    TURNS = "turns"  # the limit of turns
    BROKEN = "broken"  # the environment failed


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
    token. A stop string ends the row after the token that completes it. ``combined`` tells that a
    token was drawn from another distribution than the model's own, and log-probs are of that.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    stop_reason: StopReason
    combined: bool = False


class Outcome(StrEnum):
    """What a verifier found; each is counted apart.

    The first four judge the answer. The others say that the verifier came to no verdict: there was
    no time, it failed, or it refused to judge (a right answer that cannot be read, no safe place to
    run a program). Such a row has no parts and is left out of training, never a zero.
    """

    CORRECT = "correct"
    PARTIAL = "partial"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    REFUSED = "refused"

    @property
    def failed(self) -> bool:
        """Return whether the verifier came to no verdict on the answer."""
        return self in (Outcome.TIMED_OUT, Outcome.CRASHED, Outcome.REFUSED)


@dataclass(frozen=True)
class Ended:
    """How an episode with an environment ended.

    ``parts`` are the rewards that the environment gave and ``turn_parts`` those of them that it
    gave turn by turn. ``turns`` the model had, with ``calls`` of tools, of which ``malformed`` ones
    fitted no tool and ``failed`` ones raised; ``cut`` texts were too long to be told whole.
    ``broken`` says how the environment failed, and ``goal`` what the episode was right for, where
    that is known. ``said`` are all messages, those of the model as ``assistant``. ``seconds`` is
    how long the environment worked.
    """

    environment: str
    parts: Mapping[str, float] = field(default_factory=dict)
    turn_parts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    turns: int = 0
    calls: int = 0
    malformed: int = 0
    failed: int = 0
    cut: int = 0
    broken: str = ""
    goal: Any = None
    said: tuple[Message, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    def counts(self) -> dict[str, float]:
        """Return its numbers by name: turns, calls, and what of these went wrong."""
        wrong = {"malformed": self.malformed, "failed": self.failed}
        shares = {
            f"calls_{name}": n / self.calls if self.calls else 0.0 for name, n in wrong.items()
        }
        found = {"turns": self.turns, "calls": self.calls, **shares, "broken": bool(self.broken)}
        return {name: float(value) for name, value in found.items()}

    def record(self) -> dict[str, Any]:
        """Return what a record of its row keeps, without what was said."""
        kept = {name: list(values) for name, values in self.turn_parts.items()}
        found: dict[str, Any] = {"name": self.environment, "turns": self.turns}
        found |= {"calls": self.calls, "malformed": self.malformed, "failed": self.failed}
        found |= {"turn_parts": kept} if kept else {}
        found |= {"goal": self.goal} if self.goal is not None else {}
        return found | ({"broken": self.broken} if self.broken else {})


@dataclass(frozen=True)
class Candidate:
    """One answer to judge: the response text, the row it answers, and how it ended.

    ``prompt`` is the row's text, and ``rendered`` what the model read in its place: the chat
    template applied and hints given, special tokens as text. ``response`` spells special tokens,
    too (``<think>``), but for the one that ended it. ``evaluation`` tells that it is judged to
    measure a model, and not to train it. ``seed`` belongs to the answer: what is random in judging
    it is keyed by it. ``ended`` says how its episode ended, where there is an environment.
    """

    id: str
    index: int
    prompt: str
    response: str
    columns: Mapping[str, Any]
    stop_reason: StopReason = StopReason.STOP
    length: int = 0
    evaluation: bool = False
    seed: int = 0
    rendered: str = ""
    ended: Ended | None = None

    @classmethod
    def of(
        cls,
        example: Example,
        index: int,
        response: str,
        *,
        stop_reason: StopReason,
        length: int,
        evaluation: bool = False,
        seed: int = 0,
        rendered: str = "",
        ended: Ended | None = None,
    ) -> Candidate:
        """Return an answer to an example, of ``length`` tokens, as a verifier sees it."""
        return cls(
            example.id,
            index,
            example.prompt,
            response,
            example.columns,
            stop_reason,
            length,
            evaluation,
            seed,
            rendered,
            ended,
        )


#: Where a part of a reward lies, from start to before end, and its value there.
Placed = tuple[int, int, float]


@dataclass(frozen=True)
class Verdict:
    """What a verifier says of one candidate.

    ``parts`` are named raw rewards (``accuracy``, ``format``, ``length``); one that does not apply
    to the answer is not among them, and is no 0. ``extracted`` is the answer it read; ``detail``
    says why in words: how the verifier failed, or what is wrong with the answer.

    ``spans`` say where in the response parts lie that do not belong to all of it: part → (start,
    end, value), characters counted from 0, the end left out. Such a part is the sum of its values,
    and each is earned with the last token of its span.

    ``share`` is how much of a partial answer is right, None where its part ``accuracy`` says so.
    What judging took: ``seconds`` of wall-clock time, and ``tokens`` that models read and wrote for
    it, None where none was asked. ``exhausted`` tells an answer that is wrong because judging it
    took more than there is (an answer that explodes): no other verifier is to try.
    """

    outcome: Outcome
    parts: Mapping[str, float]
    extracted: str | None = None
    detail: str | None = None
    spans: Mapping[str, Sequence[Placed]] = field(default_factory=dict)
    share: float | None = None
    seconds: float | None = field(default=None, compare=False)
    tokens: int | None = None
    exhausted: bool = False

    @property
    def credit(self) -> float | None:
        """Return how much of the answer is right, from 0 to 1; None where there is no verdict."""
        if self.outcome is Outcome.PARTIAL:
            return self.parts.get("accuracy") if self.share is None else self.share
        return None if self.outcome.failed else float(self.outcome is Outcome.CORRECT)


@dataclass(frozen=True)
class RowName:
    """What tells a row of a step from every other: whose it is, which answer, how far it went."""

    prompt_id: str
    index: int
    role: str
    turn: int


@dataclass(frozen=True)
class Span:
    """Tokens ``start`` to ``end`` (excluded) of a response that were written in one go.

    ``role`` is the model that sampled them; of tokens that were ``told`` it is whose message they
    are (user, tool, …).
    """

    start: int
    end: int
    role: str
    turn: int
    told: bool = False


@dataclass(frozen=True)
class PerToken:
    """A number, or as many for each, of every token of a response, and how rows make one tensor.

    ``values`` has an entry a token: a number, or a list of numbers, as long for each. Together rows
    are a tensor ``[N, T, …]``; ``missing`` stands in its padding and in rows that have none of the
    name. ``whole`` numbers stay whole (int64), others become float32.
    """

    values: Sequence[float] | Sequence[Sequence[float]]
    missing: float = 0.0
    whole: bool = False


@dataclass
class Row:
    """One trained sequence: a context, a response and everything known about it.

    ``prompt`` is the context it is trained in and ``sampled_prompt`` the one it was sampled in.
    Per-token lists have the length of ``tokens``. ``loss_mask`` is 1 where a token is trained
    (holes are allowed); ``off_policy`` is 1 where a token was not sampled from the policy.
    ``role_logprobs`` are those of frozen models of the stage, by role. ``part_spans`` are the
    spans of its verdict by tokens: part → (first, end, value), the end left out.

    ``role`` is the model that wrote it (the policy also where ``rollout.model_from`` samples in its
    place). Of an episode of several turns, ``turn`` is the last one, from 0, ``parent`` the row it
    goes on from or answers, and ``spans`` say who wrote what; a single answer has none.
    ``tensors`` are numbers of each token under names, that losses read. ``behaviour`` tells that
    tokens were drawn from another distribution than that of the model alone, of which
    ``sampler_logprobs`` are the log-probs. ``ended`` says how the episode with its environment
    ended. A row that nobody rewarded has no ``reward`` (nan).
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
    role_logprobs: dict[str, list[float]] = field(default_factory=dict)
    reward: float = math.nan
    stop_reason: StopReason = StopReason.STOP
    verdict: Verdict | None = None
    part_spans: dict[str, list[Placed]] = field(default_factory=dict)
    text: str = ""
    extras: dict[str, Any] = field(default_factory=dict)
    role: str = POLICY
    turn: int = 0
    parent: RowName | None = None
    spans: tuple[Span, ...] = ()
    tensors: dict[str, PerToken] = field(default_factory=dict)
    behaviour: bool = False
    drawn: int = 0
    ended: Ended | None = None

    @property
    def key(self) -> tuple[str, int]:
        """Return which answer to which prompt the row is: (prompt id, rollout index)."""
        return self.prompt_id, self.index

    @property
    def length(self) -> int:
        """Return how many tokens the response has, without those that its model was told."""
        return len(self.tokens) - sum(span.end - span.start for span in self.spans if span.told)

    @property
    def answer_start(self) -> int:
        """Return the place of the first token of ``text``, which of several turns is the last."""
        return self.spans[-1].start if self.spans else 0

    @property
    def name(self) -> RowName:
        """Return what tells the row from every other of its step."""
        return RowName(self.prompt_id, self.index, self.role, self.turn)
