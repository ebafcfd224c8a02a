"""Hints that a curriculum plans: they go into the prompts of a step before anything is sampled."""

from __future__ import annotations

from collections.abc import Sequence

from etude.curriculum.interface import StepPlan
from etude.objective.guidance.hinting import Counts, add, beginning, hinted
from etude.objective.parts import Sampler
from etude.rows import Example

_TEMPLATE = "the plan's hint_template"


def with_hints(
    examples: Sequence[Example], plan: StepPlan, sampler: Sampler, counts: Counts
) -> list[Example]:
    """Return the examples of a step with the hints of its plan, and count how many have one."""
    if plan.hints is None:
        return list(examples)
    found = []
    for example, hint in zip(examples, plan.hints_for([e.id for e in examples]), strict=True):
        text = hint if isinstance(hint, str) else _beginning(example, hint or 0.0, sampler)
        shown = hinted(example, text, plan.hint_template, _TEMPLATE) if text else example
        fits = sampler.fits(shown)
        found.append(shown if fits else example)
        add(counts, "curriculum/hinted", bool(text) and fits, 1)
    return found


def _beginning(example: Example, share: float, sampler: Sampler) -> str:
    """Return a share of the example's solution, counted in characters; empty where it has none."""
    return beginning(sampler.text(example) or "", share, "chars", sampler) if share else ""
