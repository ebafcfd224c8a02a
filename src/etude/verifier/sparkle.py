"""Mathematical answers scored with their format: −1, 0, 1 or 2 (SPARKLE, arXiv 2506.04723).

    hierarchical     −1 wrong, 1 right, 2 right and in form
    hierarchical_aug the same, where a thought that the prompt opened needs no <think> of its own
    granular         −3 + 1.5·f wrong, 0.2 + 0.8·f right
    standard         [f ≥ 0.7] + [right]

f begins at 1 and loses 0.25 for each tag that does not stand exactly once, 0.2 for an answer in
tags without a box, 0.4 for tags out of order; it lies in [0, 1]. An answer that says it does not
know is 0 before everything else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.extract import Place
from etude.verifier.interface import THOUGHT
from etude.verifier.math import Math

OPENS, CLOSES, BEGINS, ENDS = TAGS = ("<think>", "</think>", "<answer>", "</answer>")

#: What the authors' prompt ends with where it has opened the thought.
_OPENED = f"Assistant: {OPENS}"

#: What a model says in the place of an answer.
PHRASES = (
    "i don't know",
    "i do not know",
    "cannot determine",
    "unable to determine",
    "insufficient information",
)


def opened(rendered: str, response: str) -> bool:
    """Return whether the authors' scorer takes a thought for opened by the prompt.

    It goes by the whole text: ``Assistant: <think>`` anywhere, or a response that closes a thought
    and opens none. So it also fires for a response that opens its own at once.
    """
    bare = OPENS not in response and CLOSES in response
    return _OPENED in rendered + response or bare


def left_open(rendered: str) -> bool:
    """Return whether a prompt ends inside a thought: it opens one that it does not close."""
    return rendered.rfind(OPENS) > rendered.rfind(CLOSES)


def in_order(text: str, tags: tuple[str, ...]) -> bool:
    """Return whether the first of each of these tags stand in their order."""
    places = [text.find(tag) for tag in tags]
    return places == sorted(places)


def boxed(text: str) -> bool | None:
    """Return whether the first ``<answer> … </answer>`` holds a box; None where there is none."""
    _, mark, rest = text.partition(BEGINS)
    inside, end, _ = rest.partition(ENDS)
    return "\\boxed{" in inside if mark and end else None


def well_formed(text: str, tags: tuple[str, ...] = TAGS) -> bool:
    """Return whether each tag stands once, all in order, with a box inside the answer's."""
    once = all(text.count(tag) == 1 for tag in tags)
    return once and in_order(text, tags) and bool(boxed(text))


def form(text: str) -> float:
    """Return f, how much of the form a text keeps, from 0 to 1."""
    missing = sum(text.count(tag) != 1 for tag in TAGS)
    lost = 0.25 * missing + 0.2 * (boxed(text) is False)
    if not missing and not in_order(text, TAGS):
        lost += 0.4
    return min(1.0, max(0.0, 1.0 - lost))


@component(
    source="arXiv 2506.04723",
    requires=(Need("column:answer", why="to compare the answer with"),),
    provides=(
        *(f"part:{name}" for name in ("accuracy", "format", "length", "score", "abstained")),
        THOUGHT,
    ),
)
@dataclass(frozen=True)
class Sparkle(Math):
    """Compares answers as ``math`` does, and gives the part ``score`` for answer and format.

    The answer is the last box, else the last ``<answer>`` tag, else what a marker announces. The
    form is ``<think> </think> <answer> </answer>``, each once and in order, with a box in the
    answer; ``format`` is 1 where all of it is kept, or how much of it by ``granular`` and
    ``standard``. ``abstained`` is 1 for an answer that says it does not know.
    """

    example: ClassVar[str] = (
        "recipe=rl verifier=sparkle reward_weighting=sparkle data_mix=gsm8k model=tiny_bytes"
    )

    answer_in: tuple[Place, ...] = option(
        ("box", "tag", "marker"),
        "where the answer may stand; the first of these that has one counts (text: somewhere in "
        "the response, with nothing that announces it)",
    )
    thinking: bool = option(True, "an answer between <think> and </think> counts, too")
    mode: str = option(
        "hierarchical",
        "how answer and format become the score; hierarchical_aug: for prompts that end inside a"
        " thought, too",
        choices=("hierarchical", "hierarchical_aug", "granular", "standard"),
    )
    opened_by: str = option(
        "prompt",
        "when hierarchical_aug takes a thought for opened by the prompt: prompt (it ends inside"
        " one) or text (as the authors guess it, by 'Assistant: <think>' anywhere)",
        choices=("prompt", "text"),
    )
    abstention: float | None = option(
        0.0, "score of an answer that says it does not know; null: it is wrong like any other"
    )
    wrong: float = option(-1.0, "score of a wrong answer, hierarchically")

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict of ``math`` with the format and the score."""
        verdict = super().judge(candidate)
        right = verdict.outcome is Outcome.CORRECT
        said = (verdict.extracted or "").casefold()
        abstains = any(phrase in said for phrase in PHRASES)
        kept = self._form(candidate)
        score = self._score(right, kept)
        if abstains and self.abstention is not None:
            score, right = self.abstention, False
        more = {"format": kept, "score": score, "abstained": float(abstains)}
        parts = {**verdict.parts, "accuracy": float(right), **more}
        if abstains and self.abstention is not None:
            return replace(verdict, outcome=Outcome.NO_ANSWER, parts=parts)
        return replace(verdict, parts=parts)

    def exhausted(self, candidate: Candidate, why: str) -> Verdict:
        """Return the verdict on an answer that takes more than there is: a wrong one's."""
        verdict = super().exhausted(candidate, why)
        kept = self._form(candidate)
        parts = {**verdict.parts, "format": kept, "score": self._score(False, kept)}
        return replace(verdict, parts=parts)

    def _form(self, candidate: Candidate) -> float:
        """Return how much of the form a response keeps; hierarchically all of it or nothing."""
        if self.mode in ("granular", "standard"):
            return form(candidate.response)
        tags: tuple[str, ...] = TAGS
        if self.mode == "hierarchical_aug" and self._opened(candidate):
            tags = TAGS[1:]
        return float(well_formed(candidate.response, tags))

    def _opened(self, candidate: Candidate) -> bool:
        rendered = candidate.rendered or candidate.prompt
        if self.opened_by == "text":
            return opened(rendered, candidate.response)
        return left_open(rendered)

    def _score(self, right: bool, kept: float) -> float:
        if self.mode == "granular":
            return 0.2 + 0.8 * kept if right else -3.0 + 1.5 * kept
        if self.mode == "standard":
            return float(kept >= 0.7) + float(right)
        return 1.0 + kept if right else self.wrong
