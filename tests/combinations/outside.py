"""What is drawn beside the choices of etude: a package from outside, and places of own files."""

from __future__ import annotations

import json
from pathlib import Path

from etude import component
from etude.config.installation import Installation, make
from etude.config.plugins import Plugin
from etude.schema import built_in, parse
from outpost_site import NAME

TESTS = Path(__file__).parents[1]
FUNCTIONS = Path(__file__).with_name("plain_functions.py")

#: Group → the places drawn in it.
BY_PATH: dict[str, tuple[str, ...]] = {
    "curriculum": (f"{TESTS}/patience.py:Patience", f"{TESTS}/frontier.py:Frontier"),
    "data_mix/filter": (f"{FUNCTIONS}:short",),
    "evaluation": (f"{TESTS}/measures.py:agreement", f"{TESTS}/measures.py:Calm"),
    "objective/advantage": (f"{FUNCTIONS}:advantages",),
    "objective/filter": (f"{FUNCTIONS}:differing",),
    "objective/policy_loss": (f"{FUNCTIONS}:loss", f"{FUNCTIONS}:near"),
    "objective/sample_weights": (f"{TESTS}/weightings.py:Harder",),
    "objective/selection": (f"{TESTS}/weightings.py:Counted",),
    "reward_weighting": (
        f"{FUNCTIONS}:weighed",
        f"{TESTS}/weightings.py:ByPart",
        f"{TESTS}/weightings.py:Looking",
        f"{TESTS}/balance.py:Balance",
    ),
    "rollout/budget": (f"{TESTS}/second_look.py:SecondLook", f"{FUNCTIONS}:shared"),
    "rollout/episode": (
        f"{TESTS}/once_more.py:again",
        f"{TESTS}/second_thought.py:SecondThought",
        f"{TESTS}/second_thought.py:Critique",
    ),
    "rollout/logits": (f"{TESTS}/two_voices.py:Mixture", f"{TESTS}/two_voices.py:contrast"),
    "verifier": (
        f"{FUNCTIONS}:judged",
        f"{TESTS}/second_opinion.py:SecondOpinion",
        f"{TESTS}/weightings.py:Stepwise",
    ),
}


def installation(site: Path) -> Installation:
    """Return what can be chosen where the package of tests/outside is installed in a folder."""
    folder = site / NAME
    schema = parse(json.loads((folder / "schema.json").read_text()), NAME)
    own = Path(component.__file__).parent
    return make(built_in(), own, [Plugin(NAME, NAME, folder, schema)], None)
