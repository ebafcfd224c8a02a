"""Numbers that are none, and numbers whose size makes no sense: each key refuses them by name."""

from __future__ import annotations

import pytest
from inputs import Hostile, check, sampled

from warm_commands import Place


def number(word: str, *says: str, command: str = "train") -> Hostile:
    """Return one override that a key must refuse with its own name; words may stand around it."""
    program, *before = command.split()
    words = word.split(" ")
    key = next(
        each for each in words if each not in ("-m", "launcher=slurm", "launcher=local_pool")
    )
    said = (key.partition("=")[0], *says)
    return Hostile(f"{command} {word[:60]}", [*before, *words], said, command=program)


FINITE = "finite number"

NUMBERS = [
    number("training.gradient_clip=inf", FINITE, "null means none"),
    number("optimizer.lr=inf", FINITE),
    number("optimizer.lr=nan"),
    number("optimizer.lr=1e400", FINITE),
    number("optimizer.lr=1e9", "at most 100"),
    number("optimizer.weight_decay=-inf", FINITE),
    number("stages.rl.training.steps=1e12", "at most 100,000,000"),
    number("stages.rl.training.steps=" + "9" * 5000, "too many digits"),
    number("stages.rl.training.steps=inf", "a whole number"),
    number("model.layers=99999999999", "at most 10,000"),
    number("model.hidden_size=1e15", "at most 1,000,000"),
    number("training.rows_per_step=99999999999", "at most"),
    number("training.max_length=1e15", "at most"),
    number("evaluation.problems=1e12", "at most"),
    number("evaluation.samples=99999999999", "at most 100,000"),
    number("evaluation.k=[1,99999999999]", "each number in it is at most 100,000"),
    number("evaluation.k=[0]", "at least 1"),
    number("evaluation.bootstrap=1e12", "at most"),
    number("evaluation.temperature=inf", FINITE),
    number("rollout.temperature=nan", FINITE),
    number("rollout.stop_token_ids=[1e30]", "at most 1,000,000,000"),
    number("execution.threads=1e9", "at most 4,096"),
    number("execution.verifier_workers=99999999999", "at most 4,096"),
    number("execution.hang_minutes=inf", FINITE, "null means none"),
    number("execution.minimum_free_gib=nan", FINITE),
    number("execution.checkpoint_every=1e18", "at most 1,000,000,000"),
    number("seed=1e30", "at most 9,223,372,036,854,775,807"),
    number("seed=-1", "at least 0"),
    number("reward_weighting.weights.accuracy=nan", FINITE),
    number("reward_weighting.weights={accuracy:inf}", FINITE),
    number("sources.arithmetic.train_size=99999999999", "at most 10,000,000"),
    number("sources.arithmetic.levels=99", "at most 9"),
    number("verifier.timeout=inf", FINITE),
    number("verifier.memory=1e15", "at most"),
    number("stages.rl.gate={metric:pass@1,at_least:nan}", FINITE),
    number("stages.rl.repeat={times:1e12}", "at most 10,000"),
    number("stages.rl.resources={nodes:1e9}", "at most 100,000"),
    number("objective.advantage.epsilon=inf", FINITE),
    number("objective.policy_loss.clip_low=nan"),
    number("launcher=slurm launcher.memory_gib=inf", FINITE),
    number("launcher=slurm launcher.in_flight=1e12", "at most"),
    number("launcher=slurm launcher.sbatch={nice:nan}", FINITE),
    number("launcher=slurm launcher.time=99999999:00:00", "more than a year"),
    number("launcher=local_pool launcher.workers=99999999999", "at most"),
    number("optimizer.lr=${seed} seed=1000000000000000000", "at most 100"),
    number("optimizer.lr=inf", FINITE, command="etude plan"),
    number("optimizer.lr=inf", FINITE, command="etude show"),
    number("training.gradient_clip=1e30", "at most", command="etude plan"),
    number("evaluation.problems=inf checkpoint=.", command="evaluate"),
    number("execution.threads=1e12 checkpoint=.", command="evaluate"),
    number("-m seed=range(0,10000000000)", "10,000,000,000 runs"),
    number("-m seed=range(0,inf)", "range without an end"),
    number("-m seed=range(0,5,0)", "range without an end"),
    number("-m seed=shuffle(range(0,1e12))", "runs"),
    number("-m optimizer.lr=1e-4,inf", FINITE),
]


@pytest.mark.parametrize("hostile", sampled(NUMBERS))
def test_a_number_that_makes_no_sense_is_refused_by_name(hostile: Hostile, here: Place) -> None:
    check(hostile, here)
