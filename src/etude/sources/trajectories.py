"""Conversations in files, as one row for each turn of the assistant."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import Need, component, option
from etude.sources.columns import MappedRows
from etude.sources.dataset import Dataset
from etude.sources.interface import Rows
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

    columns: dict[str, str | None] = option(
        {"messages": "messages|conversations"},
        "name recipes use → column in the file (a|b: the first that is there; a.b.0: inside its"
        " values), null: none",
    )
    reply_as: str = option("tool", "role that replies of tools have for the chat template")
    turn_as: str = option(
        "solution", "the column of a turn's text: solution | critique", choices=KINDS
    )

    def shaped(self, mapped: MappedRows, key: str) -> Rows:
        """Return the assistant's turns of conversations, in file order."""
        return TurnRows(mapped, key, self.reply_as, self.turn_as)
