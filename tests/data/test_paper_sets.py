"""The sets that papers were trained on, read from small copies of the same form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from test_data_presets import mix, source

from etude.rows import Candidate, Outcome
from etude.verifier.math import Math

SYSTEM = 'Reason first.\n"<think>\n {thoughts} </think>\n", then \\boxed{}.'


def reasoned(file: Path) -> str:
    """Write rows in the form of OpenR1-Math-46k; the first problem is one of MATH-500, too."""
    rows: list[dict[str, Any]] = []
    for n in range(4):
        answer = f"<think>\nIs it {n + 9}? No.\n</think>\nIt is \\boxed{{{n + 1}}}."
        rows.append(
            {
                "data_source": "openr1",
                "prompt": [
                    {"role": "system", "content": SYSTEM},
                    {"role": "user", "content": f"What is {n} + 1?"},
                ],
                "target": [{"role": "assistant", "content": answer}],
                "ability": "math",
                "reward_model": {"ground_truth": str(n + 1), "style": "rule"},
                "extra_info": {"index": -1, "split": "default"},
            }
        )
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def math(file: Path) -> str:
    """Write rows in the form of MATH-500 and of the rest of MATH."""
    rows = [
        {
            "problem": problem,
            "solution": "Add.",
            "answer": "1",
            "subject": "Algebra",
            "level": 2,
            "unique_id": f"{split}/algebra/{number}.json",
        }
        for number, (problem, split) in enumerate(
            [("What is 0 + 1?", "test"), ("What is 5 - 4?", "train"), ("What is 2 / 2?", "test")]
        )
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def test_the_reasoning_and_the_system_prompt_of_openr1_math_46k_are_read(tmp_path: Path) -> None:
    rows = source("openr1_math_46k", path=reasoned(tmp_path / "a.jsonl")).rows("train", 0)
    assert rows[2]["prompt"] == "What is 2 + 1?"
    assert rows[2]["system"] == SYSTEM
    assert (rows[2]["answer"], rows[2]["solution"][:8]) == ("3", "<think>\n")
    judged = Candidate("a", 2, "", rows[2]["solution"], rows[2])
    (verdict,) = Math(after="</think>", thought=True).verdicts([judged])
    assert (verdict.outcome, verdict.parts["thought"]) == (Outcome.CORRECT, 1)


def test_training_and_held_out_problems_have_the_system_prompt_that_asks_for_a_thought(
    tmp_path: Path,
) -> None:
    sources = {
        "openr1_math_46k": source("openr1_math_46k", path=reasoned(tmp_path / "a.jsonl")),
        "math_500": source("math_500", path=math(tmp_path / "b.jsonl")),
    }
    stream = mix("openr1_math_46k").stream(sources, 1)
    assert stream.findings.train == {"openr1_math_46k": 3}  # one of the four is held out
    (system,) = {example.system for example in [*stream.next(3), *stream.held_out()]}
    assert 'format: "<think>\n {thoughts} </think>\n". Each' in system
    assert "answer in \\boxed{} for" in system
    assert system.endswith("mathematical solutions.")


def test_checkpoints_of_critique_fine_tuning_are_chosen_outside_math_500(tmp_path: Path) -> None:
    rows = source("math_validation", path=math(tmp_path / "c.jsonl")).rows("test", 0)
    assert [row["prompt"] for row in rows] == ["What is 0 + 1?", "What is 2 / 2?"]
    assert set(mix("one_shot_cft").held_out) == {"math_validation"}
