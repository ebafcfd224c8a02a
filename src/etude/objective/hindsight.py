"""Hindsight relabelling (arXiv 2202.01771): a failed episode is right for what it did reach.

Episodes are sampled as in expert iteration, and those that reach their goal are kept. Of one that
does not, the environment may say what it would have been right for (``goal_of``):

    g' = goal_of(episode)      kept: the turns up to the one by which g' holds, asked for g'

It is played again in the environment with g' in its columns, so that prompt and replies are those
of the new goal, and it is kept only where the verifier then accepts it. Without ``goal_of`` or with
``relabel: false``, this is expert iteration. How often a step explores is its temperature.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.objective.generate import Generate
from etude.objective.generation import Harvest, answers, demonstration, is_correct
from etude.objective.parts import Sampler
from etude.rows import Row


@component(
    source="arXiv 2202.01771",
    requires=[
        Need(
            "plays:environments", when="relabel == True", why="whose episodes say what they reached"
        )
    ],
    provides=["written:solution", "written:turns", "written:reward", "written:relabelled"],
)
@dataclass(frozen=True)
class Hindsight(Generate):
    """Samples episodes, keeps those that succeed, and those that fail for the goal they reached."""

    example: ClassVar[str] = "recipe=rl objective=hindsight environment=guess_number"

    relabel: bool = option(True, "keep failed episodes for what they reached; false: none")
    max_per_goal: int = option(
        8, "most relabelled rows a step keeps of one goal, the shortest first", ge=1
    )
    most_relabelled: float = option(
        0.5, "most relabelled rows of a step, as a share of all it keeps", ge=0, le=1
    )

    def harvest(self, groups: Sequence[Sequence[Row]], sampler: Sampler) -> Harvest:
        """Return what succeeded, and after it what succeeds for another goal."""
        plain = super().harvest(groups, sampler)
        own = [{**row, "relabelled": False} for row in plain.rows]
        if not self.relabel:
            return Harvest(own, plain.accepted)
        failed = [row for group in groups for row in group if not is_correct(row) and _goal(row)]
        again = sampler.replayed(failed, [_goal(row) for row in failed]) if failed else []
        right = [row for row in again if row is not None and is_correct(row)]
        room = _room(len(own), self.most_relabelled)
        kept = self._chosen(right)[:room]
        rows = [
            demonstration(row, sampler, reward=row.reward, relabelled=True)
            | {"id": f"{row.prompt_id}#{row.index}@goal"}
            for row in kept
        ]
        metrics = {
            "rows/with_goal": float(len(failed)),
            "rows/relabelled": float(len(right)),
            "rows/relabelled_kept": float(len(kept)),
            "goals/distinct": float(len({_key(row) for row in right})),
        }
        return Harvest([*own, *rows], plain.accepted + len(kept), metrics)

    def _chosen(self, rows: Sequence[Row]) -> list[Row]:
        """Return the shortest of each goal, no two the same, in the order they were sampled."""
        seen: Counter[str] = Counter()
        known: set[tuple[Any, ...]] = set()
        chosen: set[int] = set()
        for row in sorted(rows, key=lambda row: len(answers(row))):
            goal = _key(row)
            if seen[goal] < self.max_per_goal and (goal, *answers(row)) not in known:
                seen[goal] += 1
                known.add((goal, *answers(row)))
                chosen.add(id(row))
        return [row for row in rows if id(row) in chosen]


def _goal(row: Row) -> Mapping[str, Any]:
    """Return the columns of the goal that an episode reached, none where it reached none."""
    goal = None if row.ended is None else row.ended.goal
    return goal if isinstance(goal, Mapping) else {}


def _key(row: Row) -> str:
    """Return what an episode was asked: what it began with."""
    said = () if row.ended is None else row.ended.said
    return json.dumps([each.content for each in said[:1]])


def _room(own: int, share: float) -> int:
    """Return how many rows are at most so large a share of all, beside so many others."""
    if share >= 1:
        return 10**9
    return int(own * share / (1 - share))
