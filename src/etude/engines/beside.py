"""An engine beside the trainer: rows are asked of it, weights given to it, failures mended.

It samples from the weights of a policy by version. After every change a probe compares it with the
trainer (:mod:`etude.engines.probe`); one that dies, hangs or runs out of memory is started again
with the same weights and asked for the rows that are still missing, by the same seeds.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from etude.distributed.together import by_all
from etude.distributed.world import current
from etude.engines.asked import About, Answer, Ask, EngineLost, Held, How, Link
from etude.engines.probe import Probe, Seen, of_engine, refuse, same, text_of
from etude.errors import EngineError, ModelError, StageError
from etude.rollout.engine import Combination, Watch
from etude.rows import Request, Sampled, StopReason

if TYPE_CHECKING:
    from etude.engines.weights import Checkpoints
    from etude.model.policy import Policy

Result = TypeVar("Result")

#: Returns the trainer's log-probs of texts of one length, from the second token on. Ranks that
#: share a policy's weights ask together.
Trainer = Callable[["Policy", Sequence[tuple[int, ...]]], list[list[float]]]


class Kept:
    """An engine with the weights of one policy, whoever samples from it and however.

    ``trainer`` is what it is compared with, on a text of some of its ``vocabulary`` tokens.
    ``restarts`` is how often it may be started again in its life; ``positions`` are the tokens of
    the longest text it reads. Where ranks share the policy's weights they open one, give it weights
    and close it together; of a policy that each has whole a rank does so alone.
    """

    def __init__(
        self,
        policy: Policy,
        link: Link,
        checkpoints: Checkpoints,
        probe: Probe,
        trainer: Trainer,
        *,
        vocabulary: int,
        restarts: int,
        positions: int | None,
    ) -> None:
        self._trainer = trainer
        self._together = policy.shards is not None
        self._policy = policy
        self._link = link
        self._checkpoints = checkpoints
        self._probe = probe
        self._left = restarts
        self._allowed = restarts
        self.positions = positions
        #: How often the weights were given to it, and how often it was started again.
        self.version = 0
        self.restarted = 0
        self._seen: Seen | None = None
        self._text: tuple[int, ...] = ()
        try:
            folder = checkpoints.write(policy)
            self.about: About = self._mine(self._each(lambda: self._started(folder)))
            self._text = text_of(vocabulary, self.about.block, positions)
            probe.begin(self.about.held, checkpoints.held)
            self._compare(self.about.held, "that it was started with")
        except BaseException:
            self.close()
            raise

    def sync(self, policy: Policy) -> None:
        """Give the engine the policy's present weights, and compare."""
        folder = self._checkpoints.write(policy)
        helds = self._each(lambda: self._loaded(folder))
        self._checkpoints.drop_others()
        self.version += 1
        self._policy = policy
        self._compare(self._mine(helds), f"of version {self.version}")

    def sample(
        self, asks: Sequence[Ask], how: How, ended: Callable[[Sequence[Answer]], None], watch: Any
    ) -> dict[int, Answer]:
        """Return the rows that are asked for, by their places; ``ended`` hears of each once."""
        found: dict[int, Answer] = {}

        def hear(answers: Sequence[Answer]) -> None:
            new = [each for each in answers if each.place not in found]
            found.update({each.place: each for each in new})
            ended(new)

        idle = (lambda: None) if watch is None else watch.meanwhile
        while left := [ask for ask in asks if ask.place not in found]:
            try:
                self._link.sample(left, how, hear, idle)
                if any(ask.place not in found for ask in left):
                    raise EngineLost("failed", "the engine left rows out")
            except EngineLost as lost:
                self._mend(lost)
        return found

    def score(self, texts: Sequence[tuple[int, ...]]) -> list[list[float]]:
        """Return the log-probs of the tokens of texts from the second on."""
        while True:
            try:
                return self._link.score(texts)
            except EngineLost as lost:
                self._mend(lost)

    def close(self) -> None:
        """End the engine and remove its weights."""
        self._link.end()
        self._checkpoints.close()

    # Within --------------------------------------------------------------------------------

    def _each(self, work: Callable[[], Result]) -> list[Result]:
        """Return what every rank's work gives where they hold the weights together; else this's."""
        return by_all(work) if self._together else [work()]

    def _mine(self, found: Sequence[Result]) -> Result:
        return found[current().rank if self._together else 0]

    def _started(self, folder: str) -> About:
        while True:
            try:
                return self._link.start(folder)
            except EngineLost as lost:
                self._again(lost)

    def _loaded(self, folder: str) -> Held:
        try:
            held = self._link.load(folder)
            self._link.forget()
            return held
        except EngineLost as lost:  # half of the weights may be new: it is not to be trusted
            self._again(lost)
            return self._started(folder).held

    def _compare(self, held: Held, what: str) -> None:
        """Raise EngineError on every rank where an engine is not as the trainer is."""

        def asked() -> tuple[Seen, int]:
            try:
                return of_engine(self._link, self._text)
            except EngineLost as lost:
                self._again(lost)
                self._started(self._checkpoints.last)
                return of_engine(self._link, self._text)

        found = self._each(asked)
        mine, drawn = self._mine(found)
        tokens = sorted({token for _, token in found})
        texts = [(*self._text, token) for token in tokens]
        known = self._trainer(self._policy, texts)[tokens.index(drawn)]
        trainer = Seen(tuple(known[:-1]), known[-1])
        fault = self._probe.fault(mine, trainer, held, self._checkpoints.held)
        self._seen = mine
        self._each(lambda: refuse(fault, what))

    def _mend(self, lost: EngineLost) -> None:
        """Start the engine again with the weights it had; it must be as it was."""
        self._again(lost)
        self._started(self._checkpoints.last)
        now, _ = of_engine(self._link, self._text)
        if self._seen is None or not same(now, self._seen, self._probe.tolerance):
            raise EngineError(
                "the engine was started again with the same weights and does not give the log-probs"
                " it gave before; nothing that it samples could be trusted"
            ) from lost

    def _again(self, lost: EngineLost) -> None:
        """Count one more start; raises EngineError where there were too many, or it is no use."""
        self._link.end()
        if lost.how == "refused":
            raise EngineError(str(lost)) from lost
        if self._left <= 0:
            raise EngineError(
                f"{lost}\n{_advice(lost.how)}rollout.restarts={self._allowed} allows no further "
                "start" + (f" after {self.restarted}" if self.restarted else "")
            ) from lost
        self._left -= 1
        self.restarted += 1
        sys.stderr.write(f"{str(lost).splitlines()[0]}; it is started again\n")


class BesideEngine:
    """What samples from an engine beside the trainer (:class:`~etude.rollout.engine.Engine`)."""

    tells_what_ended: ClassVar[bool] = True

    def __init__(
        self, kept: Kept, policy: Policy, component: Any, *, owner: bool, name: str
    ) -> None:
        self.kept = kept
        self._policy = policy
        self._component = component
        self._owner = owner
        self._name = name
        ends = sorted(policy.eos_ids | set(component.stop_token_ids))
        self._how = How(
            component.temperature,
            component.top_p,
            component.top_k,
            tuple(ends),
            tuple(component.stop),
        )

    def sampling_as(self, component: Any) -> BesideEngine | None:
        """Return what samples otherwise from the same engine; None where another is needed."""
        if not self._component.shares_engine_with(component):
            return None
        return BesideEngine(self.kept, self._policy, component, owner=False, name=self._name)

    def sync(self, policy: Policy) -> None:
        """Take over the policy's present weights; who shares an engine leaves it to its owner."""
        if self._owner:
            self.kept.sync(policy)

    def close(self) -> None:
        """End the engine, where it is this one's."""
        if self._owner:
            self.kept.close()

    def sample(
        self,
        requests: Sequence[Request],
        *,
        temperature: float | None = None,
        logits: Combination | None = None,
        watch: Watch | None = None,
    ) -> list[Sampled]:
        """Return one rollout for each request, in the order asked.

        Raises ModelError where one does not fit the engine's context, StageError where several
        models' logits are to be combined, EngineError where the engine fails too often.
        """
        if logits is not None:
            raise StageError(
                f"several models' logits cannot be combined by rollout={self._name}, whose engines "
                "do not show them; type rollout=transformers"
            )
        how = self._how
        if temperature is not None:
            how = dataclasses.replace(how, temperature=temperature)
        ends = set(how.ends)
        self._check(requests)
        asks = [_ask(place, request, ends) for place, request in enumerate(requests)]

        def told(answers: Sequence[Answer]) -> None:
            if watch is not None and answers:
                watch.ended([(a.place, _sampled(requests[a.place], a, ends)) for a in answers])

        found = self.kept.sample(asks, how, told, watch)
        return [_sampled(request, found[place], ends) for place, request in enumerate(requests)]

    def _check(self, requests: Sequence[Request]) -> None:
        limit = self.kept.positions
        for request in requests:
            need = len(request.prompt) + max(request.max_new_tokens, len(request.prefix))
            if limit is not None and need > limit:
                raise ModelError(
                    f"prompt {request.prompt_id} has {len(request.prompt)} tokens, its response "
                    f"may have {request.max_new_tokens}, more than the {limit} tokens that the "
                    f"engine reads; lower rollout.max_new_tokens or leave long prompts out"
                )
            if not request.prompt:
                raise ModelError(
                    f"prompt {request.prompt_id} has no tokens, so there is nothing to continue"
                )


def _ask(place: int, request: Request, ends: set[int]) -> Ask:
    """Return what the engine is asked of a row; of one that its prefix ends, only log-probs."""
    forced = len(request.prefix)
    room = max(0, request.max_new_tokens - forced)
    if _ended(request, ends):
        room = 0
    return Ask(place, request.prompt + request.prefix, request.seed, room, forced)


def _ended(request: Request, ends: set[int]) -> bool:
    return bool(request.prefix) and request.prefix[-1] in ends


def _sampled(request: Request, answer: Answer, ends: set[int]) -> Sampled:
    reason = StopReason(answer.reason)
    if not answer.tokens:
        reason = StopReason.STOP if _ended(request, ends) else StopReason.LENGTH
    return Sampled((*request.prefix, *answer.tokens), (*answer.forced, *answer.logprobs), reason)


def _advice(how: str) -> str:
    return (
        "rollout.memory_share=NUMBER, rollout.max_rows=NUMBER and rollout.context_tokens=NUMBER "
        "make it smaller; "
        if how == "memory"
        else ""
    )
