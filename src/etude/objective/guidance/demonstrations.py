"""Demonstrations in the group (LUFFY, arXiv 2504.14945; RL-PLUS, arXiv 2508.00222).

``count`` places of a group are taken by the prompt's demonstration and the others by the policy's
own answers. The verifier judges demonstrations as it judges answers, and they are part of the
group's statistics. With a ratio below 1 only that share of the demonstration's tokens is given and
the policy goes on:

    random   ratio ~ U[min_ratio, max_ratio], drawn for each row and step
    linear   ratio = linear_start · (1 − min(step / linear_steps, 1))

A prompt without a demonstration has a group of own answers only. The tokens that are given are
marked ``off_policy``; what they weigh is the policy loss's affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, Rule, component, option
from etude.errors import StageError
from etude.objective.guidance.hinting import Counts, add, correct
from etude.objective.parts import Groups, Guidance, Sampler
from etude.objective.sizes import Size, fewer, sizes_of
from etude.randomness import generator
from etude.rows import Example

_PATH = "objective.guidance"


@component(
    source="arXiv 2504.14945",
    requires=[
        Need("column:solution", why="to put in the groups"),
        Need(
            "loss:off_policy",
            why="because the policy did not write demonstrations: any other gives their tokens a "
            "ratio of 1, as if the policy had tried them",
        ),
    ],
)
@dataclass(frozen=True)
class Demonstrations(Guidance):
    """Give some places of each group to the prompt's demonstration."""

    words: ClassVar[str] = "demonstrations in {count} of the {rollouts} places of a group"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "count < stage.training.rollouts_per_prompt",
            "is {count}, which leaves no place for an answer of the policy: "
            "training.rollouts_per_prompt={stage.training.rollouts_per_prompt}.",
        ),
        Rule("min_ratio <= max_ratio", "is {min_ratio}, above {path}.max_ratio={max_ratio}."),
    )

    count: int = option(1, "places of a group that demonstrations take", ge=1)
    strategy: str = option(
        "random",
        "how much of a demonstration is given: random (min_ratio to max_ratio) | linear (falls "
        "from linear_start to nothing within linear_steps)",
        choices=("random", "linear"),
    )
    min_ratio: float = option(1.0, "random: smallest share of tokens that is given", ge=0, le=1)
    max_ratio: float = option(1.0, "random: largest share of tokens that is given", ge=0, le=1)
    linear_start: float = option(0.8, "linear: share at the first step", ge=0, le=1)
    linear_steps: int = option(1000, "linear: steps until nothing is given", ge=1)

    @property
    def taken(self) -> int:
        """Return the places of demonstrations."""
        return self.count

    def ratio(self, seed: int, step: int, prompt_id: str, number: int) -> float:
        """Return the share that is given as demonstration ``number`` of a prompt in a step."""
        if self.strategy == "linear":
            return self.linear_start * (1.0 - min(step / self.linear_steps, 1.0))
        drawn = generator("prefix", seed, step, prompt_id, number).random()
        return self.min_ratio + (self.max_ratio - self.min_ratio) * float(drawn)

    def groups(
        self, examples: Sequence[Example], size: Size, sampler: Sampler, state: Any
    ) -> Groups:
        """Return ``size`` rows for each example, which must be more than ``count``."""
        smallest = min(sizes_of(size, len(examples)), default=self.count + 1)
        if smallest <= self.count:
            raise StageError(
                f"a plan gives a prompt {smallest} places, and objective.guidance.count="
                f"{self.count} are for demonstrations; one more is needed for an answer"
            )
        own = sampler.sample(examples, fewer(size, self.count))
        asked = [(example, n) for example in examples for n in range(self.count)]
        shares = [self.ratio(sampler.seed, sampler.step, e.id, n) for e, n in asked]
        given = sampler.demonstrations([example for example, _ in asked], shares)
        shown = [
            [row for row in given[at : at + self.count] if row is not None]
            for at in range(0, len(given), self.count)
        ]
        bare = [i for i, rows in enumerate(shown) if not rows]
        more = sampler.sample([examples[i] for i in bare], self.count) if bare else []
        groups = [answers + rows for answers, rows in zip(own, shown, strict=True)]
        for i, rows in zip(bare, more, strict=True):
            groups[i] = groups[i] + rows
        answers = [row for group in (*own, *more) for row in group]
        known = [(share, row) for share, row in zip(shares, given, strict=True) if row is not None]
        counts: Counts = {}
        add(counts, "guidance/without_solution", len(bare), len(examples))
        add(counts, "guidance/correct_own", correct(answers), len(answers))
        add(counts, "guidance/given_share", sum(share for share, _ in known), len(known))
        add(counts, "guidance/given_tokens", sum(sum(r.off_policy) for _, r in known), len(known))
        return Groups(groups, counts)
