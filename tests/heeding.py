"""A curriculum by path for tests: it asks for a named evaluation, and its limit follows it."""

from dataclasses import dataclass

from etude.component import Need, component, option
from etude.curriculum.interface import Curriculum, StepPlan
from etude.live import Live


@component(requires=[Need("evaluation:calm@{every}", why="to see how calm it is")])
@dataclass(frozen=True)
class Heed(Curriculum):
    """Lets answers be a token longer each time it hears of the evaluation calm."""

    every: int = option(2, "steps between two looks", ge=1)
    start: int = option(4, "tokens an answer may have at first", ge=1)

    def open(self, stage):
        return Heeding(self)


class Heeding(Live):
    def __init__(self, config):
        self.limit, self.largest, self.longer = config.start, 0.0, 0.0

    def plan(self, step):
        return StepPlan(max_new_tokens=self.limit)

    def observe(self, feedback):
        heard = feedback.evaluations.get("calm")
        if heard is not None:
            self.limit += 1
            self.largest, self.longer = heard["largest"], heard["longer"]

    def metrics(self):
        return {"limit": self.limit, "largest": self.largest, "longer": self.longer}

    def state_dict(self):
        return dict(self.metrics())

    def load_state_dict(self, state):
        self.limit, self.largest, self.longer = state["limit"], state["largest"], state["longer"]
