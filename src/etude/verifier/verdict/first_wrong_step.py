"""A judge of steps that boxes the number of the first wrong one, or −1 (FAPO, arXiv 2510.22543)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from etude.component import component, option
from etude.verifier.extract import last_box
from etude.verifier.verdict.kind import Reading, VerdictForm

#: What stands for a solution without a wrong step.
CLEAN = -1

_INTEGER = re.compile(r"[+-]?\d{1,9}")


def boxed_step(text: str, steps: int, window: int = 300) -> int | None:
    """Return the step that the last box of a text's end names, from 0, or −1 for none.

    None where no box in the last ``window`` characters holds a whole number that is −1 or the place
    of one of so many ``steps``.
    """
    box = last_box(text[-window:])
    if box is None or _INTEGER.fullmatch(box[1].strip()) is None:
        return None
    place = int(box[1])
    return place if place == CLEAN or 0 <= place < steps else None


@component(source="arXiv 2510.22543", provides=["part:first_wrong"])
@dataclass(frozen=True)
class FirstWrongStep(VerdictForm):
    """A box with the number of the first wrong step, counted from 0, or −1 where all are right."""

    example: ClassVar[str] = (
        "recipe=rl verifier=generative models.judge=base verifier/verdict=first_wrong_step"
    )

    by_steps: ClassVar[bool] = True

    window: int = option(300, "characters at the end of a reply that are read", ge=1)

    def read(self, reply: str, steps: int = 0) -> Reading:
        """Return the first wrong step; a number that is none of the steps is no verdict."""
        place = boxed_step(reply, steps, self.window)
        if place is None:
            return Reading(None)
        if place == CLEAN:
            return Reading(True, steps=(True,) * steps)
        return Reading(False, first_wrong=place)
