"""Turns of a conversation whose tool call failed (MAE of TL-Training, arXiv 2412.15495).

A turn is dropped unless it is the conversation's last or the next message is a tool's reply without
a sign of failure. Signs and replies are compared as lower-case letters and digits, so ``"error":``
is the bare word error and a reply with that word anywhere counts as a failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from etude.component import Need, component, option
from etude.data_mix.filter.kind import Filtered, RowFilter, share

#: What a reply to a failed call holds.
MARKERS = (
    "is not defined",
    "positional argument",
    "unexpected keyword",
    "'related_searches'",
    "ConnectionError",
    '"error":',
    "not supported",
    "Invalid API call",
    "Response error",
    "Object of type SerpResults is not JSON serializable",
    "400 Client Error",
    "'error'",
    "slice indices must be integers",
    "connection error",
)

_IGNORED = re.compile(r"[^a-z0-9^\u4e00-\u9fa5]")


def bare(text: str) -> str:
    """Return a text in lower case, of letters, digits, Chinese characters and ^ alone."""
    return _IGNORED.sub("", text.lower())


@component(
    source="arXiv 2412.15495",
    requires=(
        Need("column:reply", why="which shows whether a call failed"),
        Need("column:reply_role", why="to know a tool's reply"),
    ),
)
@dataclass(frozen=True)
class FailedTurns(RowFilter):
    """Drops assistant turns whose tool call failed; they stay in the context of later turns.

    ``reply`` is the message after the turn and ``reply_role`` whose it is, both null after the last
    turn: the columns that sources of conversations give.
    """

    example: ClassVar[str] = (
        "recipe=sft objective=tl_training data_mix=arithmetic_tools verifier=tool_call"
    )

    markers: list[str] = option(list(MARKERS), "signs of failure in a reply")
    reply_roles: list[str] = option(
        ["function", "tool"], "roles of messages that are replies of tools"
    )

    @cached_property
    def _markers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(bare(marker) for marker in self.markers))

    def columns(self) -> tuple[str, ...]:
        """Return the columns the filter reads."""
        return "reply", "reply_role"

    def failed(self, reply: str) -> bool:
        """Return whether a tool's reply shows that the call failed."""
        text = bare(reply)
        return any(marker in text for marker in self._markers)

    def choose(self, rows: Mapping[str, Sequence[Any]]) -> Filtered:
        """Return which turns are trained on."""
        kept = np.array(
            [
                role is None or (role in self.reply_roles and not self.failed(str(reply or "")))
                for role, reply in zip(rows["reply_role"], rows["reply"], strict=True)
            ],
            dtype=bool,
        )
        return Filtered(kept, {"dropped": 1.0 - share(kept)})
