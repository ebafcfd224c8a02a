"""The next actions in a Sokoban room, in the vocabulary that the prompt announces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, Verdict
from etude.tasks.sokoban import ACTIONS, Room
from etude.tasks.sokoban_labels import SPACES, action_of, announced
from etude.verifier.interface import THOUGHT, Verifier, thinks

_ANSWER = re.compile(r"<answer>([^<\n]*)</answer>|<action>([^<\n]*)</action>")
_BETWEEN = re.compile(r"[,;\s]+")
_OPENED = "<think>"


@component(
    source="arXiv 2510.00237",
    requires=(
        Need("column:actions", why="to know the right actions"),
        Need("column:space", when="labels == 'row'", why="to know what actions are called"),
        Need("column:room", when="effective == true", why="to see whether the player moves"),
    ),
    provides=(
        *(f"part:{name}" for name in ("accuracy", "score", "format", "validity", "length")),
        Need("part:effective", when="effective == true"),
        THOUGHT,
    ),
)
@dataclass(frozen=True)
class Sokoban(Verifier):
    """Compares the actions in ``<answer> … </answer>`` with those in the column ``actions``.

    An answer counts where ``<think>``, ``</think>``, ``<answer>`` and ``</answer>`` stand once each
    in that order; a ``<think>`` at the end of the prompt counts as the answer's. Actions are
    divided by commas, semicolons and blanks. The part ``score`` is 1 where the first ones are the
    right ones, ``format_score`` for as many others that are all actions, and else 0. ``accuracy``
    is 1 for the right ones, ``format`` for the tags with actions in them, ``validity`` where each
    action is a label that the prompt announces (where it announces none, one that is scored by),
    ``effective`` where the first action moves the player in the column ``room``; ``length`` is the
    response's tokens.
    """

    example: ClassVar[str] = (
        "recipe=rl verifier=sokoban reward_weighting=sokoban data_mix=sokoban model=tiny_bytes"
    )
    answer_can_exhaust: ClassVar[bool] = True

    labels: str = option(
        "row",
        "what actions are called: as the column space says (row), as the Answers block of the"
        " prompt says (prompt), or one vocabulary",
        choices=("row", "prompt", *SPACES),
    )
    format_score: float = option(
        0.1, "score of wrong actions that are some; 0 in the paper's runs with diverse prompts"
    )
    effective: bool = option(False, "give the part effective, from the column room")

    def unreadable(self, columns: Mapping[str, Any]) -> str | None:
        """Return why the right actions of a row cannot be read, None where they can."""
        actions = columns.get("actions")
        if (
            not isinstance(actions, (list, tuple))
            or not actions
            or not set(map(repr, actions)) <= set(map(repr, ACTIONS))
        ):
            return f"has no list of actions from 1 to 4 in the column actions: {actions!r:.60}"
        space = columns.get("space")
        if self.labels == "row" and not _is_vocabulary(space):
            there = f"four labels, or {', '.join(SPACES)}"
            return f"has no vocabulary in the column space: {space!r:.60}; it is {there}"
        if self.effective:
            try:
                Room.read(columns.get("room") or [])
            except (ValueError, TypeError) as problem:
                return f"has no room in the column room: {problem}"
        return super().unreadable(columns)

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict on one answer."""
        text = candidate.response
        if candidate.prompt.rstrip().endswith(_OPENED):
            text = _OPENED + text
        said = answered(text)
        shown = announced(candidate.prompt)
        scored = self._scored(candidate.columns, shown)
        words = [word for word in _BETWEEN.split(said or "") if word]
        right = list(candidate.columns["actions"])
        # One more than is asked for tells whether there are more: a flood of them is not read.
        given = [action_of(word, scored) if scored else 0 for word in words[: len(right) + 1]]
        well_formed = structured(text) and said is not None
        correct = well_formed and given[: len(right)] == right
        others = well_formed and len(given) == len(right) and all(given)
        known = {label.casefold() for label in shown or scored or ()}
        parts = {
            "accuracy": float(correct),
            "score": 1.0 if correct else self.format_score if others else 0.0,
            "format": float(well_formed),
            "validity": float(bool(words) and {word.casefold() for word in words} <= known),
            "length": float(candidate.length),
        }
        if self.effective:
            room = Room.read(candidate.columns["room"])
            first = given[0] if well_formed and given else 0
            parts["effective"] = float(room.after(first) != room)
        if said is None:
            return Verdict(Outcome.NO_ANSWER, parts, detail="nothing stands in <answer> </answer>")
        outcome = Outcome.CORRECT if correct else Outcome.WRONG
        return Verdict(outcome, parts, said[:200], _why(given, right, well_formed, scored, correct))

    def _scored(
        self, columns: Mapping[str, Any], shown: tuple[str, ...] | None
    ) -> tuple[str, ...] | None:
        """Return the labels that answers are read by, None where a prompt announces none."""
        if self.labels == "prompt":
            return shown
        space = columns["space"] if self.labels == "row" else self.labels
        return SPACES[space] if isinstance(space, str) else tuple(space)


def _is_vocabulary(space: object) -> bool:
    if isinstance(space, (list, tuple)):
        return len(space) == len(ACTIONS) and all(isinstance(label, str) for label in space)
    return isinstance(space, str) and space in SPACES


def answered(text: str) -> str | None:
    """Return what stands in the last ``<answer>`` or ``<action>`` of a text, None for nothing."""
    found = None
    for match in _ANSWER.finditer(text):
        found = match
    said = "" if found is None else (found.group(1) or found.group(2) or "").strip()
    return said or None


def structured(text: str) -> bool:
    """Return whether a thought and an answer stand in their tags, each once and in that order."""
    if not thinks(text) or text.count("<answer>") != 1 or text.count("</answer>") != 1:
        return False
    return text.index("</think>") < text.index("<answer>") < text.index("</answer>")


def _why(
    given: list[int], right: list[int], well_formed: bool, scored: object, correct: bool
) -> str | None:
    """Return what is wrong with an answer, in words."""
    if correct:
        return None
    if not well_formed:
        return "a thought and an answer do not stand in their tags, each once and in that order"
    if scored is None:
        return "the prompt announces no labels to read the answer by"
    if len(given) < len(right):
        return f"too few actions are given: {len(given)} of {len(right)}"
    if 0 not in given and len(given) > len(right):
        return f"the first actions are {given[: len(right)]} and {right} are right"
    if 0 in given[: len(right)]:
        return f"action {given.index(0) + 1} is none that there is"
    return f"the actions are {given[: len(right)]} and {right} are right"
