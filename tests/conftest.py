"""Prints how many golden cases passed, by method."""

from __future__ import annotations

from collections import Counter
from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the number of golden cases that passed and how many there were."""
    counts: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                if name == "golden":
                    counts.setdefault(value, Counter())[outcome] += 1
    for method, counter in sorted(counts.items()):
        terminalreporter.write_line(
            f"golden {method}: {counter['passed']} of {counter.total()} cases passed"
        )
