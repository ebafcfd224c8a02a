"""Rows from files and from the Hugging Face hub, under the column names recipes use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from etude.component import component, option
from etude.errors import DataError
from etude.randomness import seed_of
from etude.sources import files as local
from etude.sources import glimpse
from etude.sources.chat import ChatRows
from etude.sources.columns import MappedRows, Reading, Table, resolve
from etude.sources.conditions import Condition, kept_positions
from etude.sources.interface import Rows, StageRows
from etude.sources.place import Place
from etude.sources.text import RULES

#: So many rows are looked at to tell a misspelt path from a value that a row lacks.
_FIRST_ROWS = 50


@component(
    provides=("column:id", "column:prompt"),
)
@dataclass(frozen=True)
class Dataset:
    """Rows of a hub set, of local JSON Lines (``.gz`` too), Parquet or CSV, or of an earlier stage.

    What it provides is what ``columns`` maps: each key is a name recipes use and each value the
    column's name in the file, or several with ``|`` between them, of which the first that is there
    counts; ``reward_model.ground_truth`` and ``messages.0.content`` reach into a column's values. A
    column ``id`` is used where there is one; otherwise a row is known by its place. A path replaces
    the hub, so a preset serves both.

    Where ``messages`` is mapped a row is a conversation: an answer of the assistant at its end is
    the ``solution``, what stands before it the prompt.
    """

    hub: str | None = option(None, "name of the set on the Hugging Face hub (openai/gsm8k)")
    config: str | None = option(None, "configuration of the hub set (main)")
    revision: str | None = option(None, "commit, tag or branch of the hub set")
    path: str | None = option(
        None, "local file, or a folder with a file for each split; replaces the hub"
    )
    from_stage: str | list[str] | None = option(
        None,
        "read the rows that this earlier stage wrote, or those of several: [sample, again]",
        form="rows reference",
    )
    format: str = option(
        "auto", "format of local files", choices=("auto", "json", "parquet", "csv")
    )
    splits: dict[str, str] = option(
        {"train": "train", "test": "test"}, "split → its name on the hub, or its file in the folder"
    )
    columns: dict[str, str | None] = option(
        {"prompt": "prompt|problem|question", "answer": "answer"},
        "name recipes use → column in the file (a|b: the first that is there; a.b.0: inside its"
        " values), null: none",
    )
    read_as: dict[str, str | None] = option(
        {},
        "column → how its values become text where they are none: first, last, shortest, join"
        " or lines (of a list), any (each entry is a right answer), json",
    )
    roles: dict[str, str] = option(
        {"human": "user", "gpt": "assistant"}, "role in the file's messages → role it stands for"
    )
    message_keys_left_out: list[str] = option(
        [], "keys of messages that are not read (weight), where they hold something"
    )
    filter: list[Condition] = option([], "keep rows where every {column, op, value} holds")
    limit: int | None = option(None, "keep at most so many rows of a split, the first", ge=1)
    hold_out: float | None = option(
        None,
        "share of the split train that becomes the split test, by a hash of the row's id; for"
        " sets without a test split",
        gt=0,
        lt=1,
    )
    answer_pattern: str | None = option(
        None,
        "regex whose group finds the answer in the answer's text ('####\\s*(.+)')",
        form="regex with group",
    )
    remove: str | None = option(
        None, "regex removed from solutions (calculator marks)", form="regex"
    )

    def rows(self, split: str, seed: int, folder: StageRows = None, key: str = "NAME") -> Rows:
        """Return the rows of a split in file order; raises DataError saying what to type."""
        return self.shaped(self.mapped(split, folder, key), key)

    def first_look(self, split: str, key: str = "NAME") -> tuple[Rows, bool] | None:
        """Return the first rows of a local split and some others, and whether these are all.

        Large files are not read whole. None where rows are not local, or no file like that can be
        looked at in a moment; raises DataError as :meth:`rows` does.
        """
        if self.path is None or self.from_stage is not None:
            return None
        read = "train" if self.hold_out and split == "test" else split
        paths, kind = self._files_of(Path(self.path), read, key)
        where = ", ".join(str(path) for path in paths)
        whole = True
        table: Table | None
        if kind == "parquet":
            table, whole = glimpse.of_parquet(paths)
        elif glimpse.is_small(paths):
            table, where = self._local(Path(self.path), read, key)
        else:
            table, whole = (glimpse.of_json(paths) if kind == "json" else None), False
        if table is None:
            return None
        mapped = self._mapped(table, where, split, key, some=not whole)
        return self.shaped(mapped, key), whole

    def shaped(self, mapped: MappedRows, key: str) -> Rows:
        """Return rows as they are handed on: conversations as prompts and solutions."""
        chats = self.columns.get("messages") is not None
        return ChatRows(mapped) if chats else mapped

    def mapped(self, split: str, folder: StageRows, key: str) -> MappedRows:
        """Return the rows of a split as ``columns`` maps them."""
        read = "train" if self.hold_out and split == "test" else split
        table, where = self._table(read, folder, key)
        return self._mapped(table, where, split, key)

    def _mapped(
        self, table: Table, where: str, split: str, key: str, *, some: bool = False
    ) -> MappedRows:
        """Return a table's rows of a split; of ``some`` rows of a file none may be left."""
        reading = self._reading(key)
        read = "train" if self.hold_out and split == "test" else split
        if len(table) == 0:
            raise DataError(f"sources.{key}: {where} is empty")
        columns = self._resolved(table, where, key)
        positions = None
        if self.filter:
            positions = kept_positions(table, self.filter, columns, key)
        if self.hold_out:
            everything = np.arange(len(table)) if positions is None else positions
            positions = self._held_apart(table, columns.get("id"), everything, split)
        if self.limit is not None:
            everything = np.arange(len(table)) if positions is None else positions
            positions = everything[: self.limit]
        if positions is not None and len(positions) == 0 and not some:
            raise DataError(
                f"sources.{key}: no row of {where} is left for the split '{split}'"
                f" (of {len(table)}; see sources.{key}.filter and sources.{key}.hold_out)"
            )
        return MappedRows(table, columns, reading, key=key, split=read, positions=positions)

    def files(self) -> list[Path]:
        """Return the local files of every split; empty for a hub set or a stage's rows."""
        if self.path is None:
            return []
        path = Path(self.path).expanduser()
        found = set(local.data_files(path))
        for name in self.splits.values():
            found.update(local.data_files(path / name))
        return sorted(found)

    def _table(self, split: str, folder: StageRows, key: str) -> tuple[Table, str]:
        """Return the rows as they lie, and where that is."""
        if self.from_stage is not None:
            if folder is None:
                listed = [self.from_stage] if isinstance(self.from_stage, str) else self.from_stage
                named = ", ".join(f"'{stage}'" for stage in listed)
                raise DataError(
                    f"sources.{key} reads what the stage {named} wrote, and that stage"
                    f" has handed on no rows; it must come earlier in the pipeline"
                )
            return self._of_stages((folder,) if isinstance(folder, Path) else folder, split, key)
        if self.path is not None:
            return self._local(Path(self.path), split, key)
        if self.hub is not None:
            from etude.sources.arrow import load_hub

            name = self.splits.get(split, split)
            table = load_hub(self.hub, self.config, self.revision, name, key)
            return table, f"{self.hub}, split {name},"
        raise DataError(
            f"sources.{key} says nowhere to read: type sources.{key}.path=FILE,"
            f" sources.{key}.hub=OWNER/NAME or sources.{key}.from_stage=STAGE"
        )

    def _of_stages(self, folders: tuple[Path, ...], split: str, key: str) -> tuple[Table, str]:
        """Return the rows of one stage after the other."""
        written = [folder / "data" if (folder / "data").is_dir() else folder for folder in folders]
        found = [self._files_of(folder, split, key) for folder in written]
        return self._read([path for paths, _ in found for path in paths], found[0][1], key)

    def _local(self, path: Path, split: str, key: str) -> tuple[Table, str]:
        return self._read(*self._files_of(path, split, key), key)

    def _read(self, paths: list[Path], kind: str, key: str) -> tuple[Table, str]:
        where = ", ".join(str(each) for each in paths)
        if kind == "json":
            from etude.sources.json_lines import JsonLines

            return JsonLines(paths), where
        if kind == "csv":
            from etude.sources.csv_text import CsvTable

            return CsvTable(paths), where
        from etude.sources.arrow import load_parquet

        return load_parquet(paths, key), where

    def _files_of(self, path: Path, split: str, key: str) -> tuple[list[Path], str]:
        """Return the files of a split and the format they are read as."""
        paths = local.split_files(path, split, self.splits, key)
        where = ", ".join(str(each) for each in paths)
        kinds = {local.FORMATS.get(local.ending(each) or "", "unknown") for each in paths}
        kind = self.format if self.format != "auto" else kinds.pop()
        if kinds - {kind}:
            raise DataError(f"sources.{key}: the files of one split must be of one format: {where}")
        if kind == "unknown":
            raise DataError(
                f"sources.{key}: the format of {where} is not known by its name:"
                f" type sources.{key}.format=json, parquet or csv"
            )
        return paths, kind

    def _resolved(self, table: Table, where: str, key: str) -> dict[str, Place]:
        """Return mapped name → where it stands in a row; its column is there."""
        available = table.column_names
        wanted = {name: names for name, names in self.columns.items() if names is not None}
        if "messages" in wanted:
            wanted.pop("prompt", None)  # the conversation's own
        elif "prompt" not in wanted:
            raise DataError(
                f"sources.{key}.columns maps no prompt: add columns.prompt=NAME, or"
                " columns.messages=NAME for conversations"
            )
        columns = {
            name: resolve(names, name, available, where, key) for name, names in wanted.items()
        }
        first = [table[position] for position in range(min(len(table), _FIRST_ROWS))]
        for name, place in columns.items():
            if place.inside and (problem := place.misspelt(first)):
                raise DataError(f"sources.{key}.columns.{name}={place}: {where}: {problem}")
        # Several stages may have answered one prompt, under one id: then a row's place names it.
        several = isinstance(self.from_stage, list) and len(self.from_stage) > 1
        if "id" not in columns and "id" in available and not several:
            columns["id"] = Place("id")
        if "id" in columns:
            _unique_ids(table, columns["id"], where, key)
        return columns

    def _reading(self, key: str) -> Reading:
        rules = {name: rule for name, rule in self.read_as.items() if rule is not None}
        for name, rule in rules.items():
            if rule not in RULES or (rule == "any" and name != "answer"):
                raise DataError(
                    f"sources.{key}.read_as.{name}={rule}: it is one of {', '.join(RULES)}"
                    " (any: for the answer)"
                )
            if self.columns.get(name) is None:
                raise DataError(
                    f"sources.{key}.read_as.{name}={rule}: no column is mapped to {name}"
                    f" (sources.{key}.columns.{name}=NAME)"
                )
        return Reading(
            rules,
            self.roles,
            self.message_keys_left_out,
            self._pattern("answer_pattern", key),
            self._pattern("remove", key),
        )

    def _pattern(self, field: str, key: str) -> re.Pattern[str] | None:
        text = getattr(self, field)
        if text is None:
            return None
        try:
            pattern = re.compile(text)
        except re.error as error:
            raise DataError(f"sources.{key}.{field}={text!r} is not a regex: {error}") from error
        if field == "answer_pattern" and pattern.groups < 1:
            raise DataError(
                f"sources.{key}.answer_pattern={text!r} needs a group for the answer:"
                f" '####\\s*(.+)'"
            )
        return pattern

    def _held_apart(self, table: Table, ids: Place | None, kept: Any, split: str) -> Any:
        """Return the kept positions that belong to train or to test, by a hash of the id."""
        names: Sequence[Any] = range(len(table)) if ids is None else _values(table, ids)
        threshold = (self.hold_out or 0.0) * 2**64
        test = np.array([seed_of("hold out", str(names[place])) < threshold for place in kept])
        return kept[test if split == "test" else ~test] if len(kept) else kept


def _values(table: Table, place: Place) -> list[Any]:
    return [place.within(value) for value in table.column(place.column)]


def _unique_ids(table: Table, place: Place, where: str, key: str) -> None:
    ids = [f"\0{n}" if each is None else str(each) for n, each in enumerate(_values(table, place))]
    if len(set(ids)) == len(ids):
        return
    seen: dict[str, int] = {}
    for position, value in enumerate(ids):
        if value in seen:
            raise DataError(
                f"sources.{key}: {where}: rows {seen[value] + 1} and {position + 1} have the same"
                f" id '{value}' (column '{place}'); ids must differ: name another column with"
                f" sources.{key}.columns.id=NAME"
            )
        seen[value] = position
