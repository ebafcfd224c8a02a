"""SPARKLE's rows of growing beginnings, by the source that reads them from a file."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from etude.sources.partial_solutions import PartialSolutions

METHOD = "sparkle"
CONFIG = {"component", "target_steps", "first_half"}
INPUTS = {"text"}


def run(case: Any) -> None:
    assert case.config.take("component") == "split"
    row = {"problem": "q", "answer": "1", "solution": case.inputs.take("text")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text(json.dumps(row) + "\n")
        source = PartialSolutions(
            path=str(path),
            splits={"train": path.name},
            chunks=case.config.take("target_steps"),
            first_half=case.config.take("first_half"),
        )
        rows = [*source.rows("train", 0)]
    alone, *shown = (row["opened"] for row in rows)
    assert alone == ""
    assert [row["hint_level"] for row in rows] == [*range(len(rows))]
    prefixes = [each.removeprefix(source.opens).removesuffix(source.between) for each in shown]
    case.check("prefixes", prefixes)
    heads = ["", *(f"{each}{source.between}" for each in prefixes)]
    segments = [each.removeprefix(head) for each, head in zip(prefixes, heads, strict=False)]
    case.check("segments", segments)
