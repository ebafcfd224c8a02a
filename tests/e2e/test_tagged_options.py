"""Lettered questions are trained on kind by kind, and judged by the letter of the answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from warm_commands import PROBLEMS, ROWS, Place, small

pytestmark = pytest.mark.slow

RECIPE = """# @package _global_
# Lettered questions, one kind of task after the other.
defaults:
  - override /data_mix: tagged_options
  - override /verifier: option
  - /data_mix/filter@stages.objects.data_mix.filter.attribute: attribute
  - /data_mix/filter@stages.spatial.data_mix.filter.attribute: attribute
pipeline: [objects, spatial]
training: {steps: 2}
stages:
  objects: {data_mix: {filter: {attribute: {values: [object]}}}}
  spatial: {data_mix: {filter: {attribute: {values: [spatial]}}}}
"""


def options(folder: Path) -> None:
    """Write lettered questions of three kinds of tasks, with a thought to each."""
    folder.mkdir()
    for split, first in (("train", 2), ("test", 50)):
        rows = []
        for n in range(first, first + 24):
            letter = "AB"[n % 2]
            right, wrong = n + 1, n + 2
            first_two = (right, wrong) if letter == "A" else (wrong, right)
            question = "What is {}+1? A. {} B. {}".format(n, *first_two)
            rows.append(
                {
                    "question": question,
                    "answer": letter,
                    "thought": f"<think>{n}+1={n + 1}</think><answer>{letter}</answer>",
                    "task": ("attribute", "object", "spatial")[n % 3],
                }
            )
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_each_stage_asks_questions_of_its_own_kind(here: Place) -> None:
    options(here.folder / "options")
    (here.folder / "recipes").mkdir()
    (here.folder / "recipes/kinds.yaml").write_text(RECIPE)
    chosen = ["recipe=kinds", "sources.tagged_options.path=options", "model.tokenizer=bytes"]
    ended = here.train(*chosen, "execution.samples=100", *small(PROBLEMS, ROWS))
    assert ended.code == 0, ended.said
    asked = {}
    for stage in ("objects", "spatial"):
        (folder,) = (here.folder / "outputs/stages").glob(f"{stage}-*")
        lines = (folder / "samples.jsonl").read_text().splitlines()
        prompts = [json.loads(line)["prompt"] for line in lines]
        asked[stage] = {int(text.split("What is ")[1].split("+")[0]) % 3 for text in prompts}
    assert asked == {"objects": {1}, "spatial": {2}}
