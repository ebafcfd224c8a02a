"""Questions with options to choose from, lettered, from files and from the hub."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from etude.component import component, option
from etude.errors import DataError
from etude.sources.columns import MappedRows
from etude.sources.dataset import Dataset
from etude.sources.interface import Rows
from etude.sources.text import Unreadable, shown

LETTERS = string.ascii_uppercase

#: What rows have beyond their mapped columns.
COLUMNS = ("id", "prompt", "question", "options", "answer", "answer_text", "answer_index")


@component(provides=[f"column:{name}" for name in COLUMNS])
@dataclass(frozen=True)
class MultipleChoice(Dataset):
    """Questions with lettered options below them, and the letter of the right one as ``answer``.

    The column ``options`` holds a list of texts, or ``options_in`` names the mapped columns that
    hold one each, the right one first. ``answer`` is a letter, one of ``labels`` (a list as long as
    the options), the right option's text, or its place counted from 0. A row also has ``question``,
    ``options``, ``answer_text`` and ``answer_index``. Options are shuffled, where asked, by the
    question's text alone: always the same, in every file.
    """

    columns: dict[str, str | None] = option(
        {"prompt": "question|prompt", "options": "options|choices", "answer": "answer"},
        "name recipes use → column in the file (a|b: the first that is there; a.b.0: inside its"
        " values), null: none",
    )
    options_in: list[str] = option(
        [], "mapped columns that hold an option each, the right one first; empty: one list"
    )
    shuffle: bool = option(
        False, "shuffle the options of each question; needed where the right one comes first"
    )

    def shaped(self, mapped: MappedRows, key: str) -> Rows:
        """Return questions with their options."""
        return ChoiceRows(self, mapped, key)


class ChoiceRows(Sequence[Mapping[str, Any]]):
    """Rows of questions; options are lettered when a row is read."""

    def __init__(self, source: MultipleChoice, rows: MappedRows, key: str) -> None:
        self._source = source
        self._rows = rows
        self._key = key

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return one question; raises DataError where its options or its answer do not fit."""
        row = dict(self._rows[position])
        try:
            options = self._options(row)
            right = 0 if self._source.options_in else _place(row, options)
        except Unreadable as problem:
            name = "answer" if "answer" in str(problem) else "options"
            raise self._rows.refusal(position, name, problem) from problem
        order = self._order(str(row["prompt"]), len(options))
        listed = [options[place] for place in order]
        chosen = order.index(right)
        lines = [f"{letter}. {text}" for letter, text in zip(LETTERS, listed, strict=False)]
        return {
            **{name: value for name, value in row.items() if name not in self._source.options_in},
            "question": row["prompt"],
            "prompt": "\n".join([str(row["prompt"]), "", *lines]),
            "options": listed,
            "answer": LETTERS[chosen],
            "answer_text": listed[chosen],
            "answer_index": chosen,
        }

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the questions at ``positions`` (None: of all)."""
        places = range(len(self)) if positions is None else positions
        if name not in COLUMNS:
            return self._rows.column(name, places)
        if name == "id":
            return self._rows.column("id", places)
        return [self[int(place)][name] for place in places]

    def _options(self, row: Mapping[str, Any]) -> list[str]:
        named = self._source.options_in
        if missing := next((name for name in named if name not in row), None):
            raise DataError(
                f"sources.{self._key}.options_in names '{missing}', which columns does not map;"
                f" type sources.{self._key}.columns.{missing}=NAME"
            )
        found = [row[name] for name in named] if named else row.get("options")
        if not isinstance(found, (list, tuple)) or not 2 <= len(found) <= len(LETTERS):
            raise Unreadable(f"is {shown(found)}, and options are a list of 2 to {len(LETTERS)}")
        return [str(each).strip() for each in found]

    def _order(self, question: str, count: int) -> list[int]:
        if not self._source.shuffle:
            return list(range(count))
        seed = int.from_bytes(hashlib.sha256(question.encode()).digest()[:8])
        return np.random.default_rng(seed).permutation(count).tolist()


def _place(row: Mapping[str, Any], options: Sequence[str]) -> int:
    """Return which option is right. Raises Unreadable where the answer names none."""
    answer = row.get("answer")
    text = "" if answer is None else str(answer).strip()
    labels = [str(each).strip() for each in row.get("labels") or LETTERS[: len(options)]]
    for names in (labels, options):
        if text in names:
            return list(names).index(text)
    if text.isdecimal() and int(text) < len(options):
        return int(text)
    raise Unreadable(
        f"has the answer {shown(answer)}, which is no label ({', '.join(labels)}), no option and "
        f"no place from 0 to {len(options) - 1}"
    )
