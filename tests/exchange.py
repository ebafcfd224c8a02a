# exchange.py: changes models in time; tests and the page on roles train with it
from dataclasses import dataclass

from etude.component import Need, component, option
from etude.curriculum.interface import Curriculum, CurriculumState, StepPlan


@component(requires=[Need("model:{role}")], provides=["changes:{role}"])
@dataclass(frozen=True)
class Exchange(Curriculum):
    """Changes another model of the stage every few steps: takes over, averages or exchanges it."""

    role: str = option("reference", "the model that changes")
    how: str = option("copy", "what is done to it", choices=("copy", "ema", "swap"))
    every: int = option(2, "steps from one change to the next", ge=1)
    decay: float = option(0.5, "how much of itself an averaged model keeps", ge=0, le=1)
    anew: bool = option(False, "whether the policy's optimizer begins anew with each change")

    def open(self, stage):
        return Exchanging(self, stage)


class Exchanging(CurriculumState):
    def __init__(self, config, stage):
        self.config = config
        self.stage = stage

    def plan(self, step):
        return StepPlan()

    def observe(self, feedback):
        config = self.config
        if (feedback.step + 1) % config.every:
            return
        if config.how == "ema":
            self.stage.ema(config.role, config.decay)
        else:
            getattr(self.stage, config.how)(config.role)
        if config.anew:
            self.stage.reset("policy")
