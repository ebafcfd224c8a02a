"""Tables that the library `datasets` reads: hub sets and Parquet, memory-mapped by it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etude.errors import DataError


class ArrowTable:
    """A `datasets.Dataset` read by position and by column."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.column_names: list[str] = list(dataset.column_names)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, position: int) -> dict[str, Any]:
        if not 0 <= position < len(self):
            raise IndexError(position)
        row: dict[str, Any] = self._dataset[position]
        return row

    def column(self, name: str) -> list[Any]:
        """Return one column of every row."""
        return list(self._dataset[name])

    def where(self, position: int) -> str:
        """Return the number of a row."""
        return f"row {position + 1}"


def load_parquet(paths: Sequence[Path], key: str) -> ArrowTable:
    """Return local Parquet files as one table; raises DataError when they cannot be read."""
    import datasets
    from datasets.exceptions import DatasetGenerationError

    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(
            "parquet", data_files=[str(path.resolve()) for path in paths], split="train"
        )
    except (DatasetGenerationError, OSError, ValueError) as error:
        cause = error.__cause__ or error
        names = ", ".join(path.name for path in paths)
        raise DataError(f"sources.{key}: {names} cannot be read as Parquet: {cause}") from error
    return ArrowTable(loaded)


def load_hub(
    hub: str, config: str | None, revision: str | None, split: str, key: str
) -> ArrowTable:
    """Return one split of a hub set; raises DataError saying how to give a local copy instead."""
    import datasets
    from datasets.exceptions import DatasetNotFoundError

    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(hub, config, revision=revision, split=split)
    except (DatasetNotFoundError, OSError, ValueError) as error:
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise DataError(
            f"sources.{key}: the hub set {hub}{f'/{config}' if config else ''}, split {split},"
            f" cannot be loaded{offline}: {reason}\n"
            f"  sources.{key}.path=FOLDER      if you have a local copy"
            f" (JSON Lines, .gz, Parquet or CSV)\n"
            f"  sources.{key}.splits.<split>=NAME  if the split has another name there"
        ) from error
    return ArrowTable(loaded)
