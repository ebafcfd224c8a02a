"""Episodes with an environment: the policy calls tools or is answered, turn by turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etude.component import component, option
from etude.environment.opened import OpenEnvironments
from etude.environment.pool import Begun
from etude.model.calls import FORMATS
from etude.rollout.episode.interface import Context, Episode, EpisodeStage
from etude.rows import POLICY, Ended, Example, Message, Outcome, Row, StopReason, Verdict


@component(provides=["plays:environments"])
@dataclass(frozen=True)
class WithEnvironment(Episode):
    """Plays the row's environment: it opens the conversation, answers each turn, and gives parts.

    A turn that calls tools gets their answers, any other goes to the environment's ``step``; where
    there is none it ends the episode. All tokens of an episode, those that are told included, are
    ``rollout.max_new_tokens`` at most. An episode whose environment fails (it hangs, its process
    dies, it returns what it may not) has no parts and is left out, counted.
    """

    turns: int = option(8, "most turns of the policy in an episode", ge=1, le=10_000)
    turn_tokens: int | None = option(
        None, "most tokens of one turn; null: what rollout.max_new_tokens leaves", ge=1
    )
    calls: str = option(
        "auto",
        "how tool calls are written: auto (as the tokenizer's response template says, or as the "
        "chat template writes them), hermes (<tool_call>{json}</tool_call>), llama, mistral, or "
        "plain (name(key = 'value'))",
        choices=FORMATS,
    )
    reply_role: str = option("tool", "whose messages the answers of tools are (tool, user, …)")
    history: str = option(
        "strict",
        "strict: refuse a chat template that writes earlier answers otherwise than they were "
        "given (it drops thoughts) | append: train on the conversation as it went all the same",
        choices=("strict", "append"),
    )
    step_seconds: float = option(
        10.0, "wall-clock seconds that one answer of an environment may take", gt=0, le=86_400
    )
    reply_characters: int = option(
        4096, "most characters of one message of an environment; the rest is left out", ge=16
    )
    memory: int = option(
        4096, "MiB of address space of a process of environments", ge=256, le=10_000_000
    )

    def play(
        self, examples: Sequence[Example], sizes: Sequence[int], stage: EpisodeStage
    ) -> Sequence[Row]:
        """Return the row of each episode."""
        return _Played(self, stage).rows()


@dataclass(eq=False)
class _One:
    """An episode on its way: what it lives in, and what happened so far."""

    begun: Begun
    context: Context
    tools: tuple[Mapping[str, Any], ...] = ()
    row: Row | None = None
    said: list[dict[str, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    turn_parts: dict[str, list[float]] = field(default_factory=dict)
    stop: StopReason | None = None

    def count(self, **more: int) -> None:
        for name, number in more.items():
            self.counts[name] = self.counts.get(name, 0) + number


class _Played:
    """The episodes of one playing, all of them turn by turn together."""

    def __init__(self, options: WithEnvironment, stage: EpisodeStage) -> None:
        self.options = options
        self.stage = stage
        self.environments: OpenEnvironments = stage.environments
        self.pool = self.environments.pool(options.memory)
        self.reader = stage.calls(options.calls)
        stage.refuse_other_histories(options.history == "append")

    def rows(self) -> list[Row]:
        """Return the rows of all episodes, played to their ends."""
        ones = self._begin()
        self._sample([one.context for one in ones], ones)
        for turn in range(1, self.options.turns + 1):
            going = [one for one in ones if one.stop is None]
            if not going:
                break
            contexts = self._answered(going, last=turn == self.options.turns)
            ones_on = [one for one in going if one.stop is None]
            self._sample(contexts, ones_on)
        return self._finished(ones)

    def _begin(self) -> list[_One]:
        contexts = self.stage.contexts
        begun = self.environments.begin(
            [context.example for context in contexts],
            self.options.memory,
            self.options.reply_characters,
        )
        ones = [_One(each, context) for each, context in zip(begun, contexts, strict=True)]
        asked = [(one.begun, one.begun.head("reset")) for one in ones]
        for one, found in zip(ones, self.pool.ask(asked, self.options.step_seconds), strict=True):
            if found is None:
                one.stop = StopReason.BROKEN
                continue
            tools = self.environments.tools(one.begun.environment, self.options.memory)
            one.tools = tuple(tools)
            one.said = list(found["messages"])
            one.count(cut=found["cut"])
            messages = [Message(each["role"], each["content"]) for each in one.said]
            one.context = self.stage.converse(one.context, messages, one.tools)
        return ones

    def _sample(self, contexts: Sequence[Context], ones: Sequence[_One]) -> None:
        """Have the policy take a turn in each episode; one that has no room for it ends."""
        most = self.options.turn_tokens
        alive = [one.stop is None for one in ones]
        some = [context for context, lives in zip(contexts, alive, strict=True) if lives]
        others = [context for context, lives in zip(contexts, alive, strict=True) if not lives]
        rows = iter(self.stage.sample(POLICY, some, max_new_tokens=most))
        nothing = iter(self.stage.sample(POLICY, others, max_new_tokens=0) if others else ())
        for one, lives in zip(ones, alive, strict=True):
            if not lives:
                one.row = next(nothing)
                continue
            before = 0 if one.row is None else len(one.row.tokens)
            one.row = next(rows)
            if len(one.row.tokens) == before:  # the limit left no room for a turn
                one.stop = StopReason.LENGTH
                continue
            one.count(turns=1)
            one.said.append({"role": "assistant", "content": one.row.text})

    def _answered(self, going: Sequence[_One], *, last: bool) -> list[Context]:
        """Have environments answer the turns just taken; return what is gone on with."""
        asked = []
        for one in going:
            assert one.row is not None
            calls = list(self.reader.read(one.row.text, one.tools).calls)
            one.count(calls=len(calls))
            command = {"what": "turn", "calls": calls, "text": one.row.text}
            asked.append((one.begun, command))
        answers = self.pool.ask(asked, self.options.step_seconds)
        contexts = []
        for one, found in zip(going, answers, strict=True):
            context = self._heard(one, found, last=last)
            if context is not None:
                contexts.append(context)
        return contexts

    def _heard(self, one: _One, found: dict[str, Any] | None, *, last: bool) -> Context | None:
        assert one.row is not None
        if found is None:
            one.stop = StopReason.BROKEN
            return None
        one.count(malformed=found["malformed"], failed=found["failed"], cut=found["cut"])
        for name, value in (found.get("turn_parts") or {}).items():
            one.turn_parts.setdefault(name, []).append(value)
        if found["over"]:
            one.stop = one.row.stop_reason
            return None
        one.said += found["messages"]
        if found["done"]:
            one.stop = StopReason.ENVIRONMENT
            return None
        if last:
            one.stop = StopReason.TURNS
            return None
        if one.row.stop_reason is StopReason.LENGTH and self.options.turn_tokens is None:
            one.stop = StopReason.LENGTH
            return None
        told = [Message(self._role(each["role"]), each["content"]) for each in found["messages"]]
        return self.stage.tell(one.row, told)

    def _role(self, role: str) -> str:
        return self.options.reply_role if role == "tool" else role

    def _finished(self, ones: Sequence[_One]) -> list[Row]:
        """Ask all that came to an end for their parts, and return the rows."""
        whole = [one for one in ones if one.stop is not StopReason.BROKEN]
        asked = [(one.begun, {"what": "finish", "messages": one.said}) for one in whole]
        found = dict(
            zip(map(id, whole), self.pool.ask(asked, self.options.step_seconds), strict=True)
        )
        open_still = [one.begun for one in whole if not one.begun.broken]
        self.pool.ask([(each, {"what": "close"}) for each in open_still], self.options.step_seconds)
        return [self._ended(one, found.get(id(one))) for one in ones]

    def _ended(self, one: _One, found: Mapping[str, Any] | None) -> Row:
        row = one.row
        assert row is not None and one.stop is not None
        parts = dict(found["parts"]) if found is not None else {}
        turn_parts = {name: tuple(values) for name, values in one.turn_parts.items()}
        parts |= {name: sum(values) for name, values in turn_parts.items()}
        row.stop_reason = StopReason.BROKEN if found is None else one.stop
        row.ended = Ended(
            one.begun.environment,
            parts,
            turn_parts,
            broken=one.begun.broken,
            goal=None if found is None else found.get("goal"),
            said=tuple(Message(each["role"], each["content"]) for each in one.said),
            seconds=one.begun.seconds,
            **{name: one.counts.get(name, 0) for name in _COUNTED},
        )
        if found is None:
            outcome = Outcome.TIMED_OUT if one.begun.late else Outcome.CRASHED
            said = f"{one.begun.title}: {one.begun.broken}"
            row.verdict = Verdict(outcome, {}, detail=said)
        return row


_COUNTED = ("turns", "calls", "malformed", "failed", "cut")
