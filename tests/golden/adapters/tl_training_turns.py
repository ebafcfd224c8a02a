"""Turns of conversations, without those whose call failed."""

from __future__ import annotations

from typing import Any

from etude.data_mix.filter.failed_turns import FailedTurns
from etude.sources.turns import Conversations, TurnRows

METHOD = "tl_training"
CONFIG = {"kind", "is_mae"}
INPUTS = {"data"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "adverse_data"
    filters = [FailedTurns()] if case.config.take("is_mae") else []
    conversations = Conversations()
    for entry in case.inputs.take("data"):
        assert set(entry) == {"id", "conversations"}
        conversations.append({"id": entry["id"], "messages": entry["conversations"]})
    said = [each["role"] for row in conversations for each in row["messages"]]
    # A source without a single turn of the assistant is refused; here it has no turns to keep.
    rows = list(TurnRows(conversations, "case")) if "assistant" in said else []
    for chosen in filters:
        columns = {name: [row[name] for row in rows] for name in chosen.columns()}
        kept = chosen.choose(columns).kept
        rows = [row for row, keep in zip(rows, kept, strict=True) if keep]
    found = [f"Turn {row['turn']}: {row['id'].rpartition('/')[0]}" for row in rows]
    expected = case.expected.take("kept_turns")
    assert found == expected, f"{case.name}: {found} instead of {expected}"
