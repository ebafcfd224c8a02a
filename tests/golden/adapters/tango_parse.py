"""What a judge of each step and of the whole says."""

from __future__ import annotations

from typing import Any

from etude.verifier.verdict.each_step import EachStep

METHOD = "tango"
CONFIG = {"kind"}
INPUTS = {"verifier_text"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "parse"
    form, text = EachStep(), case.inputs.take("verifier_text")
    steps = case.inputs.take("n_generator_steps")
    read = form.read(text, steps)
    case.check("step_judgements", [int(right) for right in form.judgements(text)])
    case.check("final", None if read.accepts is None else int(read.accepts))
    case.check("steps_usable", int(bool(read.steps)))
