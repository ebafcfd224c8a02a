# proofread.py: the policy answers, another model that is trained says something about the answer
from dataclasses import dataclass

from etude.component import Need, component, option
from etude.rollout.episode.interface import Episode


@component(requires=[Need("model:{reader}")], provides=["writes:{reader}"])
@dataclass(frozen=True)
class Proofread(Episode):
    """The policy answers, and a trained role answers again in view of that."""

    reader: str = option("reader", "the role that reads the answers, which is trained")

    def play(self, examples, sizes, stage):
        rows = stage.sample("policy", stage.contexts)
        asked = [stage.ask(self.reader, row, f"{row.example.prompt}{row.text}") for row in rows]
        read = iter(stage.sample(self.reader, asked))
        own = iter(rows)
        return [[row for _ in range(size) for row in (next(own), next(read))] for size in sizes]
