"""An episode of two turns: answer, be told to check, answer again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etude.component import component, option
from etude.rollout.episode.interface import Episode, EpisodeStage
from etude.rows import POLICY, Example, Row


@component(group="rollout/episode", name="checked")
@dataclass(frozen=True)
class Checked(Episode):
    """Has the policy look at its answer again, as often as there are turns."""

    turns: int = option(2, "answers one after another in a row", ge=1)
    say: str = option("Check.", "what the policy is told between them", form="filled")
    room: int = option(6, "tokens of each answer, where there are several", ge=1)

    def play(
        self, examples: Sequence[Example], sizes: Sequence[int], stage: EpisodeStage
    ) -> Sequence[Row]:
        """Return rows of one answer or several."""
        room = self.room if self.turns > 1 else None
        rows = stage.sample(POLICY, stage.contexts, max_new_tokens=room)
        for _ in range(1, self.turns):
            told = [stage.tell(row, self.say) for row in rows]
            rows = stage.sample(POLICY, told, max_new_tokens=room)
        return rows
