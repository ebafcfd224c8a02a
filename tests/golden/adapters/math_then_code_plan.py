"""Which stage a step belongs to and what it trains: the recipe with a case's steps and limits."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Any

from etude.config.prepare import prepare

METHOD = "math_then_code"
CONFIG = {"kind", "stages"}
INPUTS = {"global_steps"}

#: The stages of the recipe by what they train.
NAMES = {"math": ["at_8k", "at_16k", "at_24k", "at_32k"], "code": ["code_24k", "code_32k"]}
DOMAINS = {"math": "math", "code": "code"}


def run(case: Any) -> None:
    case.config.choose("kind", {"stage_plan": None})
    left = {domain: list(names) for domain, names in NAMES.items()}
    pipeline, overrides = [], []
    for stage in case.config.take("stages"):
        assert set(stage) == {"domain", "max_response_tokens", "steps"}, sorted(stage)
        name = left[stage["domain"]].pop(0)
        pipeline.append(name)
        overrides += [
            f"stages.{name}.training.steps={stage['steps']}",
            f"+stages.{name}.rollout.max_new_tokens={stage['max_response_tokens']}",
        ]
    ((_, stages),) = prepare(
        ["recipe=math_then_code/paper", f"pipeline=[{','.join(pipeline)}]", *overrides]
    ).runs
    assert [stage.name for stage in stages] == pipeline
    ends = list(accumulate(stage.config["training"]["steps"] for stage in stages))
    plan = []
    for step in case.inputs.take("global_steps"):
        at = min(bisect_right(ends, step), len(stages) - 1)
        config = stages[at].config
        plan.append(
            {
                "stage": at,
                "domain": DOMAINS[config["verifier"]["name"]],
                "max_response_tokens": config["rollout"]["max_new_tokens"],
            }
        )
    case.check("plan", plan)
