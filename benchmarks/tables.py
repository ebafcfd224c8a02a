"""Tables of runs with several seeds: means, intervals of Student's t, differences, pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import mean, stdev

from etude.statistics.student import quantile


def half_width(values: Sequence[float], level: float = 0.95) -> float:
    """Return half the width of the interval of a mean; 0 of a single value, which has none."""
    if len(values) < 2:
        return 0.0
    return quantile(0.5 + level / 2, len(values) - 1) * stdev(values) / sqrt(len(values))


def told(values: Sequence[float], sign: str = "") -> str:
    """Return a mean and half the width of its interval."""
    middle = mean(values)
    form = ",.0f" if abs(middle) >= 1000 else ".1f" if abs(middle) >= 1.5 else ".3f"
    spread = f" ± {half_width(values):{form}}" if len(values) > 1 else ""
    return f"{middle:{sign}{form}}{spread}"


def table(
    columns: Mapping[str, Sequence[Sequence[float]]],
    rows: Sequence[str],
    compared: Sequence[str] = (),
) -> str:
    """Return means with their intervals, and what each row differs by from the first."""
    lines = [f"| | {' | '.join(columns)} |", f"|{' --- |' * (len(columns) + 1)}"]
    for place, row in enumerate(rows):
        lines.append(
            f"| {row} | {' | '.join(told(values[place]) for values in columns.values())} |"
        )
    for place, row in enumerate(rows[1:], 1):
        if compared:
            cells = [
                told([a - b for a, b in zip(values[place], values[0], strict=True)], "+")
                if name in compared
                else ""
                for name, values in columns.items()
            ]
            lines.append(f"| {row} − {rows[0]} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def between(page: str, name: str, text: str) -> str:
    """Return a page with a text in the place of what stands between its two marks of a name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"there is no {begin.strip()} … {end.strip()} in the page")
    return f"{before}{begin}\n{text}\n{end}{after}"
