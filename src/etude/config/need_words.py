"""What components require, as a person says it."""

from __future__ import annotations

_SAID = {
    "column": "the data column '{}'",
    "model": "the model '{}'",
    "row": "the row field '{}'",
    "part": "the verifier's part '{}'",
    "statistic": "the token statistic '{}'",
    "learner": "a {} stage",
    "component": "{}",
    "engine": "an engine that shows {}",
    "loss": "a policy loss that is {}",
    "groups": "{} groups",
    "answers": "{} answers to each prompt",
    "evaluation": "the evaluation {}",
    "rows": "rows made from {}",
    "advantage": "advantages that are the reward {}",
    "plays": "an episode of {}",
    "environment": "an environment",
    "divergence": "the logged divergence from the model '{}'",
}


def said(what: str) -> str:
    """Return a requirement in words."""
    kind, _, name = what.partition(":")
    if kind == "evaluation":
        name, _, every = name.partition("@")
        often = "" if every in ("", "start") else f" every {every} steps"
        name += " after every step" if every == "1" else often
    return (
        _SAID.get(kind, "{}").format(
            name.replace("_", " ") if kind in ("groups", "loss", "advantage") else name
        )
        or what
    )
