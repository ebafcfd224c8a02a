"""A curriculum that draws by pass rate and has problems made, and looks at evaluations."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import Need, component, option
from etude.curriculum.interface import Curriculum, StepPlan
from etude.data_mix.draw import Draw
from etude.live import Live


@component(
    group="curriculum",
    name="tide",
    requires=[
        Need("evaluation:main@{every}", why="to see whether problems may become harder"),
        Need("rows:parameters", why="to have harder problems made"),
    ],
)
@dataclass(frozen=True)
class Tide(Curriculum):
    """Draws what is solved now and then, and every second step problems made as hard as fits."""

    part: str = option("arithmetic", "part of data_mix.train that makes them", form="training part")
    high: float = option(0.9, "share of right answers above which a problem rests", ge=0, le=1)
    every: int = option(2, "steps between two looks at held-out problems", ge=1)
    rise: float = option(0.5, "digits more after each look", ge=0)
    after: int = option(0, "steps before anything is planned", ge=0)

    def open(self, stage) -> Tidal:
        """Return what plans the steps."""
        return Tidal(self)


class Tidal(Live):
    """Plans by what was measured."""

    def __init__(self, config: Tide) -> None:
        self.config = config
        self.digits = 1.0
        self.looks = 0

    def plan(self, step: int) -> StepPlan:
        """Return the rows of a step."""
        if step < self.config.after:
            return StepPlan()
        if step % 2 == 0:
            return StepPlan(draw=Draw(pass_rate=(0.0, self.config.high)))
        part = self.config.part
        made = {part: [{"digits": self.digits}]}
        return StepPlan(draw=Draw(weights={part: 1.0}, parameters=made))

    def observe(self, feedback) -> None:
        """Have harder problems made after each look."""
        if feedback.evaluations.get("main") is not None:
            self.looks += 1
            self.digits = min(self.digits + self.config.rise, 4.0)

    def metrics(self) -> dict[str, float]:
        """Return how hard problems are made, and how often was looked."""
        return {"digits": self.digits, "looks": self.looks}

    def state_dict(self) -> dict[str, float]:
        """Return both."""
        return self.metrics()

    def load_state_dict(self, state) -> None:
        """Go on from what was saved."""
        self.digits, self.looks = float(state["digits"]), int(state["looks"])
