# second_thought.py: an answer, what another model says of it, another answer, which is judged
from dataclasses import dataclass

from etude.component import Need, component, option
from etude.rollout.episode.interface import Episode


@dataclass(frozen=True)
class SecondThought(Episode):
    """The policy answers, is told something, and answers again."""

    told: str = option("\nAgain: ", "what it is told between its answers")
    first: int = option(12, "most tokens of the first answer", ge=1)

    def play(self, examples, sizes, stage):
        rows = stage.sample("policy", stage.contexts, max_new_tokens=self.first)
        return stage.sample("policy", [stage.tell(row, self.told) for row in rows])


@component(requires=[Need("model:{judge}", why="to say something about a first answer")])
@dataclass(frozen=True)
class Critique(Episode):
    """Another model reads the policy's answer, and the policy answers again in view of that."""

    judge: str = option("judge", "the role of models that reads the first answer")
    first: int = option(8, "most tokens of the first answer", ge=1)
    words: int = option(4, "most tokens of what is said about it", ge=1)

    def play(self, examples, sizes, stage):
        rows = stage.sample("policy", stage.contexts, max_new_tokens=self.first)
        asked = [stage.ask(self.judge, row, f"{row.example.prompt}{row.text}") for row in rows]
        said = stage.sample(self.judge, asked, max_new_tokens=self.words)
        told = [stage.tell(row, reply.text) for row, reply in zip(rows, said, strict=True)]
        return stage.sample("policy", told)
