"""What was measured, read from the folders of stages and evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etude.errors import DataError, StorageError
from etude.execute.lines import raw_lines
from etude.execute.metric import names_of, value_of
from etude.measures.naming import evaluation_folder
from etude.plan.published import check_published
from etude.recorded.evaluation import Evaluation, read
from etude.rows import Outcome


def curve(folder: Path, written: str) -> dict[int, float]:
    """Return finished steps → a metric of an evaluation, its sign turned behind a minus.

    ``written`` is ``pass@1`` of main, or ``dev/pass@1``. Raises DataError where it was never
    measured.
    """
    name = written.removeprefix("-")
    of, slash, metric = name.rpartition("/")
    known: set[str] = set()
    found = {}
    for line, _ in raw_lines(folder / "evaluations.jsonl"):
        own = line.get("evaluation", "main")
        known |= {each if own == "main" else f"{own}/{each}" for each in names_of(line)}
        # change/0-0.25 is a metric with a slash of main
        wanted = metric if slash and own == of else name if own == "main" else None
        value = None if wanted is None else value_of(line, wanted)
        if value is not None:
            found[int(line["step"])] = -value if written.startswith("-") else value
    if not found:
        there = f"there are {', '.join(sorted(known))}" if known else "it was not measured"
        raise DataError(f"{folder.name} has no '{written}' along its steps; {there}")
    return found


def finished(text: str, outputs: Path) -> Evaluation:
    """Return the evaluation that a person names, as it was published.

    Raises StorageError where there is none or it is not finished, CheckpointError where it is not
    as it was published.
    """
    folder = evaluation_folder(text, outputs)
    check_published(folder)
    found = read(folder)
    if found is None:
        raise StorageError(f"{folder} is not finished")
    return found


def items_along(folder: Path, evaluation: str) -> dict[int, dict[str, float]]:
    """Return finished steps → item → the share of its answers that are right."""
    records: dict[int, list[Mapping[str, Any]]] = {}
    for line, _ in raw_lines(folder / "evaluation_samples.jsonl"):
        if line.get("evaluation", "main") == evaluation and "step" in line:
            records.setdefault(int(line["step"]), []).append(line)
    return {step: right_shares(lines) for step, lines in records.items()}


def right_shares(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return item → the share of right answers to it, from the samples of an evaluation.

    Of a question whose options were scored it is whether the right one is the likeliest. What the
    verifier came to no verdict on, and records that say neither, are left out.
    """
    found: dict[str, list[bool]] = {}
    for item, right in _judged(records):
        found.setdefault(item, []).append(right)
    return {item: sum(each) / len(each) for item, each in found.items()}


def _judged(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, bool]]:
    for record in records:
        scored, place = record.get("choice_logprobs"), record.get("answer_index")
        if scored and place is not None:
            yield str(record["id"]), scored.index(max(scored)) == place
        elif record.get("outcome") is not None and not Outcome(record["outcome"]).failed:
            yield str(record["id"]), record["outcome"] == Outcome.CORRECT
