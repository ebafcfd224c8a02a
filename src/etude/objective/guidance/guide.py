"""Guide (arXiv 2506.13923): where all answers fail, others with a hint teach the plain prompt.

    r = π_θ(y_t | x, y_<t) / π_old(y_t | x, g, y_<t)      for answers ỹ ~ π_old(·|x, g)

A prompt x is triggered when the share of right answers is at most ``failure_threshold``. More
answers are then sampled with the hint g in the context and trained **without** it: the gradient
flows through the plain context, and the old log-probs are those of the context they were sampled
in (``denominator_context: none`` takes the plain one, the ablation without correction).

``group``: ``union`` compares both kinds of answers together, ``replace`` drops the plain ones,
``separate`` makes two groups of them. How the paper groups them is not known: union is a
reconstruction. With ``objective=ppo`` this is Guide-PPO: the critic sees the plain prompt. The hint
is the row's column ``hint``, written beforehand; without one a prompt is not guided, unless
``fallback_ratio`` gives the beginning of its solution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, Rule, component, option
from etude.objective.guidance.hinting import (
    TEMPLATE_RULE,
    Counts,
    add,
    beginning,
    correct,
    hinted,
)
from etude.objective.guidance.visits import FirstVisits
from etude.objective.parts import Groups, Guidance, Sampler
from etude.objective.sizes import Size, of_some
from etude.rows import Example, Row

_PATH = "objective.guidance"


@component(
    source="arXiv 2506.13923",
    requires=[
        Need(
            "column:hint",
            when="fallback_ratio == None",
            why="to show where all answers fail (objective.guidance.fallback_ratio=0.5 shows the "
            "beginning of the solution instead)",
        ),
        Need("column:solution", when="fallback_ratio > 0", why="to show its beginning as a hint"),
    ],
    provides=[
        Need("answers:several", when="group == 'union'"),
        Need("answers:several", when="rollouts > 1"),
    ],
)
@dataclass(frozen=True)
class Guide(Guidance):
    """Where all answers fail, learn for the plain prompt from answers that saw a hint."""

    example: ClassVar[str] = "objective=guide"
    words: ClassVar[str] = "answers with a hint where all fail (group {group})"
    rules: ClassVar[tuple[Rule, ...]] = (
        TEMPLATE_RULE,
        Rule(
            "denominator_context == 'hinted' or stage.objective.mismatch.name == 'none'",
            "is none, so old log-probs are not those of the context that was sampled in, and "
            "objective.mismatch would take that for a difference between engines: "
            "objective/mismatch=none",
        ),
    )

    rollouts: int | None = option(
        None, "guided answers of a triggered prompt; null: as many as plain ones", ge=1
    )
    failure_threshold: float = option(
        0.0, "largest share of right answers that triggers guidance", ge=0, le=1
    )
    group: str = option(
        "union",
        "what answers are compared with: union (plain and guided) | replace (guided alone; the "
        "plain ones are dropped) | separate (each kind with its own)",
        choices=("union", "replace", "separate"),
    )
    denominator_context: str = option(
        "hinted",
        "context of the old log-probs of guided answers: hinted | none (no importance weight)",
        choices=("hinted", "none"),
    )
    fallback_ratio: float | None = option(
        None, "share of the solution that is the hint where a row has none; null: none", gt=0, le=1
    )
    template: str = option("{prompt}\nA hint: {hint}", "the prompt with a hint")

    def make_state(self) -> FirstVisits:
        """Return what is known of prompts at the start of a stage: nothing."""
        return FirstVisits()

    def triggered(self, group: Sequence[Row]) -> bool:
        """Return whether so few answers are right that a hint is given."""
        return correct(group) <= self.failure_threshold * len(group)

    def groups(
        self, examples: Sequence[Example], size: Size, sampler: Sampler, state: Any
    ) -> Groups:
        """Return the groups of each example, guided answers among them."""
        plain = sampler.sample(examples, size)
        failed = [i for i, group in enumerate(plain) if self.triggered(group)]
        hints = {i: hint for i in failed if (hint := self._hint(examples[i], sampler))}
        asked = {
            i: hinted(examples[i], hint, self.template, f"{_PATH}.template")
            for i, hint in hints.items()
        }
        fit = {i: prompt for i, prompt in asked.items() if sampler.fits(prompt)}
        answers = self.rollouts or of_some(size, fit)
        found = sampler.sample(list(fit.values()), answers) if fit else []
        guided = dict(zip(fit, found, strict=True))
        for i, rows in guided.items():
            self._take_out_hint(rows, examples[i], sampler)
        counts = self._counts(plain, guided, failed, hints)
        if isinstance(state, FirstVisits):
            state.compare(examples, plain, counts)
        made = [group for i, own in enumerate(plain) for group in self._grouped(own, guided.get(i))]
        return Groups(made, counts)

    def _hint(self, example: Example, sampler: Sampler) -> str:
        """Return the example's hint, empty where it has none."""
        given = example.columns.get("hint")
        if given or self.fallback_ratio is None:
            return str(given or "")
        return beginning(sampler.text(example) or "", self.fallback_ratio, "chars", sampler)

    def _take_out_hint(self, rows: Sequence[Row], example: Example, sampler: Sampler) -> None:
        """Have rows that saw a hint trained without it."""
        for row in rows:
            row.prompt = sampler.context(example)
            row.example = example
            if self.denominator_context == "none":
                row.sampled_prompt = row.prompt

    def _grouped(self, plain: list[Row], guided: list[Row] | None) -> list[list[Row]]:
        if guided is None:
            return [plain]
        return {"union": [plain + guided], "replace": [guided], "separate": [plain, guided]}[
            self.group
        ]

    def _counts(
        self,
        plain: Sequence[list[Row]],
        guided: dict[int, list[Row]],
        failed: Sequence[int],
        hints: dict[int, str],
    ) -> Counts:
        """Return what the log averages of one batch of prompts."""
        before = [row for group in plain for row in group]
        after = [row for rows in guided.values() for row in rows]
        quoting = sum(_quotes(row, hints[i]) for i, rows in guided.items() for row in rows)
        counts: Counts = {}
        add(counts, "guidance/triggered", len(failed), len(plain))
        add(counts, "guidance/without_hint", len(failed) - len(hints), len(failed))
        add(counts, "guidance/without_room", len(hints) - len(guided), len(hints))
        add(counts, "guidance/correct_plain", correct(before), len(before))
        add(counts, "guidance/correct_guided", correct(after), len(after))
        add(counts, "guidance/guided_rows", len(after), len(before) + len(after))
        add(counts, "guidance/quoting", quoting, len(after))
        return counts


def _quotes(row: Row, hint: str) -> bool:
    """Return whether an answer repeats the hint, apart from case and spacing."""
    said, given = (" ".join(text.split()).casefold() for text in (row.text, hint))
    return bool(given) and given in said
