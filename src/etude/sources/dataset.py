"""Rows from files and from the Hugging Face hub, under the column names recipes use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from etude.component import component, option
from etude.errors import DataError
from etude.randomness import seed_of
from etude.sources import files as local
from etude.sources.columns import Condition, MappedRows, Table, kept_positions, resolve


@component(
    provides=("column:id", "column:prompt"),
)
@dataclass(frozen=True)
class Dataset:
    """Rows of a hub set, of local JSON Lines (``.gz`` too), Parquet or CSV, or of an earlier stage.

    What it provides is what ``columns`` maps: each key is a name recipes use and each value the
    column's name in the file, or several with ``|`` between them, of which the first that is there
    counts. A column ``id`` is used where there is one; otherwise a row is known by its place. A
    path replaces the hub, so a preset serves both.
    """

    needs_prompt: ClassVar[bool] = True

    hub: str | None = option(None, "name of the set on the Hugging Face hub (openai/gsm8k)")
    config: str | None = option(None, "configuration of the hub set (main)")
    revision: str | None = option(None, "commit, tag or branch of the hub set")
    path: str | None = option(
        None, "local file, or a folder with a file for each split; replaces the hub"
    )
    from_stage: str | None = option(None, "read the rows that this earlier stage wrote")
    format: str = option(
        "auto", "format of local files", choices=("auto", "json", "parquet", "csv")
    )
    splits: dict[str, str] = option(
        {"train": "train", "test": "test"}, "split → its name on the hub, or its file in the folder"
    )
    columns: dict[str, str] = option(
        {"prompt": "prompt|problem|question", "answer": "answer"},
        "name recipes use → column in the file (a|b: the first that is there)",
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
        None, "regex whose group finds the answer in the answer's text ('####\\s*(.+)')"
    )
    remove: str | None = option(None, "regex removed from solutions (calculator marks)")

    def rows(
        self, split: str, seed: int, folder: Path | None = None, key: str = "NAME"
    ) -> MappedRows:
        """Return the rows of a split in file order; raises DataError saying what to type."""
        read = "train" if self.hold_out and split == "test" else split
        table, where = self._table(read, folder, key)
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
        if positions is not None and len(positions) == 0:
            raise DataError(
                f"sources.{key}: no row of {where} is left for the split '{split}'"
                f" (of {len(table)}; see sources.{key}.filter and sources.{key}.hold_out)"
            )
        return MappedRows(
            table,
            columns,
            key=key,
            split=read,
            positions=positions,
            answer_pattern=self._pattern("answer_pattern", key),
            remove=self._pattern("remove", key),
        )

    def files(self) -> list[Path]:
        """Return the local files of every split; empty for a hub set or a stage's rows."""
        if self.path is None:
            return []
        path = Path(self.path).expanduser()
        found = set(local.data_files(path))
        for name in self.splits.values():
            found.update(local.data_files(path / name))
        return sorted(found)

    def _table(self, split: str, folder: Path | None, key: str) -> tuple[Table, str]:
        """Return the rows as they lie, and where that is."""
        if self.from_stage is not None:
            if folder is None:
                raise DataError(
                    f"sources.{key} reads what the stage '{self.from_stage}' wrote, and that stage"
                    f" has handed on no rows; it must come earlier in the pipeline"
                )
            data = folder / "data"
            return self._local(data if data.is_dir() else folder, split, key)
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

    def _local(self, path: Path, split: str, key: str) -> tuple[Table, str]:
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
        if kind == "json":
            from etude.sources.json_lines import JsonLines

            return JsonLines(paths), where
        from etude.sources.arrow import load_files

        return load_files(kind, paths, key), where

    def _resolved(self, table: Table, where: str, key: str) -> dict[str, str]:
        """Return mapped name → column of the file, each of which is there."""
        available = table.column_names
        columns = {
            name: resolve(names, name, available, where, key)
            for name, names in self.columns.items()
            if names is not None
        }
        if self.needs_prompt and "prompt" not in columns:
            raise DataError(f"sources.{key}.columns maps no prompt: add columns.prompt=NAME")
        if "id" not in columns and "id" in available:
            columns["id"] = "id"
        if "id" in columns:
            _unique_ids(table, columns["id"], where, key)
        return columns

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

    def _held_apart(self, table: Table, id_column: str | None, kept: Any, split: str) -> Any:
        """Return the kept positions that belong to train or to test, by a hash of the id."""
        ids: Sequence[Any] = table.column(id_column) if id_column else range(len(table))
        threshold = (self.hold_out or 0.0) * 2**64
        test = np.array([seed_of("hold out", str(ids[place])) < threshold for place in kept])
        return kept[test if split == "test" else ~test] if len(kept) else kept


def _unique_ids(table: Table, column: str, where: str, key: str) -> None:
    seen: Mapping[Any, int] = {}
    ids = table.column(column)
    if len(set(map(str, ids))) == len(ids):
        return
    seen = {}
    for place, value in enumerate(map(str, ids)):
        if value in seen:
            raise DataError(
                f"sources.{key}: {where}: rows {seen[value] + 1} and {place + 1} have the same id"
                f" '{value}' (column '{column}'); ids must differ: name another column with"
                f" sources.{key}.columns.id=NAME"
            )
        seen[value] = place
