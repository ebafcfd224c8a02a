"""Facts that are looked up under their keys, one after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import Need, component, option
from etude.environment.interface import OWN_ROWS, Environment
from etude.tasks import facts


@component(
    requires=[Need(OWN_ROWS, why="to draw people and questions")],
    provides=["part:accuracy", "part:legal", "part:found"],
)
@dataclass(frozen=True)
class Search(Environment):
    """Answer a question about made-up people with the tool ``search``.

    People and facts are drawn for each episode, so no answer can be known by heart. Level n (1 to
    4) takes n look-ups. Parts: ``accuracy``, ``found`` (the share of look-ups that found something)
    and ``legal`` (1 where the last turn has a word).
    """

    prompt_format: str = option(
        "{question}?\n", "the prompt; {question} is put in", form="filled", escapes=True
    )
    answer_format: str = option(
        "A:{answer}", "how worked conversations state the answer", form="filled"
    )

    def make(self) -> Any:
        """Return a question for one episode."""
        return facts.Facts(self.prompt_format, self.answer_format)
