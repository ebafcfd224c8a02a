"""Everything that a report shows, found and drawn, in the order of its page."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import etude
from etude.errors import EtudeError
from etude.plan.quantities import counted
from etude.recorded.run import Run
from etude.report import curves, drawing, reading, recipe, tables, trouble
from etude.report.charts import Line, Sheet, shown
from etude.report.coverage import Coverage, coverage, crossing
from etude.report.curves import StageCurves
from etude.report.gather import Gathered
from etude.schema import load

#: Bytes of an evaluation's samples up to which its coverage is drawn.
_LARGEST = 128 << 20

#: Members whose coverage is drawn, one chart each.
_MOST = 12


@dataclass(frozen=True)
class Drawn:
    """A chart on the page: its SVG by axis, and what tells its curves apart."""

    title: str
    pictures: Mapping[str, Any]
    keys: Sequence[tuple[int, str, str]] = ()
    says: str = ""


def contents(gathered: Gathered) -> dict[str, Any]:
    """Return what the page is rendered of. Raises ImportError without the library that draws."""
    rows, total = tables.cost(gathered)
    with Sheet() as sheet:
        return {
            "title": " · ".join(run.name for run in gathered.runs),
            "made": time.strftime("%Y-%m-%d %H:%M:%S %z"),
            "version": etude.__version__,
            "runs": [_about(gathered, run) for run in gathered.runs],
            "running": any(run.state == "running" for run in gathered.runs),
            "members": gathered.entrants if gathered.compares else [],
            "compared": _compared(gathered) if gathered.compares else None,
            "standings": tables.standings(gathered) if gathered.compares else [],
            "stages": tables.stages(gathered),
            "recipes": _recipes(gathered),
            "curves": [_drawn(curves.of_stage(gathered, name), sheet) for name in gathered.names],
            "coverage": _coverage(gathered, sheet),
            "outcomes": tables.outcomes(gathered),
            "slow": trouble.slow_steps(gathered),
            "shelves": reading.shelves(gathered),
            "failures": trouble.failures(gathered),
            "said": trouble.said(gathered),
            "resumed": trouble.resumed(gathered),
            "cost": rows,
            "total": total,
        }


def _state(gathered: Gathered, run: Run) -> str:
    """Return how far a run is that no process saw as a whole: one on a cluster."""
    keys = {stage.fingerprint for member in run.members for stage in member.stages}
    stages = [gathered.outputs.stage(key) for key in keys]
    done = all(stage is not None and stage.done is not None for stage in stages)
    return "done" if done else "not finished"


def _about(gathered: Gathered, run: Run) -> dict[str, Any]:
    """Return what a run says of itself: its command, its versions, its state."""
    known = run.environment
    diff = run.folder / "code.diff"
    code = known.get("etude") or {}
    git = known.get("git") or {}
    return {
        "name": run.name,
        "folder": str(run.folder),
        "state": run.state or _state(gathered, run),
        "members": counted(len(run.members), "member"),
        "command": _typed(known.get("command") or ()),
        "machine": " · ".join(
            str(each)
            for each in (
                known.get("host"),
                known.get("platform"),
                f"{known['cores']} cores" if known.get("cores") else None,
                f"Python {known['python']}" if known.get("python") else None,
            )
            if each
        ),
        "etude": " ".join(str(each) for each in (code.get("version"), code.get("commit")) if each),
        "commit": git.get("commit") or "",
        "changed": bool(git.get("changed")),
        "diff": _lines_of(diff) if diff.is_file() else 0,
        "packages": known.get("packages") or {},
    }


def _compared(gathered: Gathered) -> dict[str, Any] | None:
    """Return what the members prove against each other, as `etude compare` says it."""
    from etude.comparing.printed import groups, headline, sentence, table
    from etude.comparing.sweep import all_compared

    found = all_compared(gathered.outputs, gathered.runs)
    if found is None:
        return None
    return {
        "headline": headline(found),
        "table": table(found),
        "sentences": [sentence(each, found.metric) for each in found.versus],
        "groups": list(groups(found)),
        "unfair": found.unfair,
        "notes": found.notes,
    }


def _typed(command: Sequence[str]) -> str:
    from pathlib import Path

    from etude.config.quoting import command as quoted

    words = [str(word) for word in command]
    return quoted([Path(words[0]).name, *words[1:]]) if words else ""


def _lines_of(path: Any) -> int:
    try:
        return int(path.read_bytes().count(b"\n"))
    except OSError:
        return 0


def _recipes(gathered: Gathered) -> list[dict[str, Any]]:
    """Return the recipe of each run whose plan can be read."""
    from markupsafe import Markup

    from etude.launch import written
    from etude.plan.kinds import Kinds

    schema, found = load(), []
    for run in gathered.runs:
        try:
            graph, _ = written.read(run.folder)
        except EtudeError:
            continue  # what cannot be read of a run is listed under its failures
        if not graph.stages:
            continue
        kinds = Kinds(graph, graph.outputs, schema)
        boxes, arrows = recipe.boxes(graph, kinds)
        found.append(
            {
                "run": run.name,
                "graph": Markup(drawing.draw(boxes, arrows)),
                "stages": recipe.in_words(graph, kinds, schema),
                "sources": recipe.sources(graph, schema),
            }
        )
    return found


def _drawn(found: StageCurves, sheet: Sheet) -> dict[str, Any]:
    headings = [
        {
            "title": heading.title,
            "folded": heading.folded,
            "rest": heading.rest,
            "charts": [_chart(chart, sheet, bool(found.legend)) for chart in heading.charts],
        }
        for heading in found.headings
    ]
    return {
        "name": found.name,
        "legend": found.legend,
        "headings": headings,
        "steps_a_point": found.steps_a_point,
    }


def _chart(chart: curves.Chart, sheet: Sheet, shared: bool) -> Drawn:
    from markupsafe import Markup

    pictures = {
        axis: Markup(sheet.draw(chart.lines(axis), label=chart.says, axis=axis))
        for axis in chart.axes
    }
    keys = [] if shared else [(each.colour, each.name, each.ends) for each in chart.curves]
    if len(keys) == 1:  # the title says which it is
        keys = [(-1, "", keys[0][2])]
    return Drawn(chart.title, pictures, keys)


def _coverage(gathered: Gathered, sheet: Sheet) -> list[Drawn]:
    """Return pass@k over k before and after, of the last stage of each member that has both."""
    found: list[Drawn] = []
    seen: dict[str, Coverage | None] = {}
    for entrant in gathered.entrants:
        for name in gathered.names:
            side = next(iter(gathered.sides(entrant, name)), None)
            if side is None or side.after is None or len(found) >= _MOST:
                continue
            pair = []
            for when, each in (("before", side.before), ("after", side.after)):
                if each is None:
                    continue
                if each.fingerprint not in seen:
                    seen[each.fingerprint] = _of(each)
                curve = seen[each.fingerprint]
                if curve is not None:
                    pair.append((when, curve))
            label = entrant.label if gathered.compares else ""
            title = " · ".join(filter(None, (name, label)))
            if pair and title not in [each.title for each in found]:
                found.append(_coverage_chart(title, pair, sheet))
    return found


def _of(evaluation: Any) -> Coverage | None:
    path = evaluation.folder / "samples.jsonl"
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return None
    return coverage(evaluation.samples)


def _coverage_chart(title: str, pair: Sequence[tuple[str, Coverage]], sheet: Sheet) -> Drawn:
    import numpy as np
    from markupsafe import Markup

    lines = [
        Line(np.array(each.ks, dtype=np.float64), each.mean, number, each.low, each.high)
        for number, (_, each) in enumerate(pair)
    ]
    keys = [
        (
            number,
            when,
            f"{shown(float(each.mean[0]))} at 1, {shown(float(each.mean[-1]))} at {each.ks[-1]}",
        )
        for number, (when, each) in enumerate(pair)
    ]
    says = crossing(pair[0][1], pair[1][1]) if len(pair) == 2 else ""
    label = f"pass@k of {title}: " + "; ".join(f"{when} {said}" for _, when, said in keys)
    picture = Markup(sheet.draw(lines, label=label, logarithmic=True))
    return Drawn(title, {"step": picture}, keys, says)
