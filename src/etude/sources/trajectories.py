"""Conversations in files, as one row for each turn of the assistant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from etude.component import Need, component, option
from etude.sources.dataset import Dataset
from etude.sources.turns import COLUMNS, TurnRows

#: What a turn may be to those who learn it: the column its text stands in.
KINDS = ("solution", "critique")


@component(
    provides=[
        *(f"column:{name}" for name in COLUMNS),
        *(Need(f"column:{kind}", when=f"turn_as == '{kind}'") for kind in KINDS),
    ]
)
@dataclass(frozen=True)
class Trajectories(Dataset):
    """Conversations from files or the hub, each turn of the assistant a row of its own.

    The column ``messages`` holds a conversation's messages (role and content). A row has the
    messages before its turn, its text as ``answer`` and as ``turn_as`` says, and the reply after
    it; the tools come from a column ``tools`` or from a JSON list in the system message.
    """

    needs_prompt: ClassVar[bool] = False

    columns: dict[str, str] = option(
        {"messages": "messages|conversations"},
        "name recipes use → column in the file (a|b: the first that is there)",
    )
    reply_as: str = option("tool", "role that replies of tools have for the chat template")
    turn_as: str = option(
        "solution", "the column of a turn's text: solution | critique", choices=KINDS
    )

    def rows(  # type: ignore[override]
        self, split: str, seed: int, folder: Path | None = None, key: str = "NAME"
    ) -> TurnRows:
        """Return the assistant's turns of a split, conversations in file order."""
        return TurnRows(super().rows(split, seed, folder, key), key, self.reply_as, self.turn_as)
