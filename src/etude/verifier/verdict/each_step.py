"""A judge that decides on each step and on the whole (RL Tango, arXiv 2505.15034)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from etude.component import component, option
from etude.verifier.extract import last_box
from etude.verifier.verdict.kind import Reading, VerdictForm

_STEPS = re.compile(r"<step_verification>(.*?)</step_verification>", re.DOTALL)
_STEP = re.compile(r"<step>(.*?)</step>", re.DOTALL)
_FINAL = re.compile(r"<final_verification>(.*?)</final_verification>", re.DOTALL)


@component(source="arXiv 2505.15034", provides=["part:first_wrong", "part:steps"])
@dataclass(frozen=True)
class EachStep(VerdictForm):
    """A box with CORRECT or INCORRECT for every step, in tags, and one for the final answer.

    Where not as many steps are judged as there are, what is said of them counts for nothing, and
    the final verdict stands.
    """

    example: ClassVar[str] = (
        "recipe=rl verifier=generative models.judge=base verifier/verdict=each_step"
    )

    by_steps: ClassVar[bool] = True

    accepts: str = option("CORRECT", "the word of what is right", form="filled")
    rejects: str = option("INCORRECT", "the word of what is wrong", form="filled")

    def read(self, reply: str, steps: int = 0) -> Reading:
        """Return the verdicts on the steps, where there are as many, and the final one."""
        judged = self.judgements(reply)
        usable = steps > 0 and len(judged) == steps
        first = next((i for i, right in enumerate(judged) if not right), None) if usable else None
        return Reading(self.final(reply), first, judged if usable else ())

    def judgements(self, reply: str) -> tuple[bool, ...]:
        """Return the verdict on each step that has one which can be read; none if one has not."""
        blocks = _STEPS.findall(reply)
        if len(blocks) != 1:
            return ()
        found = [self._word(step) for step in _STEP.findall(blocks[0])]
        return tuple(each for each in found if each is not None) if None not in found else ()

    def final(self, reply: str) -> bool | None:
        """Return the final verdict; None where there is not exactly one that can be read."""
        blocks = _FINAL.findall(reply)
        return self._word(blocks[0]) if len(blocks) == 1 else None

    def formed(self, reply: str, steps: int) -> bool:
        """Return whether a reply judges every one of so many steps, and the whole."""
        return self.final(reply) is not None and len(self.judgements(reply)) == steps > 0

    def _word(self, text: str) -> bool | None:
        box = last_box(text)
        return (
            None if box is None else {self.accepts: True, self.rejects: False}.get(box[1].strip())
        )
