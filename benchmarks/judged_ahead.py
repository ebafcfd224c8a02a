"""What a step gains when answers are judged while others are still sampled.

A tiny model answers arithmetic problems at lengths that differ, and a verifier takes a while over
each. The same step is played with answers told of as they end and with all of them judged behind
the last one, in turn; printed are the seconds of each and how much of judging was hidden.

    python benchmarks/judged_ahead.py [--milliseconds 20] [--workers 1] [--times 5]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from etude.config.prepare import prepare
from etude.learner.context import StageContext
from etude.learner.make import make_learner
from etude.rollout.sampler import TransformersEngine

SLOW = '''"""Takes a while over each answer."""

import time


def score(response, *, milliseconds: float = 20.0):
    time.sleep(milliseconds / 1000)
    return {"accuracy": float(len(response) % 2)}
'''


@dataclass(frozen=True)
class Taken:
    """Seconds of one gathering of rows."""

    ahead: float
    behind: float


def main() -> None:
    """Play steps both ways in turn and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--milliseconds", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        slow = Path(folder) / "slow.py"
        slow.write_text(SLOW)
        config = (
            prepare(
                [
                    "recipe=rl",
                    "tracker=none",
                    f"verifier={slow}:score",
                    f"verifier.milliseconds={asked.milliseconds}",
                    "reward_weighting.weights={accuracy:1.0}",
                    "training.prompts_per_step=16",
                    "rollout.max_new_tokens=192",
                    "rollout.stop=[e]",
                    f"execution.verifier_workers={asked.workers}",
                ]
            )
            .runs[0][1][0]
            .config
        )
        stage = make_learner(config, StageContext(config["seed"], Path(folder), {"start": None}))
        rollouts = stage.learner.rollouts
        plan = stage.learner.curriculum.plan(0)

        def seconds(ahead: bool) -> tuple[float, int]:
            TransformersEngine.tells_what_ended = ahead
            began = time.perf_counter()
            gathered = rollouts.gather(0, plan)
            return time.perf_counter() - began, sum(map(len, gathered.groups))

        seconds(True)  # workers start
        found = []
        for _ in range(asked.times):
            (ahead, rows), (behind, _) = seconds(True), seconds(False)
            found.append(Taken(ahead, behind))
        stage.close()
    judging = rows * asked.milliseconds / 1000 / asked.workers
    ahead = statistics.median(each.ahead for each in found)
    behind = statistics.median(each.behind for each in found)
    print(f"{rows} answers, {asked.milliseconds:g} ms each, {asked.workers} workers")
    print(f"judged behind the last one   {behind:6.2f} s, of which judging is {judging:.2f} s")
    print(f"judged as they end           {ahead:6.2f} s, {ahead / behind:.2f} of that")
    print(f"of judging {min(1.0, (behind - ahead) / judging):.0%} is hidden behind sampling")


if __name__ == "__main__":
    main()
