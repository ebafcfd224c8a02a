"""Which sampled answers a generate stage hands on."""

from __future__ import annotations

from typing import Any

from etude.objective.generate import Generate
from etude.rows import Candidate, Example, Row, StopReason
from etude.verifier.exact import Exact

METHOD = "expert_iteration"
CONFIG = {"kind", "k", "verifier"}
INPUTS = {"docs", "samples"}

VERIFIERS = {
    "exact match of the last \\boxed{}; no box counts as wrong": Exact(
        pattern=r"\\boxed\{([^{}]*)\}"
    ),
}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    assert config.take("kind") == "expert_dataset"
    verifier = config.choose("verifier", VERIFIERS)
    samples = inputs.take("samples")
    objective = Generate(samples_per_prompt=config.take("k"), keep="correct")
    groups = []
    for number, (doc, texts) in enumerate(zip(inputs.take("docs"), samples, strict=True)):
        assert len(texts) == objective.samples_per_prompt
        example = Example(str(number), "golden", doc["question"], columns=doc)
        groups.append([judged(example, i, text, verifier) for i, text in enumerate(texts)])
    harvest = objective.harvest(groups, sampler=None)
    rows = objective.unrepeated(harvest.rows, set())
    case.check("rows", [{"question": r["prompt"], "answer": r["solution"]} for r in rows])


def judged(example: Example, index: int, text: str, verifier: Exact) -> Row:
    candidate = Candidate(
        example.id, index, example.prompt, text, example.columns, StopReason.STOP, len(text)
    )
    return Row(
        example.id, index, (0,), (), [], example, text=text, verdict=verifier.judge(candidate)
    )
