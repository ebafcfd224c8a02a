"""How a drawn command ends: trained, refused before anything started, or failed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from drawing import Combination

from warm_commands import Ended

TRAINED, REFUSED, FAILED = "trained", "refused", "failed"

#: The head and the foot of a report of faults; between them each fault says where and what to type.
_REPORT = re.compile(
    r"^\w+ things? to mend in this command:\n\n  \S.*\n\nNothing was started\.", re.S
)


def outcome(ended: Ended, folder: Path) -> str:
    """Return how a command ended; whatever is neither of the two that may be is a failure."""
    begun = list((folder / "outputs/stages").glob("*/attempts/*"))
    if ended.code == 0 and begun and all((p.parents[1] / "DONE.json").is_file() for p in begun):
        return TRAINED
    if ended.code == 2 and not begun and _REPORT.search(ended.err):
        return REFUSED
    return FAILED


def table(found: Iterable[tuple[str, list[tuple[str, str]]]]) -> list[str]:
    """Return the shares of each outcome by group, a group counted where something of it was drawn.

    ``found`` are outcomes with what was drawn, (group, choice).
    """
    shares: dict[str, Counter[str]] = {}
    choices: dict[str, set[str]] = {}
    for ended, chosen in found:
        for group in sorted({"all", *(group for group, _ in chosen)}):
            shares.setdefault(group, Counter())[ended] += 1
        for group, choice in chosen:
            choices.setdefault(group, set()).add(choice)
    lines = [f"{'drawn of':28} choices  drawn  trained  refused  failed"]
    for group, counts in sorted(shares.items()):
        drawn = counts.total()
        lines.append(
            f"{group:28} {len(choices.get(group, ())) or '':7}  {drawn:5}"
            + "".join(f"  {counts[each] / drawn:7.0%}" for each in (TRAINED, REFUSED))
            + f"  {counts[FAILED]:6}"
        )
    return lines


def told(combination: Combination, ended: Ended) -> str:
    """Return what someone needs to see a failure again."""
    typed = " ".join(f"'{word}'" for word in combination.command)
    return f"combination {combination.number}: train {typed}\n{ended.said}"
