"""GHPO (arXiv 2507.10628): prompts that nobody solves are asked again with part of the solution.

1. A prompt is sampled plainly. It is difficult when no answer has ``difficulty_reward`` above
   ``difficulty_threshold``; other rewards (for form) do not count.
2. For ω in ``hint_ratios``, while it is difficult: its prompt becomes the question with the first
   round(ω·|solution|) units of the solution, and its answers are sampled anew.
3. The last answers are the prompt's group, and the hinted prompt is the prompt it is trained in.

The answers that were replaced are not trained on, but they are among the step's sampled rows. A
prompt without a solution keeps its plain group; so does every prompt before ``start_hint_step``.
One whose next hint leaves the model no position to answer keeps the group it has.
``escalation: across_epochs`` takes one stage a visit: a prompt that was difficult has the next
ratio when it is drawn again (a reading of the paper, not its code). No ratios: plain sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, Rule, component, option
from etude.objective.guidance.hinting import (
    TEMPLATE_RULE,
    UNITS,
    Counts,
    add,
    beginning,
    hinted,
    values_of,
)
from etude.objective.guidance.visits import Stages
from etude.objective.parts import Groups, Guidance, Sampler
from etude.objective.sizes import Size, of_some
from etude.rows import Example, Row

_PATH = "objective.guidance"


@component(
    source="arXiv 2507.10628",
    requires=[
        Need("column:solution", why="whose beginning it gives as a hint"),
    ],
)
@dataclass(frozen=True)
class Hints(Guidance):
    """Ask prompts that nobody solves again, with more and more of the solution in the prompt."""

    words: ClassVar[str] = "hints {escalation} where no answer is right"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("rising(hint_ratios)", "is {hint_ratios}: each share must be above the one before."),
        TEMPLATE_RULE,
    )

    hint_ratios: list[float] = option(
        [0.25, 0.5, 0.75],
        "shares of the solution that are shown, one after the other",
        gt=0,
        le=1,
    )
    hint_unit: str = option(
        "chars", "what the share is counted in: chars | tokens | lines", choices=UNITS
    )
    escalation: str = option(
        "within_step",
        "within_step (all ratios, until one helps) | across_epochs (one ratio a visit)",
        choices=("within_step", "across_epochs"),
    )
    start_hint_step: int = option(0, "steps without hints at the start (paper: 20)", ge=0)
    difficulty_reward: str = option("accuracy", "part of the verifier that decides", form="part")
    difficulty_threshold: float = option(0.0, "difficult: no answer has more than this")
    template: str = option(
        "{prompt}\nThis is how a solution begins; you may make use of it:\n{hint}",
        "the prompt with a hint",
    )

    def make_state(self) -> Stages | None:
        """Return the stage of each prompt where hints grow from visit to visit."""
        return Stages() if self.escalation == "across_epochs" else None

    def active(self, step: int) -> bool:
        """Return whether hints are given in step number ``step``."""
        return step >= self.start_hint_step

    def difficult(self, group: Sequence[Row]) -> bool:
        """Return whether none of the answers is good enough."""
        values = values_of(group, self.difficulty_reward)
        return all(value <= self.difficulty_threshold for value in values)

    def groups(
        self, examples: Sequence[Example], size: Size, sampler: Sampler, state: Any
    ) -> Groups:
        """Return ``size`` answers to each example, with a hint where none was right without."""
        if not self.active(sampler.step):
            return Groups(sampler.sample(examples, size))
        counts: Counts = {}
        if isinstance(state, Stages):
            return Groups(self._visit(examples, size, sampler, state, counts), counts)
        groups = sampler.sample(examples, size)
        difficult = self._judge(dict(enumerate(groups)), 0.0, counts)
        texts = {i: text for i in difficult if (text := sampler.text(examples[i])) is not None}
        add(counts, "guidance/without_solution", len(difficult) - len(texts), len(difficult))
        add(counts, "guidance/difficult/0", len(difficult), len(examples))
        add(counts, "guidance/hinted", len(texts), len(examples))
        pending, full = list(texts), 0
        for ratio in self.hint_ratios:
            asked = {
                i: prompt
                for i in pending
                if (prompt := self._hinted(examples[i], texts[i], ratio, sampler)) is not None
            }
            full += len(pending) - len(asked)
            found = sampler.sample(list(asked.values()), of_some(size, asked)) if asked else []
            again = dict(zip(asked, found, strict=True))
            for i, group in again.items():
                groups[i] = group
            pending = self._judge(again, ratio, counts)
            left = len(difficult) - len(texts) + full + len(pending)
            add(counts, f"guidance/difficult/{ratio:g}", left, len(examples))
        add(counts, "guidance/without_room", full, len(texts))
        return Groups(groups, counts)

    def _visit(
        self,
        examples: Sequence[Example],
        size: Size,
        sampler: Sampler,
        state: Stages,
        counts: Counts,
    ) -> list[list[Row]]:
        """Return answers to each example with the hint of its stage, and move stages on."""
        texts = [sampler.text(example) for example in examples]
        ratios = [0.0, *self.hint_ratios]
        stages = [state.stages.get(example.id, 0) for example in examples]
        asked = [
            self._hinted(example, text, ratios[stage], sampler) if stage and text else example
            for example, text, stage in zip(examples, texts, stages, strict=True)
        ]
        add(counts, "guidance/without_room", asked.count(None), sum(map(bool, stages)))
        groups = sampler.sample(
            [prompt or example for prompt, example in zip(asked, examples, strict=True)], size
        )
        shown = [
            0 if prompt is None else stage for prompt, stage in zip(asked, stages, strict=True)
        ]
        for stage, ratio in enumerate(ratios):
            there = {i: groups[i] for i, own in enumerate(shown) if own == stage}
            difficult = self._judge(there, ratio, counts)
            add(counts, f"guidance/difficult/{ratio:g}", len(difficult), len(examples))
            without = [i for i in difficult if texts[i] is None]
            add(counts, "guidance/without_solution", len(without), len(difficult))
            add(counts, "guidance/hinted", len(there) if stage else 0, len(there))
            for i in set(difficult) - set(without):
                if asked[i] is None:
                    continue  # a longer hint would fit no better
                state.stages[examples[i].id] = min(stage + 1, len(self.hint_ratios))
        return groups

    def _judge(self, groups: dict[int, list[Row]], ratio: float, counts: Counts) -> list[int]:
        """Return the numbers of the groups that are still difficult."""
        difficult = [i for i, group in groups.items() if self.difficult(group)]
        add(counts, f"guidance/solved/{ratio:g}", len(groups) - len(difficult), len(groups))
        return difficult

    def _hinted(
        self, example: Example, text: str, ratio: float, sampler: Sampler
    ) -> Example | None:
        """Return the example with its hint, None where the model has no room for that."""
        hint = beginning(text, ratio, self.hint_unit, sampler)
        found = hinted(example, hint, self.template, f"{_PATH}.template")
        return found if sampler.fits(found) else None
