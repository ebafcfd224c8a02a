"""How long it takes to plan a sweep, and how long Hydra alone would take to compose its members.

    python benchmarks/planning.py                          # 1,000 members of three RL stages
    python benchmarks/planning.py --members 100 --stages 1
    python benchmarks/planning.py --values                 # every member has values of its own

Times are seconds of this process (CPU time, so a loaded machine does not count). "Hydra alone" is
`hydra.compose` twice a member (a job submitted through a launcher is composed by the submitter and
by the job), measured on a few members and multiplied.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from etude.config.installation import installed
from etude.config.prepare import prepare
from etude.plan.describe import describe
from etude.plan.graph import build_graph

T = TypeVar("T")

#: Members that are composed with Hydra alone.
SAMPLE = 20
STAGES = ("short", "middle", "long")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what some work gives and its CPU seconds."""
    began = time.process_time()
    return work(), time.process_time() - began


def sweep(args: argparse.Namespace) -> list[str]:
    """Return the overrides of a sweep of about so many members and so many stages."""
    pipeline = ["sft", *STAGES[: args.stages - 1]] if args.stages > 1 else ["sft"]
    words = ["recipe=length_progressive", f"pipeline=[{','.join(pipeline)}]"]
    if args.values:
        rates = ",".join(f"{1e-4 + number * 1e-7:.7f}" for number in range(args.members // 2))
        return [*words, f"stages.sft.optimizer.lr={rates}", "model.dtype=float32,bfloat16"]
    if args.stages == 1:
        return [*words, f"seed=range(1,{args.members + 1})"]
    return [*words, "objective=grpo,rloo", f"seed=range(1,{args.members // 2 + 1})"]


def hydra_alone(members: list[list[str]]) -> float:
    """Return the CPU seconds in which Hydra's public API composes each member twice."""
    from hydra import compose, initialize_config_dir

    from etude.config.given import parse
    from etude.config.hydra_private import Composer

    here = installed()
    folder = here.primary.parent
    composer = Composer(here)

    def overrides(texts: list[str]) -> list[str]:
        # A stage's keys need not be in a file; Hydra then wants to be told that they may be new.
        found: list[Any] = [parse(text, composer, here) for text in texts]
        return [f"++{each.typed}" if each.stage else each.typed for each in found]

    members = [overrides(texts) for texts in members[:SAMPLE]]
    with initialize_config_dir(str(folder), version_base="1.3"):

        def work() -> None:
            for texts in members:
                for _ in range(2):
                    compose("etude", texts)

        return timed(work)[1] / len(members)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--stages", type=int, default=4, choices=(1, 2, 3, 4))
    parser.add_argument("--values", action="store_true", help="a value of its own for each member")
    args = parser.parse_args()
    here = installed()
    prepared, composing = timed(lambda: prepare(sweep(args), multirun=True))
    with tempfile.TemporaryDirectory() as folder:
        graph, building = timed(lambda: build_graph(prepared.runs, outputs=Path(folder)))
        text, telling = timed(lambda: describe(graph, schema=here.schema, width=100))
    planning = composing + building + telling
    print(text.splitlines()[0], f"({len(graph.evaluations):,} evaluations)")
    print(f"compose and check  {composing:8.2f} s")
    print(f"graph              {building:8.2f} s")
    print(f"describe           {telling:8.2f} s   ({text.count(chr(10)) + 1} lines)")
    print(f"planning           {planning:8.2f} s")
    each = hydra_alone([member.overrides for member, _ in prepared.runs])
    alone = each * len(prepared.runs)
    print(f"Hydra alone        {alone:8.2f} s   ({each:.3f} s a member, from {SAMPLE} of them)")
    print(f"ratio              {planning / alone:8.4f}")


if __name__ == "__main__":
    main()
