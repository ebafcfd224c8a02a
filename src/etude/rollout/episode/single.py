"""The plain episode: a prompt, an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etude.component import component
from etude.rollout.episode.interface import Episode, EpisodeStage
from etude.rows import POLICY, Example, Row


@component()
@dataclass(frozen=True)
class Single(Episode):
    """Every row is one answer of the policy to its prompt."""

    def play(
        self, examples: Sequence[Example], sizes: Sequence[int], stage: EpisodeStage
    ) -> Sequence[Row]:
        """Return the answers to each example."""
        return stage.sample(POLICY, stage.contexts, final=True)
