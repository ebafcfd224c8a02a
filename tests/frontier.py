# frontier.py: what is solved now and then, and every second step problems made a little harder
from dataclasses import dataclass

from etude.component import Need, component, option
from etude.curriculum.interface import Curriculum, StepPlan
from etude.data_mix.draw import Draw
from etude.live import Live
from etude.rows import Outcome


@component(
    requires=[Need("rows:parameters", why="to have harder problems made")],
    provides=["groups:unequal"],
)
@dataclass(frozen=True)
class Frontier(Curriculum):
    """Trains where some answers are right, and makes problems harder as they are solved."""

    part: str = option("arithmetic", "part of data_mix.train that makes them", form="training part")
    digits: float = option(1.2, "digits of the numbers of problems made at first", ge=1)
    goal: float = option(0.5, "share of right answers above which problems become harder", ge=0)
    rise: float = option(0.1, "digits more, each time", gt=0)
    more: int = option(12, "answers to a problem that was never solved", ge=1)

    def open(self, stage):
        return Edge(self, stage.history)


class Edge(Live):
    def __init__(self, config, history):
        self.config = config
        self.history = history  # row id → what is known of it
        self.digits = config.digits

    def plan(self, step):
        part = self.config.part
        if step % 2:
            made = {part: [{"digits": self.digits}]}
            return StepPlan(draw=Draw(weights={part: 1.0}, parameters=made))
        unsolved = [row for row, visits in self.history.items() if visits.correct == 0]
        return StepPlan(
            draw=Draw(pass_rate=(0.0, 0.9)), sizes=dict.fromkeys(unsolved, self.config.more)
        )

    def observe(self, feedback):
        made = [row for row in feedback.rows if "parameters" in row.columns]
        right = sum(row.outcome is Outcome.CORRECT for row in made)
        if made and right > self.config.goal * len(made):
            self.digits = min(self.digits + self.config.rise, 6.0)

    def metrics(self):
        return {"digits": self.digits}

    def state_dict(self):
        return {"digits": self.digits}

    def load_state_dict(self, state):
        self.digits = state["digits"]
