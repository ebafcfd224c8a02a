"""SPARKLE's scores of answer and format, by the verifier that stages reward with."""

from __future__ import annotations

from typing import Any

from etude.rows import Candidate
from etude.verifier.sparkle import Sparkle, opened

METHOD = "sparkle"
CONFIG = {"component", "mode"}
INPUTS = {"items"}

#: Where the prompt of a whole text ends.
_ASSISTANT = "Assistant:"


def run(case: Any) -> None:
    assert case.config.take("component") == "score"
    # The reference guesses from the text whether the prompt has opened the thought.
    verifier = Sparkle(mode=case.config.take("mode"), opened_by="text")
    found = []
    for each in case.inputs.take("items"):
        before, mark, response = each["text"].partition(_ASSISTANT)
        columns = {"answer": each["ground_truth"]}
        prompt = before + mark
        (verdict,) = verifier.verdicts(
            [Candidate("s:1", 0, prompt, response, columns, rendered=prompt)]
        )
        found.append(
            {
                "score": verdict.parts["score"],
                "extracted": verdict.extracted,
                "partial_format": opened(prompt, response),
            }
        )
    case.check("results", found)
