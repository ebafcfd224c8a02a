# second_look.py: a few answers to every prompt, and the rest where some are right and some are not
from dataclasses import dataclass

from etude.component import component, option
from etude.rollout.budget.kind import Budget, BudgetState
from etude.rows import Outcome


@component(provides=["groups:unequal"])
@dataclass(frozen=True)
class SecondLook(Budget):
    """Spends what it saves on prompts whose answers agree on those whose answers differ."""

    first: int = option(4, "answers to every prompt at first", ge=1)

    def open(self, stage):
        return Looking(self)


class Looking(BudgetState):
    def __init__(self, config):
        self.config = config
        self.spent = 0

    def sizes(self, asked):
        return [min(size, self.config.first) for size in asked.sizes]

    def more(self, asked, rows):
        right = [[row.outcome is Outcome.CORRECT for row in group] for group in rows]
        differ = [any(each) and not all(each) for each in right]
        share = asked.left // sum(differ) if any(differ) else 0
        self.spent += share * sum(differ)
        return [share if each else 0 for each in differ]

    def metrics(self):
        return {"spent": self.spent}

    def state_dict(self):
        return {"spent": self.spent}

    def load_state_dict(self, state):
        self.spent = state["spent"]
