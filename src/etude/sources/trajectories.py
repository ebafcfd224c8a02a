"""Conversations in files, as one row for each turn of the assistant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from etude.component import component, option
from etude.sources.dataset import Dataset
from etude.sources.turns import COLUMNS, TurnRows


@component(provides=[f"column:{name}" for name in COLUMNS])
@dataclass(frozen=True)
class Trajectories(Dataset):
    """Conversations from files or the hub, each turn of the assistant a row of its own.

    The column ``messages`` holds a conversation's messages (role and content). A row has the
    messages before its turn, its text as ``solution`` and ``answer``, and the reply after it; the
    tools come from a column ``tools`` or from a JSON list in the system message.
    """

    needs_prompt: ClassVar[bool] = False

    columns: dict[str, str] = option(
        {"messages": "messages|conversations"},
        "name recipes use → column in the file (a|b: the first that is there)",
    )
    reply_as: str = option("tool", "role that replies of tools have for the chat template")

    def rows(  # type: ignore[override]
        self, split: str, seed: int, folder: Path | None = None, key: str = "NAME"
    ) -> TurnRows:
        """Return the assistant's turns of a split, conversations in file order."""
        return TurnRows(super().rows(split, seed, folder, key), key, self.reply_as)
