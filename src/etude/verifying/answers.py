"""A JSON Lines file of answers as a verifier is asked about them; faults name file and line."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from etude.config.spelling import listed
from etude.errors import DataError
from etude.randomness import judging_seed, seed_of
from etude.rows import Candidate, StopReason

#: The columns that hold an answer, where no other is named; the first that a row has.
RESPONSES = ("response", "completion")

_RIGHT = frozenset({"true", "1", "yes", "right", "correct", "pass", "passed"})
_WRONG = frozenset({"false", "0", "no", "wrong", "incorrect", "fail", "failed"})
#: What a file of samples says of answers that are not right, and of those that nobody judged.
_NOT_RIGHT = frozenset({"no_answer", "partial"})
_UNJUDGED = frozenset({"", "timed_out", "crashed", "refused"})


@dataclass(frozen=True)
class Answer:
    """One answer of a file: its line, what a verifier sees of it, and its label where it has one.

    ``label`` tells whether the answer is right; None: nobody said.
    """

    line: int
    candidate: Candidate
    label: bool | None = None


def read_answers(
    path: Path, columns: Mapping[str, str], *, label: str | None = None, seed: int = 0
) -> list[Answer]:
    """Return the answers of a file, ``.jsonl`` or ``.jsonl.gz``, in order.

    ``columns`` maps names that a verifier knows (``answer``, ``response``) to those of the file;
    ``label`` is the column that says which answers are right. An answer without an ``id`` is called
    by its line, and one without a ``length`` has as many tokens as words. Raises DataError with
    file and line for what is no row, has no response, or has a label that says neither.
    """
    found: list[Answer] = []
    seen: Counter[str] = Counter()
    for line, row in _rows(path):
        where = f"{path}, line {line}"
        given = {name: row[column] for name, column in columns.items() if column in row}
        row = {**row, **given}
        response = _response(row, columns, where)
        name = str(row.get("id", line))
        index = row.get("index")
        number = index if isinstance(index, int) else seen[name]
        seen[name] += 1
        length = row.get("length")
        candidate = Candidate(
            name,
            number,
            str(row.get("prompt") or ""),
            response,
            row,
            _stop(row),
            length if isinstance(length, int) else len(response.split()),
            evaluation=True,
            seed=judging_seed(seed_of("verify", seed, line)),
            rendered=str(row.get("rendered") or row.get("prompt") or ""),
        )
        found.append(Answer(line, candidate, _label(row, label, where)))
    if not found:
        raise DataError(f"{path}: there is no row in it")
    return found


def refuse_missing(path: Path, answers: list[Answer], wanted: Mapping[str, str], by: str) -> None:
    """Raise DataError where no row has a column that a verifier requires, and says what for.

    ``wanted`` maps these columns to the reasons. Single rows without one are refused as rows.
    """
    for column, why in wanted.items():
        if any(column in answer.candidate.columns for answer in answers):
            continue
        there = listed(answers[0].candidate.columns) or "none"
        reason = f" {why}" if why else ""
        raise DataError(
            f"{path}, line {answers[0].line}: no row has the column '{column}', which {by} needs"
            f"{reason}; the columns are {there}. columns.{column}=NAME reads another one in its "
            "place"
        )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, row) of a file; empty lines are none."""
    try:
        with closing(_opened(path)) as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield number, _row(text, f"{path}, line {number}")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: it cannot be read: {error}") from error


def _opened(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _row(text: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: byte {error.start} of it is no UTF-8") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: it is no JSON: {error.msg} (column {error.colno})") from None
    except (
        RecursionError,
        ValueError,
    ) as error:  # nested without end, a number of a million digits
        raise DataError(f"{where}: it cannot be read as JSON: {error}") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: it is {type(row).__name__}, and a row is an object")
    return row


def _response(row: Mapping[str, Any], columns: Mapping[str, str], where: str) -> str:
    named = columns.get("response")
    name = "response" if named else next((each for each in RESPONSES if each in row), None)
    if name is None or name not in row:
        wanted = f"no column '{named}'" if named else "neither 'response' nor 'completion'"
        raise DataError(
            f"{where}: it has {wanted}; its columns are {listed(row)}. columns.response=NAME names "
            "the one with the answer"
        )
    value = row[name]
    if not isinstance(value, str):
        raise DataError(f"{where}: its {named or name} is {value!r:.60}, and has to be text")
    return value


def _stop(row: Mapping[str, Any]) -> StopReason:
    said = row.get("stop_reason")
    return StopReason(said) if said in list(StopReason) else StopReason.STOP


def _label(row: Mapping[str, Any], column: str | None, where: str) -> bool | None:
    """Return whether a row's label says that its answer is right; None where it says nothing."""
    if column is None:
        return None
    if column not in row:
        raise DataError(f"{where}: it has no column '{column}' (label={column})")
    value = row[column]
    if value is None or isinstance(value, bool):
        return value
    said = str(int(value) if isinstance(value, float) and value in (0, 1) else value)
    said = said.strip().casefold()
    if said in _RIGHT:
        return True
    if said in _WRONG | _NOT_RIGHT:
        return False
    if said in _UNJUDGED:
        return None
    raise DataError(
        f"{where}: its label {column} is {value!r:.60}, and has to be true or false (1 or 0, "
        "correct or wrong; null: nobody has said)"
    )
