"""The steps of a solution: where they lie, and how a judge is shown them with their numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from etude.verifier.shown import inert


@dataclass(frozen=True)
class Step:
    """One step of a solution: its text, and the characters it has, from start to before end."""

    text: str
    start: int
    end: int


def steps_of(solution: str, between: str, tagged: bool = False) -> list[Step]:
    """Return the steps of a solution, which lie between matches of a regex; empty ones are none.

    ``tagged``: each lies in what the regex's group holds (``<step>(.*?)</step>``) instead.
    """
    if tagged:
        found = re.compile(between, re.DOTALL).finditer(solution)
        spans = [match.span(1 if match.re.groups else 0) for match in found]
    else:
        cuts = [match.span() for match in re.finditer(between, solution) if match.group()]
        ends = [*(start for start, _ in cuts), len(solution)]
        spans = list(zip([0, *(end for _, end in cuts)], ends, strict=True))
    return [Step(solution[a:b], a, b) for a, b in spans if solution[a:b].strip()]


def numbered(steps: list[Step], form: str, prompt: str) -> str:
    """Return steps as a judge is shown them, each in ``form`` with its number from 0.

    What a step spells of the frames of ``form`` or of the ``prompt`` is made inert.
    """
    shown = []
    for number, step in enumerate(steps):
        text = inert(inert(step.text.strip(), form), prompt)
        shown.append(form.replace("{number}", str(number)).replace("{step}", text))
    return "".join(shown)
