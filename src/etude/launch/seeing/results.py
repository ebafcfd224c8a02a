"""What a run has measured, as a table: the one that its end printed, read from its folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from etude.launch.seeing.asked import Asked
from etude.launch.seeing.folders import Folders
from etude.launch.seeing.seen import LIVE, Seen
from etude.plan import layout, records
from etude.plan.nodes import own_overrides
from etude.view.ending import compared, measured, steered, table
from etude.view.record import RunRecord

#: Members of a sweep that are compared.
MOST = 8


def results(asked: Asked, seen: Sequence[Seen], folders: Folders) -> Iterator[str]:
    """Yield the table that the run's end printed; nothing while something is at work.

    Nothing either where nothing was measured, or the members are many.
    """
    if len(asked.runs) > MOST or any(each.state in LIVE for each in seen):
        return
    record = _record(asked, seen, folders)
    if not record.evaluations:
        return
    together = compared(asked.runs, asked.folder)
    yield from (f" {line}".rstrip() for line in together)
    own = own_overrides([run.overrides for run in asked.runs])
    for run, overrides in zip(asked.runs, own, strict=True):
        said = list(steered(run, record))
        if not together:
            said = [*(table(run, record) if run.stages else measured(record)), *said]
        if overrides and said:
            yield f" {' '.join(overrides)}"
        yield from said


def gates(asked: Asked) -> Iterator[str]:
    """Yield what the gates between the stages of a run that has ended decided, each once."""
    told: dict[str, None] = {}
    for run in asked.result.get("runs") or ():
        for stage in run["stages"]:
            gate = stage.get("gate") or {}
            if gate.get("why"):
                passed = "passed" if gate.get("passed") else str(gate.get("on_fail"))
                told[f" gate  {gate['why']}: {passed.replace('_', ' ')}"] = None
    yield from told


def _record(asked: Asked, seen: Sequence[Seen], folders: Folders) -> RunRecord:
    record = RunRecord()
    for each in seen:
        known = record.stage(each.fingerprint)
        known.state, known.seconds = each.state, each.seconds
        if each.is_stage:
            known.step_done(folders.last_metrics(each.name, each.fingerprint))
        piece = asked.pieces[each.fingerprint]
        own = piece.evaluations if piece.is_stage else [(piece.name, piece.fingerprint)]
        for name, fingerprint in own:
            place = folders.place(layout.EVALUATIONS, name, fingerprint)
            if place is None or layout.finished(Path(place)) is None:
                continue
            result = layout.read_json(Path(place, "result.json"), records.MEASURED)
            if result is not None:
                record.evaluations[fingerprint] = {"name": name, **result}
    return record
