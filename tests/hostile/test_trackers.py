"""W&B that is out of reach or set up wrongly: the run goes on, and what it logs lies in files."""

from __future__ import annotations

import pytest
from inputs import Hostile, check, sampled

from warm_commands import PROBLEMS, ROLLOUTS, Place, small

KEY = "0123456789abcdef0123456789abcdef01234567"
#: Nobody listens there.
NOWHERE = "http://127.0.0.1:9"


def tracked(name: str, says: list[str], *words: str, **env: str) -> Hostile:
    """Return a very short run that is logged in to W&B, in an environment of its own."""
    typed = ["recipe=sft", "training.steps=1", "evaluation=null", *words]
    typed += small(PROBLEMS, "evaluation", "tracker", "rollout", *ROLLOUTS)
    whole = {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": NOWHERE, "WANDB_MODE": "", "no_proxy": ""}
    return Hostile(
        name, typed, [*says, " sft finished"], code=0, env={**whole, **env}, never=[KEY], seconds=90
    )


OUT_OF_REACH = [
    tracked("nobody listens", ["127.0.0.1:9 cannot be reached", "logged to files"]),
    tracked("no address", ["logged to files"], WANDB_BASE_URL="what is this"),
    tracked("control characters", ["logged to files"], WANDB_BASE_URL="http://\x1b[2J"),
    tracked(
        "a proxy that is gone",
        ["cannot be reached", "logged to files"],
        WANDB_BASE_URL="http://wandb.invalid",
        http_proxy=NOWHERE,
    ),
    tracked("asked for", ["logged to files"], "tracker.mode=online"),
    tracked("no mode", ["logged to files"], WANDB_MODE="sideways"),
]


@pytest.mark.slow
@pytest.mark.parametrize("hostile", sampled(OUT_OF_REACH, sample=1))
def test_a_tracker_out_of_reach_is_said_once_and_the_run_goes_on(
    hostile: Hostile, here: Place
) -> None:
    ended = check(hostile, here)
    assert (ended.out + ended.err).count("logged to files") == 1
    assert list(here.folder.glob("outputs/wandb/offline-run-*/run-*.wandb"))
