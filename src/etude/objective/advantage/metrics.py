"""Numbers for the log that every group-relative advantage reports."""

from __future__ import annotations

from etude.primitives.groups import GroupStatistics


def group_metrics(statistics: GroupStatistics) -> dict[str, float]:
    """Return the share of groups whose rewards are all equal (they carry no signal)."""
    share = statistics.flat_groups / statistics.groups if statistics.groups else 0.0
    return {"objective/zero_std_groups": share}
