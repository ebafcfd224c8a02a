"""Faults as a person reads them: how many, each beside what was typed, and that nothing started."""

from __future__ import annotations

from collections.abc import Sequence

from etude.config.quoting import shortened
from etude.errors import Fault

_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")

#: What was typed stands in a column of at most this width.
_COLUMN = 40


def report(faults: Sequence[Fault]) -> str:
    """Return the whole report of a command that was refused."""
    count = len(faults)
    number = _NUMBERS[count] if count < len(_NUMBERS) else f"{count:,}"
    head = f"{number} thing{'' if count == 1 else 's'} to mend in this command:"
    widths = [len(fault.typed) for fault in faults if fault.typed]
    width = min(_COLUMN, max(widths, default=0))
    lines = [line for fault in faults for line in _lines(fault, width)]
    return "\n".join([head, "", *lines, "", "Nothing was started."])


def _lines(fault: Fault, width: int) -> list[str]:
    first, *rest = fault.message.splitlines()
    if not fault.typed:
        return [f"  {first}", *(f"  {line}" for line in rest)]
    if len(fault.typed) > width:
        return [f"  {shortened(fault.typed)}", *(f"  {' ' * 4}{line}" for line in (first, *rest))]
    pad = " " * (width + 4)
    return [f"  {fault.typed:<{width}}  {first}", *(f"{pad}{line}" for line in rest)]
