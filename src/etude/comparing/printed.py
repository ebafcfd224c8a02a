"""A comparison as a person reads it, and as JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from etude.comparing.comparison import (
    THRESHOLDS,
    ArmResult,
    Comparison,
    Group,
    Measured,
    Versus,
)
from etude.plan.quantities import counted, duration

#: Arms whose groups of problems are shown; of more, JSON and CSV have them.
MOST_GROUPED = 8

#: Comparisons that get a sentence each where the table is to be short.
MOST_SAID = 4

#: Columns that a narrow terminal does without, the first first.
_GIVE_WAY = ("IQM", "chance to beat", "time", "before")

_GOOD = ("pass@", "avg@", "maj@")
_COLUMNS = (
    "kind", "arm", "against", "by", "group", "seeds", "problems",
    "value", "low", "high", "p", "p_holm", "detectable", "clear", "chance",
)  # fmt: skip


def lines(found: Comparison, *, short: bool = False, width: int | None = None) -> Iterator[str]:
    """Yield the table, a sentence for each comparison, the groups of problems, and what is unfair.

    ``short`` leaves out the groups, and says one sentence of many comparisons. ``width`` is that of
    the terminal.
    """
    yield headline(found)
    yield from _aligned(table(found, width))
    yield ""
    if short and len(found.versus) > MOST_SAID:
        yield f" {verdict(found)}"
    else:
        yield from (f" {sentence(each, found.metric)}" for each in found.versus)
    if not short and len(found.arms) <= MOST_GROUPED:
        yield from _grouped(found)
    yield from (f" not fair: {reason}" for reason in found.unfair)
    yield from (f" note: {note}" for note in found.notes)


def headline(found: Comparison) -> str:
    """Return what is compared: the metric, on how many problems, with which arm."""
    corrected = f", p corrected for {len(found.versus)} comparisons"
    return (
        f"{found.metric} on {counted(found.problems, 'problem')}, intervals of 95 %; differences "
        f"from {found.against}" + (corrected if len(found.versus) > 1 else "")
    )


def sentence(one: Versus, metric: str) -> str:
    """Return what a comparison proves: that one is better, or what difference it could have seen.

    Of a difference that is not more than noise it says how large one would have been seen.
    """
    effect = one.effect
    low, high = effect.interval()
    if effect.error == 0.0 and effect.value == 0.0:
        return f"{one.arm} and {one.against}: not one of {effect.problems} problems came out apart."
    if one.clear:
        word = (
            ("better" if effect.value > 0 else "worse")
            if metric.startswith(_GOOD)
            else ("higher" if effect.value > 0 else "lower")
        )
        return (
            f"{one.arm} is {word} than {one.against} by {abs(effect.value):.3g} "
            f"(p {_p(one.p_holm)}; {one.better} problems up, {one.worse} down)."
        )
    corrected = ""
    if low > 0 or high < 0:
        corrected = ", once several comparisons are corrected for"
    return (
        f"{one.arm} and {one.against}: no difference seen{corrected} (p {_p(one.p_holm)}); one of "
        f"{one.detectable:.2g} or more would have been seen with a chance of 80 %."
    )


def verdict(found: Comparison) -> str:
    """Return in a sentence which arms differ from the one that all are compared with."""
    clear = [each.arm for each in found.versus if each.clear]
    if clear:
        return f"more than noise from {found.against}: {', '.join(clear)}."
    least = min(each.detectable for each in found.versus)
    return (
        f"no difference from {found.against} is more than noise; one of {least:.2g} or more would "
        "have been seen with a chance of 80 %."
    )


def table(found: Comparison, width: int | None = None) -> list[list[str]]:
    """Return a row for each arm, below one of the columns' names.

    What is least needed gives way to a narrow ``width``.
    """
    versus = {each.arm: each for each in found.versus}
    arms = found.arms
    moved = [_moved(versus.get(arm.label)) for arm in arms]
    columns = {
        "": [arm.label for arm in arms],
        "models": [str(arm.seeds) for arm in arms],
        "before": ["" if arm.before is None else _plain(arm.before) for arm in arms],
        found.metric: [_with_interval(arm.mean) for arm in arms],
        "difference": [difference for difference, _ in moved],
        "p": [p for _, p in moved],
        "IQM": ["" if arm.iqm is None else _with_interval(arm.iqm) for arm in arms],
        "chance to beat": [_chance(versus.get(arm.label)) for arm in arms],
        "time": ["" if arm.seconds is None else duration(arm.seconds) for arm in arms],
        "at": [_at(arm) for arm in arms],
    }
    if any(columns["at"]):
        del columns["time"]
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    for name in _GIVE_WAY:
        needed = sum(max(map(len, (head, *cells))) + 3 for head, cells in columns.items())
        if width is not None and needed > width:
            columns.pop(name, None)
    return [list(columns), *map(list, zip(*columns.values(), strict=True))]


def _moved(own: Versus | None) -> tuple[str, str]:
    """Return the difference and its p as cells; those of the arm that all are compared with."""
    if own is None:
        return "–", ""
    whole = _with_interval(_whole(own), sign=True)
    return whole, _p(own.p_holm) + (" *" if own.clear else "")


def _chance(own: Versus | None) -> str:
    return "" if own is None or own.chance is None else f"{own.chance:.2f}"


def _plain(value: float) -> str:
    return _with_interval(Measured(value))


def _at(arm: ArmResult) -> str:
    if arm.at is None:
        return ""
    least, most = arm.at
    return f"{least:,.0f}" if least == most else f"{least:,.0f}–{most:,.0f}"


def _grouped(found: Comparison) -> Iterator[str]:
    for said, rows in groups(found):
        yield f" {said}"
        yield from _aligned(rows)
        yield ""


def groups(found: Comparison) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield a title and rows for each way in which problems are grouped: difficulty, source."""
    for by in ("difficulty", "source"):
        names = dict.fromkeys(
            (group.name, group.problems)
            for each in found.versus
            for group in each.groups
            if group.by == by
        )
        if len(names) < 2:
            continue
        said = "by source"
        if by == "difficulty":
            said = f"by difficulty (pass rate of {found.difficulty})"
        rows = [["", *(f"{name} ({problems})" for name, problems in names)]]
        for each in found.versus:
            own = {group.name: group for group in each.groups if group.by == by}
            cells = [_with_interval(own[name].difference, sign=True) for name, _ in names]
            rows.append([each.arm, *cells])
        yield said, rows


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield (" " + "   ".join(cells)).rstrip()


def _with_interval(measured: Measured, *, sign: bool = False) -> str:
    form = _form(measured, "+" if sign else "")
    value = format(measured.value, form)
    if measured.low is None or measured.high is None:
        return value
    return f"{value} [{format(measured.low, form)}, {format(measured.high, form)}]"


def _form(measured: Measured, sign: str) -> str:
    """Return a format with as many digits as the size of the number asks for."""
    ends = (measured.value, measured.low or 0.0, measured.high or 0.0)
    return f"{sign}.1f" if max(map(abs, ends)) >= 10 else f"{sign}.3f"


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def as_json(found: Comparison) -> dict[str, Any]:
    """Return all of a comparison, for programs."""
    return {
        "metric": found.metric,
        "against": found.against,
        "problems": found.problems,
        "level": 0.95,
        "arms": [
            {
                "arm": arm.label,
                "seeds": arm.seeds,
                **_numbers(arm.mean),
                "iqm": None if arm.iqm is None else _numbers(arm.iqm),
                "profile": list(arm.profile),
                "measurements": list(arm.measurements),
                "before": arm.before,
                "seconds_of_stage": arm.seconds,
                "at": None if arm.at is None else list(arm.at),
            }
            for arm in found.arms
        ],
        "comparisons": [
            {
                "arm": each.arm,
                "against": each.against,
                **_numbers(_whole(each)),
                "p": each.effect.p,
                "p_holm": each.p_holm,
                "clear": each.clear,
                "detectable": each.detectable,
                "df": each.effect.df,
                "seeds": each.effect.seeds,
                "matched": each.matched,
                "better": each.better,
                "worse": each.worse,
                "chance": each.chance,
                "says": sentence(each, found.metric),
                "groups": [
                    {"by": g.by, "name": g.name, "problems": g.problems, **_numbers(g.difference)}
                    for g in each.groups
                ],
            }
            for each in found.versus
        ],
        "thresholds": list(THRESHOLDS),
        "difficulty": found.difficulty,
        "unfair": list(found.unfair),
        "notes": list(found.notes),
    }


def _whole(one: Versus) -> Measured:
    return Measured(one.effect.value, *one.effect.interval())


def _numbers(measured: Measured) -> dict[str, float | None]:
    return {"value": measured.value, "low": measured.low, "high": measured.high}


def as_csv(found: Comparison) -> str:
    """Return a row for each arm, each comparison and each group of problems of one."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for arm in found.arms:
        writer.writerow(
            {"kind": "arm", "arm": arm.label, "seeds": arm.seeds, "problems": found.problems}
            | _numbers(arm.mean)
        )
    for each in found.versus:
        own = {"arm": each.arm, "against": each.against, "seeds": each.effect.seeds}
        tested = {
            "p": each.effect.p,
            "p_holm": each.p_holm,
            "detectable": each.detectable,
            "clear": str(each.clear).lower(),
            "chance": "" if each.chance is None else each.chance,
        }
        writer.writerow(
            {"kind": "comparison", "problems": found.problems, **own, **tested}
            | _numbers(_whole(each))
        )
        for group in each.groups:
            writer.writerow({"kind": "group", **own, **_row(group)})
    return text.getvalue()


def _row(group: Group) -> dict[str, Any]:
    about = {"by": group.by, "group": group.name, "problems": group.problems}
    return {**about, **_numbers(group.difference)}
