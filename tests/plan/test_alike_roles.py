"""A plan counts two roles that load one model once, whatever names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from etude.config.prepare import prepare
from etude.plan.graph import build_graph
from etude.plan.kinds import Kinds
from etude.schema import built_in

BOTH = (
    "stages.rl.objective/regularizer=kl",
    "stages.rl.objective/shaping=kl_penalty",
    "stages.rl.objective.shaping.kl_penalty.role=judge",
    "stages.rl.models.reference=start",
)


@pytest.mark.parametrize(
    ("start", "judge", "copies"),
    [("base", "base", 1), ("sft", "base", 2), ("sft", "sft", 1), ("sft", "sft.model", 1)],
)
def test_roles_of_one_model_are_one_copy_by_whatever_name(
    start: str, judge: str, copies: int, tmp_path: Path
) -> None:
    named = (f"stages.rl.start_from={start}", f"+stages.rl.models.judge={judge}")
    words = ("recipe=sft_then_rl", *BOTH, *named, f"outputs={tmp_path}")
    graph = build_graph(prepare(words).runs)
    rl = next(node for node in graph.stages.values() if node.name == "rl")
    kinds = Kinds(graph, tmp_path, built_in())
    assert (", one copy" in kinds.said(rl)["models"]) == (copies == 1)
    memory = kinds.needs(rl).memory
    assert memory is not None and len(memory.others) == copies


def test_what_starts_elsewhere_is_told_for_itself(tmp_path: Path) -> None:
    """Stages that share every node of their configs differ in what `start` is there."""
    words = ("recipe=sft_then_rl", *BOTH, "+stages.rl.models.judge=base", f"outputs={tmp_path}")
    graph = build_graph(prepare([*words, "stages.rl.start_from=sft,base"], multirun=True).runs)
    kinds = Kinds(graph, tmp_path, built_in())
    told = [kinds.said(node)["models"] for node in graph.stages.values() if node.name == "rl"]
    assert [", one copy" in text for text in told] == [False, True]
