"""An evaluation with a metric of its own: in how many ways a model answers one problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import component, option
from etude.evaluation.view import View


@component(group="evaluation", name="ways")
@dataclass(frozen=True)
class Ways:
    """Samples answers to held-out problems and counts the different ones."""

    reads: ClassVar[tuple[str, ...]] = ("data_mix", "sources", "verifier", "rollout")

    problems: int = option(4, "most held-out problems that are measured", ge=1)
    tries: int = option(3, "answers to each", ge=1)

    def measure(self, view: View) -> dict[str, list[float]]:
        """Return the share of different answers among those to each problem."""
        problems = view.problems(self.problems)
        texts = view.answers(problems, self.tries).texts
        by_problem = [texts[n : n + self.tries] for n in range(0, len(texts), self.tries)]
        return {"ways": [len(set(each)) / self.tries for each in by_problem]}
