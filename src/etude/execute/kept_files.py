"""Components by path, copied into the folder of the run that uses them (:mod:`.by_path.copies`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from etude.by_path import copies, files
from etude.by_path.files import Bundle
from etude.by_path.reference import files_of, read
from etude.errors import StorageError
from etude.execute import atomic


def keep(run: Path, configs: Iterable[Any], codes: Iterable[Mapping[str, str | None]] = ()) -> None:
    """Copy the files that configs name, and the local files they import, into a run's folder.

    ``codes`` are the hashes of the code that the run was planned with. Raises StorageError, also
    where a file says something else by now.
    """
    planned = list(codes)
    place = run / copies.FOLDER
    index: dict[str, dict[str, str]] = {}
    for number, (typed, name) in enumerate(sorted(files_of(configs).items())):
        reference = read(name)
        bundle = files.read(reference.file)
        _refuse_other(bundle, planned)
        for inner, source in bundle.sources.items():
            copy = place / str(number) / inner
            with atomic.storing(copy):
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(source)
        index[typed] = {"copy": f"{number}/{bundle.main}", "original": str(reference.original)}
    if index:
        atomic.sync_tree(place)
        atomic.write_json(place / copies.INDEX, index)


def _refuse_other(bundle: Bundle, planned: Iterable[Mapping[str, str | None]]) -> None:
    """Raise StorageError where a file is not what fingerprints were made of a moment ago."""
    for name, digest in bundle.prints.items():
        there = [code for code in planned if name in code]
        if there and not any(digest in code.values() for code in there):
            raise StorageError(
                f"{bundle.root / name} was changed while this command was planned; type it again"
            )
