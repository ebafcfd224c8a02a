"""Samples to read: a few of every kind and time, and some problems followed through training."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etude.execute.lines import to_line
from etude.plan import layout
from etude.plan.records import STEP, parsed
from etude.recorded.evaluation import Evaluation
from etude.recorded.stage import Stage
from etude.report.gather import Entrant, Gathered

#: Characters of samples in a page, of one text, and variants that samples are shown of.
_TEXT, _LONGEST, _VARIANTS = 1_200_000, 3_000, 4

#: Characters of an answer as it was read, and of why it was judged so.
_SHORT = 400

#: Places of samples.jsonl that are looked at, rows of each, and answers of each outcome.
_PLACES, _ROWS, _OF_EACH = 10, 3, 5

#: Problems that are followed, and answers of each at a time.
_FOLLOWED, _ANSWERS = 6, 2

#: Evaluations in training that a followed problem is shown at.
_TIMES = 6

#: Bytes of evaluation_samples.jsonl that are searched; a larger file is left alone.
_SEARCHED = 64 << 20

#: The first id of a line, which is the row's: no text before it holds a quote that is not escaped.
_ID = re.compile(rb'"id": "(?:[^"\\]|\\.)*"')


@dataclass(frozen=True)
class Sample:
    """One answer: where it was given, and what is shown of it. ``cut`` counts what is left out."""

    where: str
    record: Mapping[str, Any]
    prompt: str
    response: str
    cut: int = 0
    turns: tuple[tuple[str, str], ...] = ()

    @property
    def outcome(self) -> str:
        """Return how it was judged; empty where nothing judged it."""
        return str(self.record.get("outcome") or "")

    @property
    def facts(self) -> str:
        """Return its id, its reward with the parts, its length, and why it ended, in a line."""
        parts = self.record.get("parts")
        numbers = {"reward": self.record.get("reward")}
        numbers |= dict(parts) if isinstance(parts, Mapping) else {}
        told = [_text(self.record.get("id"))]
        told += [f"{key} {v:.3g}" for key, v in numbers.items() if isinstance(v, (int, float))]
        if self.record.get("length") is not None:
            told.append(f"{_text(self.record['length'])} tokens")
        if self.record.get("stop_reason") == "length":
            told.append("cut at the limit of tokens")
        return " · ".join(filter(None, told))

    @property
    def read_as(self) -> str:
        """Return what the verifier read as the answer; empty where it read none."""
        return _text(self.record.get("extracted"))[:_SHORT]

    @property
    def answer(self) -> str:
        """Return the right answer; empty where the row has none."""
        return _text(self.record.get("answer"))[:_SHORT]

    @property
    def detail(self) -> str:
        """Return why the verifier failed, or judged as it did."""
        return _text(self.record.get("detail"))[:_SHORT]


@dataclass(frozen=True)
class Followed:
    """One problem through training; ``why`` says what became of it."""

    id: str
    why: str
    samples: tuple[Sample, ...]


@dataclass
class Shelf:
    """The samples of one stage of one member; ``left`` says what there was no room for."""

    title: str
    samples: list[Sample] = field(default_factory=list)
    followed: list[Followed] = field(default_factory=list)
    left: str = ""


def shelves(gathered: Gathered) -> list[Shelf]:
    """Return samples of the stages of each variant's first member, and of lone evaluations."""
    wanted = [
        (variant.entrants[0], name)
        for variant in gathered.variants[:_VARIANTS]
        for name in gathered.names
    ]
    found: list[Shelf] = []
    seen: set[str] = set()
    room = _TEXT // max(1, len(wanted))
    for entrant, name in wanted:
        key = next((s.fingerprint for s in entrant.member.stages if s.name == name), None)
        stage = None if key is None or key in seen else gathered.outputs.stage(key, name)
        if stage is not None and key is not None:
            seen.add(key)
            shelf = _of_stage(gathered, entrant, stage, name, room)
            if shelf.samples or shelf.followed:
                found.append(shelf)
    for evaluation in gathered.alone():
        shelf = Shelf(f"{evaluation.name}, {evaluation.of}")
        _fill(shelf, _of_evaluation(evaluation, evaluation.name), room)
        found.append(shelf)
    return [shelf for shelf in found if shelf.samples or shelf.followed]


def _of_stage(gathered: Gathered, entrant: Entrant, stage: Stage, name: str, room: int) -> Shelf:
    label = entrant.label if gathered.compares else ""
    shelf = Shelf(" · ".join(filter(None, (name, label))))
    side = next(iter(gathered.sides(entrant, name)), None)
    before, after = (side.before, side.after) if side is not None else (None, None)
    used = 0
    chosen = _chosen(before, after)
    between = in_training(stage, [problem for problem, _ in chosen])
    for problem, why in chosen:
        followed = tuple(_through(problem, between.get(problem, ()), before, after))
        used += sum(len(each.prompt) + len(each.response) for each in followed)
        if used > room // 2:
            shelf.left = "problems to follow"
            break
        shelf.followed.append(Followed(problem, why, followed))
    rows = [_sample(f"training, step {line['step']}", line) for line in _glimpsed(stage)]
    if after is not None:
        rows += _of_evaluation(after, "held out, after")
    _fill(shelf, rows, room - used)
    return shelf


def _fill(shelf: Shelf, rows: Sequence[Sample], room: int) -> None:
    for number, sample in enumerate(rows):
        room -= len(sample.prompt) + len(sample.response) + 200
        if room < 0:
            left = f"{len(rows) - number} of {len(rows)} samples"
            shelf.left = " and ".join(filter(None, (shelf.left, left)))
            return
        shelf.samples.append(sample)


def _glimpsed(stage: Stage) -> Iterator[dict[str, Any]]:
    """Yield rows of training from places spread over the file, whatever its size."""
    place = stage.folder
    if stage.done is None:
        attempts = layout.attempts(stage.folder)
        if not attempts:
            return
        place = attempts[-1]
    by_step: dict[int, list[dict[str, Any]]] = {}
    for line in glimpse(place / "samples.jsonl", _PLACES, _ROWS):
        by_step.setdefault(line["step"], []).append(line)
    for lines in by_step.values():
        yield from lines[:_ROWS]


def glimpse(path: Path, places: int, rows: int) -> Iterator[dict[str, Any]]:
    """Yield ``rows`` whole lines at each of ``places`` spread over a file of steps, in its order.

    The last place is its end. Nothing where there is no file; torn and damaged lines are passed
    over, and none comes twice.
    """
    try:
        size = path.stat().st_size
        stream = path.open("rb")
    except OSError:
        return
    with stream:
        end = longest = 0
        for number in range(places):
            last = number == places - 1
            at = size - (rows + 1) * longest if last and number else size * number // places
            stream.seek(max(at, end))
            if at > end:
                stream.readline()  # most likely the rest of a line
            for _ in range(3 * rows if last else rows):
                raw = stream.readline()
                longest = max(longest, len(raw))
                content, _why = parsed(raw, STEP) if raw.endswith(b"\n") else (None, "")
                if content is not None:
                    yield content
            end = max(end, stream.tell())


def _of_evaluation(evaluation: Evaluation, where: str) -> list[Sample]:
    """Return some answers of each outcome, from problems spread over all of them."""
    by_outcome: dict[str, list[Mapping[str, Any]]] = {}
    for record in evaluation.samples:
        by_outcome.setdefault(str(record.get("outcome")), []).append(record)
    found = []
    for records in by_outcome.values():
        stride = max(1, len(records) // _OF_EACH)
        found += [_sample(where, record) for record in records[::stride][:_OF_EACH]]
    return found


def _sample(where: str, record: Mapping[str, Any]) -> Sample:
    prompt, response = _text(record.get("prompt")), _text(record.get("response"))
    turns = [
        (str(turn.get("role")), _text(turn.get("text"))[:_LONGEST])
        for turn in record.get("turns") or ()
        if isinstance(turn, Mapping)
    ]
    cut = max(0, len(prompt) - _LONGEST) + max(0, len(response) - _LONGEST)
    return Sample(where, record, prompt[:_LONGEST], response[:_LONGEST], cut, tuple(turns))


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _chosen(before: Evaluation | None, after: Evaluation | None) -> list[tuple[str, str]]:
    """Return problems to follow with what became of them: gained, lost, as hard or easy as ever."""
    if before is None or after is None:
        return []
    first, last = _rates(before), _rates(after)
    shared = [key for key in last if key in first]
    moved = sorted(shared, key=lambda key: last[key] - first[key])
    gained = [key for key in reversed(moved) if last[key] > first[key]][:2]
    lost = [key for key in moved if last[key] < first[key]][:2]
    still = [key for key in shared if last[key] == first[key]]
    never = [key for key in still if last[key] == 0][:1]
    always = [key for key in still if last[key] == 1][:1]
    said = {
        key: f"{first[key]:.0%} of the answers right before, {last[key]:.0%} after"
        for key in dict.fromkeys([*gained, *lost, *never, *always])
    }
    return list(said.items())[:_FOLLOWED]


def _rates(evaluation: Evaluation) -> dict[str, float]:
    counts: dict[str, list[int]] = {}
    for record in evaluation.samples:
        found = counts.setdefault(str(record.get("id")), [0, 0])
        found[0] += record.get("outcome") == "correct"
        found[1] += 1
    return {key: right / number for key, (right, number) in counts.items()}


def _through(
    problem: str,
    between: Sequence[Mapping[str, Any]],
    before: Evaluation | None,
    after: Evaluation | None,
) -> Iterator[Sample]:
    """Yield the first answers to a problem before training, at each evaluation in it, and after."""
    for where, evaluation in (("before", before), ("after", after)):
        if where == "after":
            by_step: dict[int, list[Mapping[str, Any]]] = {}
            for line in between:
                by_step.setdefault(int(line["step"]), []).append(line)
            steps = sorted(by_step)
            for step in steps[:: max(1, -(-len(steps) // _TIMES))]:
                for line in by_step[step][:_ANSWERS]:
                    yield _sample(f"after step {step}", line)
        if evaluation is not None:
            records = [each for each in evaluation.samples if str(each.get("id")) == problem]
            yield from (_sample(where, record) for record in records[:_ANSWERS])


def in_training(stage: Stage, wanted: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the answers to some problems of evaluations in training, by problem.

    Only their lines are read as JSON. Nothing of a file that is very large, and of an unfinished
    stage what its newest attempt measured.
    """
    place = stage.folder
    if stage.done is None:
        place = next(reversed(layout.attempts(stage.folder)), place)
    path = place / "evaluation_samples.jsonl"
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        if path.stat().st_size > _SEARCHED:
            return found
        stream = path.open("rb")
    except OSError:
        return found
    keys = {to_line({"id": each})[1:-2] for each in wanted}
    with stream:
        for raw in stream:
            match = _ID.search(raw)
            if match is None or match[0] not in keys:
                continue
            line, _ = parsed(raw, STEP)
            if line is not None and not line.get("evaluation"):  # of main
                found.setdefault(str(line.get("id")), []).append(line)
    return found
