"""The samples that an evaluation rests on, as records."""

from __future__ import annotations

from typing import Any

from etude.evaluation.interface import Answers
from etude.rows import Outcome


def records(answers: Answers, tries: int) -> list[dict[str, Any]]:
    """Return one record a judged answer, of ``tries`` to each problem."""
    found: list[dict[str, Any]] = []
    for place, (sampled, verdict) in enumerate(zip(answers.sampled, answers.verdicts, strict=True)):
        example = answers.examples[place // tries]
        record: dict[str, Any] = {
            "id": example.id,
            "index": place % tries,
            "prompt": example.prompt,
            "rendered": answers.rendered[place // tries] if answers.rendered else None,
            "response": answers.texts[place],
            "answer": example.columns.get("answer"),
            "outcome": str(verdict.outcome),
            "extracted": verdict.extracted,
            "parts": dict(verdict.parts),
            "stop_reason": str(sampled.stop_reason),
            "length": len(sampled.tokens),
        }
        ended = answers.ended[place] if answers.ended else None
        if ended is not None:
            record["environment"] = ended.record()
            record["turns"] = [{"role": each.role, "text": each.content} for each in ended.said]
        if verdict.detail is not None:
            record["detail"] = verdict.detail
        if verdict.outcome is Outcome.PARTIAL:
            record["share"] = verdict.credit
        if verdict.tokens is not None:
            record["judging_tokens"] = verdict.tokens
        found.append(record)
    return found
