# second_opinion.py: a model looks again at the answers that a rule rejects
import math
from dataclasses import dataclass, replace

from etude.component import Need, component, option, slot
from etude.rows import Outcome
from etude.verifier.asked import AskedModel
from etude.verifier.interface import Verifier
from etude.verifier.opened import Judging, OpenedVerifier


@component(requires=[Need("model:{role}", why="to look again")], provides=["part:belief"])
@dataclass(frozen=True)
class SecondOpinion(OpenedVerifier):
    """Has a model look again at the answers that a rule rejects."""

    rule: Verifier = slot("number", "what judges first", group="verifier")
    role: str = option("judge", "the model that looks again")
    question: str = option("{prompt} {response}. Is that right?", "what it is asked")
    trust: float = option(0.9, "in training, an answer believed by this much is right", gt=0)

    def open(self, host):
        return Looking(self, host)


class Looking(Judging):
    def __init__(self, config, host):
        self.config = config
        self.rule = host.open(config.rule)
        self.model = AskedModel(host, config.role)
        self.rows = self.overruled = 0

    def judge(self, candidates):
        verdicts = self.rule.verify(candidates)
        rejected = (Outcome.WRONG, Outcome.NO_ANSWER)
        again = [i for i, verdict in enumerate(verdicts) if verdict.outcome in rejected]
        asked = [
            self.config.question.format(prompt=each.prompt, response=each.response[:2000])
            for each in (candidates[i] for i in again)
        ]
        for i, found in zip(again, self.model.logprobs(asked, ["yes"] * len(asked)), strict=True):
            if found is None:  # longer than the judge can read: the rule has the last word
                continue
            belief = math.exp(sum(found))
            verdict = replace(verdicts[i], parts={**verdicts[i].parts, "belief": belief})
            if belief >= self.config.trust and not candidates[i].evaluation:
                parts = {**verdict.parts, "accuracy": 1.0}
                verdict = replace(verdict, outcome=Outcome.CORRECT, parts=parts)
            verdicts[i] = verdict
        return verdicts

    def observe(self, feedback):
        judged = [row for row in feedback.rows if row.parts]
        self.rows += len(judged)
        self.overruled += sum(
            row.outcome is Outcome.CORRECT and "belief" in row.parts for row in judged
        )

    def metrics(self):
        return {"overruled": self.overruled / max(1, self.rows)}

    def state_dict(self):
        return {"rows": self.rows, "overruled": self.overruled}

    def load_state_dict(self, state):
        self.rows, self.overruled = state["rows"], state["overruled"]
