"""Guide-GRPO: how guided answers are grouped, and which context their ratio is taken from."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import GivenLogprobs, loss_batch, objective, rollout_batch

from etude.objective.advantage.grpo import GroupRelative
from etude.objective.guidance.guide import Guide
from etude.objective.policy_loss.clipped import Clipped
from etude.rows import Example, Row
from given_answers import GivenAnswers, answer, tokens_of

METHOD = "guide"
CONFIG = {"group", "denominator_context"}
INPUTS = {"unguided", "guided"}

CONTEXTS = {"importance": "hinted", "none": "none"}
HINTED, PLAIN = tokens_of("?!"), tokens_of("?")


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    assert config.take("kind") == "guide_grpo"
    assert config.take("aggregation") == "token mean over the rows used"
    given = {"unguided": inputs.take("unguided"), "guided": inputs.take("guided")}
    example = Example(id="a", source="given", prompt="?", columns={"hint": "!"})

    def answers(asked: Example, visit: int) -> list[Row]:
        kind = ("unguided", "guided")[visit]
        assert asked.prompt == ("?", "?!")[visit]
        rows = [answer(asked, i, accuracy=r) for i, r in enumerate(given[kind]["rewards"])]
        for row in rows:
            row.extras = {"kind": kind}
        return rows

    guidance = Guide(
        rollouts=len(given["guided"]["rewards"]),
        failure_threshold=config.take("failure_threshold"),
        group=config.choose("group", {name: name for name in ("union", "replace", "separate")}),
        denominator_context=config.choose("denominator_context", CONTEXTS),
        template="{prompt}{hint}",
    )
    sampler = GivenAnswers(answers)
    made = guidance.groups(
        [example], len(given["unguided"]["rewards"]), sampler, guidance.make_state()
    ).rows
    case.check("triggered", sampler.visits["a"] > 1)

    rows = [row for group in made for row in group]
    assert all(row.prompt == PLAIN for row in rows)
    places = [(row.extras["kind"], row.index) for row in rows]
    # The old log-probs are those in the context that a row says it was sampled in.
    keys = {
        ("unguided", PLAIN): "old_logprobs",
        ("guided", HINTED): "old_logprobs_with_hint",
        ("guided", PLAIN): "old_logprobs_without_hint",
    }
    old_keys = [keys[row.extras["kind"], row.sampled_prompt] for row in rows]

    def stacked(names: list[str]) -> torch.Tensor:
        lines = [given[kind][name][i] for (kind, i), name in zip(places, names, strict=True)]
        return torch.tensor(lines, dtype=torch.float64)

    of_kind = {"unguided": "logprobs", "guided": "logprobs_without_hint"}
    logprobs = stacked([of_kind[kind] for kind, _ in places]).requires_grad_()
    mask = stacked(["mask"] * len(rows))
    chosen = objective(
        advantage=GroupRelative(
            scale="group" if config.take("scale_by_std") else "none",
            epsilon=config.take("std_epsilon", 0.0),
        ),
        policy_loss=Clipped(clip_low=config.values["epsilon"], clip_high=config.take("epsilon")),
    )
    groups = torch.tensor([g for g, group in enumerate(made) for _ in group])
    rewards = torch.tensor([given[kind]["rewards"][i] for kind, i in places], dtype=torch.float64)
    estimate = chosen.estimate(rollout_batch(mask, rewards=rewards, groups=groups))
    batch = loss_batch(mask, stacked(old_keys), estimate.advantages)
    result = chosen.loss(batch, GivenLogprobs(logprobs))
    result.total.backward()
    case.check("loss", result.total)
    for kind, numbers in given.items():
        # A row that is not trained on has neither advantage nor gradient.
        advantages, gradient = torch.zeros(len(numbers["rewards"])).double(), []
        gradient = torch.zeros(len(numbers["rewards"]), mask.shape[1]).double()
        for row, (of, i) in enumerate(places):
            if of == kind:
                # Every row has at least one token, and its advantage stands on each of them.
                advantages[i] = estimate.advantages[row, 0]
                gradient[i] = logprobs.grad[row]
        case.check(f"advantages_{kind}", advantages)
        case.check(f"grad_{kind}", gradient)
    for numbers in given.values():
        assert set(numbers) <= {"rewards", "mask", *of_kind.values(), *keys.values()}
