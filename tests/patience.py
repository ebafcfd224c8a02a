# patience.py: answers may be longer once too many of them are cut off
from dataclasses import dataclass

from etude.component import Need, component, option
from etude.curriculum.interface import Curriculum, StepPlan
from etude.live import Live


@component(requires=[Need("evaluation:main@{every}", why="to see how many answers are cut off")])
@dataclass(frozen=True)
class Patience(Curriculum):
    """Lets answers be longer once too many of those to held-out problems are cut off."""

    every: int = option(20, "steps between two looks", ge=1)
    start: int = option(64, "tokens an answer may have at first", ge=1)
    rise: int = option(32, "tokens more, each time", ge=1)
    most_cut: float = option(0.2, "share of answers that may be cut off", ge=0, le=1)

    def open(self, stage):
        return Patient(self)


class Patient(Live):
    def __init__(self, config):
        self.config = config
        self.limit = config.start
        self.seen = 0

    def plan(self, step):
        return StepPlan(max_new_tokens=self.limit)

    def observe(self, feedback):
        self.seen += len(feedback.rows)
        looked = feedback.evaluations.get("main")
        if looked is not None and looked["truncated"] > self.config.most_cut:
            self.limit += self.config.rise

    def metrics(self):
        return {"limit": self.limit, "seen": self.seen}

    def state_dict(self):
        return {"limit": self.limit, "seen": self.seen}

    def load_state_dict(self, state):
        self.limit, self.seen = state["limit"], state["seen"]
