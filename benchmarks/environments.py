"""Episodes a second with an environment in worker processes, against a bare loop over one engine.

    python benchmarks/environments.py
    python benchmarks/environments.py --episodes 256 --workers 2 --hidden 128 --layers 4

Both play guess_number with the same random model, the same prompts and the same draws; the bare
loop calls the environment's object where it stands, without workers, limits or records. Each plays
once to warm up, then in turns with the other; the fastest of each counts, and both have to give the
same tokens.
"""

from __future__ import annotations

import argparse
import time
from types import SimpleNamespace
from typing import Any

import torch

from etude.environment.guess_number import GuessNumber
from etude.environment.opened import Environments, OpenEnvironments
from etude.model.scratch import Scratch
from etude.randomness import seed_of
from etude.rollout.episode.environment import WithEnvironment
from etude.rollout.episode.interface import Context
from etude.rollout.playing import Keys, Playing
from etude.rollout.transformers import Transformers
from etude.rows import Example, Message, Row

LIMIT, TURN, TURNS = 256, 12, 3


def stage_of(policy: Any, engine: Any, environments: Any, count: int) -> Playing:
    """Return a stage that plays ``count`` episodes."""
    players = SimpleNamespace(
        logits=None,
        expects=False,
        environments=environments,
        model=lambda role: policy,
        engine=lambda role: engine,
        learned_at=lambda role: 1.0,
        verify=lambda rows: None,
    )
    examples = [Example(f"s:{k}", "s", f"row {k}", columns={"level": 2}) for k in range(count)]
    contexts = [Context(each, 0, policy.encode_example(each), asked=False) for each in examples]
    numbered = {each.id: 1 for each in examples}
    keys = Keys(1, 0, lambda prompt_id, index: seed_of(prompt_id, index))
    return Playing(players, keys, contexts, numbered, limit=LIMIT, temperature=1.0)


def with_workers(stage: Playing, count: int) -> list[Row]:
    """Play as a stage does."""
    episode = WithEnvironment(turns=TURNS, turn_tokens=TURN)
    return list(episode.play([each.example for each in stage.contexts], [1] * count, stage))


def bare(stage: Playing) -> list[Row]:
    """Play in a loop that calls the objects."""
    made = GuessNumber()
    contexts, things = [], []
    for context in stage.contexts:
        thing = made.make()
        seed = seed_of("environment", context.example.id) % 2**63
        said = thing.reset(seed, level=context.example.columns["level"])
        messages = [Message(each["role"], each["content"]) for each in said]
        contexts.append(stage.converse(context, messages))
        things.append(thing)
    rows = stage.sample("policy", contexts, max_new_tokens=TURN)
    ended: dict[int, Row] = {}
    going = list(enumerate(things))
    for turn in range(1, TURNS + 1):
        kept, told = [], []
        for (place, thing), row in zip(going, rows, strict=True):
            messages, done = thing.step(row.text)
            if done or turn == TURNS:
                ended[place] = row
                continue
            kept.append((place, thing))
            told.append(stage.tell(row, [Message(m["role"], m["content"]) for m in messages]))
        going, rows = kept, stage.sample("policy", told, max_new_tokens=TURN) if told else []
    return [ended[place] for place in range(len(things))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--episodes", type=int, default=128)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    size = {"hidden_size": asked.hidden, "layers": asked.layers, "heads": 4, "kv_heads": 1}
    policy = Scratch(**size, intermediate_size=3 * asked.hidden).create(1, torch.device("cpu"))
    engine = Transformers(max_new_tokens=LIMIT).engine(policy)
    opened = OpenEnvironments(Environments.of(GuessNumber(), None), asked.workers)
    taken: dict[str, list[float]] = {"workers": [], "bare": []}
    waited: list[float] = []
    try:
        for number in range(asked.rounds + 1):
            found = {}
            for name in taken:
                stage = stage_of(policy, engine, opened, asked.episodes)
                began, before = time.perf_counter(), opened.seconds
                rows = with_workers(stage, asked.episodes) if name == "workers" else bare(stage)
                seconds = time.perf_counter() - began
                found[name] = [row.tokens for row in rows]
                if number:
                    taken[name].append(seconds)
                    if name == "workers":
                        waited.append((opened.seconds - before) / seconds)
            assert found["workers"] == found["bare"]
    finally:
        opened.close()
    for name, seconds in taken.items():
        print(f"{name:<8} {asked.episodes / min(seconds):7.1f} episodes a second")
    print(f"share of time in environments {min(waited):.1%}")


if __name__ == "__main__":
    main()
