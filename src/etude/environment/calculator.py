"""Arithmetic with a calculator to call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import Need, component, option
from etude.environment.interface import Environment
from etude.tasks import calculator


@component(
    requires=[Need("column:answer", why="to judge the last turn by")],
    provides=["part:accuracy", "part:legal", "part:calls"],
)
@dataclass(frozen=True)
class Calculator(Environment):
    """Work out an arithmetic problem with the tool ``calculate``.

    The prompt is the row's; the answer is the last number of the first turn without a call. Parts:
    ``accuracy``, ``calls`` (the share of calls that gave a value) and ``legal`` (1 where the last
    turn has a number). ``offered=false`` measures what is left without the tool: its calls give
    nothing.
    """

    offered: bool = option(True, "whether calls are answered with values")
    answer_format: str = option(
        "A:{answer}", "how worked conversations state the answer", form="filled"
    )

    def make(self) -> Any:
        """Return a problem for one episode."""
        return calculator.Calculator(self.offered, self.answer_format)
