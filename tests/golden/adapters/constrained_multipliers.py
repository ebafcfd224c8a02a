"""Multipliers that move after each update."""

from __future__ import annotations

from typing import Any

from etude.reward_weighting.lagrangian import Lagrangian

METHOD = "constrained_rewards"
CONFIG = {"lr", "momentum"}
INPUTS = {"lambda_raw0", "mean_episode_rewards_per_update"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "lambda_update"
    squash, equality = case.config.take("squash"), case.config.take("equality")
    names = [f"part{k}" for k in range(len(case.inputs.take("lambda_raw0")))]

    def named(values: list[float]) -> dict[str, float]:
        return dict(zip(names, values, strict=True))

    thresholds = named(case.inputs.take("thresholds"))
    weighting = Lagrangian(
        thresholds=thresholds,
        variant=("xi" if equality else "mu") if squash else "plain",
        lr=case.config.take("lr"),
        momentum=case.config.take("momentum"),
        gradient_clip=case.config.take("max_grad_norm"),
    )
    state = {**weighting.start(0), "raw": named(case.inputs.take("lambda_raw0"))}
    updates = []
    for means in map(named, case.inputs.take("mean_episode_rewards_per_update")):
        violations = [means[name] - thresholds[name] for name in names]
        before = weighting.multipliers(state["raw"]).values()
        state = weighting.moved(state, means)
        updates.append(
            {
                "violation": violations,
                "loss": sum(w * v for w, v in zip(before, violations, strict=True)),
                "lambda_raw": list(state["raw"].values()),
                "lambda": list(weighting.multipliers(state["raw"]).values()),
            }
        )
    if not squash:
        # What the reference wrote down as λ is the tensor that is learned, as it is in the end.
        updates = [{**update, "lambda": updates[-1]["lambda"]} for update in updates]
    case.check("updates", updates)
