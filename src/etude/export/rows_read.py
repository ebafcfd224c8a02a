"""The data that a row of stages was trained on: where it is from, which part, and its hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from etude.export.measured import parts_of
from etude.export.origin import Link, Origin
from etude.plan import layout
from etude.plan.digest import FileHashes

#: Keys of a source that say where rows are from; the rest is how they are read.
_PLACE = ("hub", "config", "revision", "path", "from_stage")

#: How an attempt writes down when it began.
_TIME = "%Y-%m-%dT%H:%M:%S%z"

#: Bytes of a file of JSON lines up to which its rows are counted.
_COUNTED = 256 << 20


@dataclass(frozen=True)
class Source:
    """Rows that a stage read: ``stages`` are those that did.

    ``name`` is the source's in the recipe, ``kind`` its component. ``hub`` is a set there,
    ``files`` maps the names of local files to their SHA-256 (empty: not known any more), ``rows``
    counts theirs where that is quick.
    """

    name: str
    kind: str
    stages: tuple[str, ...]
    hub: str = ""
    config: str = ""
    revision: str = ""
    split: str = ""
    share: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it without what is empty."""
        found = {key: getattr(self, key) for key in self.__dataclass_fields__}
        found["stages"] = list(self.stages)
        return {key: value for key, value in found.items() if value not in ("", None, {}, [])}


def sources_of(origin: Origin, outputs: Path) -> list[Source]:
    """Return the training data of every stage of a row, each source and part once."""
    hashes = FileHashes(outputs)
    found: dict[Any, Source] = {}
    for link in origin.links:
        for part in ("train", "demonstrations"):
            for name, share, node in parts_of(link.config, part):
                source = _source(name, share, node, link, hashes)
                key = (name, source.split, repr(source.share), repr(source.options))
                stages = (*found[key].stages, link.name) if key in found else (link.name,)
                found[key] = Source(**{**vars(source), "stages": tuple(dict.fromkeys(stages))})
    return list(found.values())


def _source(
    name: str,
    share: Mapping[str, Any],
    node: Mapping[str, Any],
    link: Link,
    hashes: FileHashes,
) -> Source:
    path = str(node.get("path") or "")
    files, rows = _files(path, link, hashes) if path else ({}, None)
    own = {
        key: value
        for key, value in node.items()
        if key not in (*_PLACE, "name", "preset")
        and isinstance(value, (int, float))
        and not isinstance(value, bool)
    }
    given = {
        key: value
        for key, value in share.items()
        if key not in ("source", "split") and value not in (None, {}, [])
    }
    return Source(
        name,
        str(node.get("preset") or node.get("name") or ""),
        (link.name,),
        hub="" if path else str(node.get("hub") or ""),
        config="" if path else str(node.get("config") or ""),
        revision="" if path else str(node.get("revision") or ""),
        split=str(share.get("split") or ""),
        share=given,
        options=own,
        path=path,
        files=files,
        rows=rows,
    )


def _files(path: str, link: Link, hashes: FileHashes) -> tuple[dict[str, str], int | None]:
    """Return the hashes of files as the stage read them, and their rows.

    A file that is younger than the stage may be another than it was trained on.
    """
    place = Path(path).expanduser()
    began = None if link.stage is None else _began(link.stage.folder)
    if began is None:
        return {}, None
    try:
        names = [place] if place.is_file() else sorted(place.iterdir()) if place.is_dir() else []
        known = dict(hashes.remembered(path))
        files = {
            file.name: known[file.name]
            for file in names
            if file.name in known and file.stat().st_mtime <= began
        }
        read = [file for file in names if file.name in files]
        return files, _counted(read)
    except OSError:
        return {}, None


def _began(folder: Path) -> float | None:
    """Return when a stage was first worked on, in seconds since the epoch."""
    attempts = layout.attempts(folder)
    about = layout.read_json(attempts[0] / "attempt.json") if attempts else None
    try:
        return datetime.strptime(str((about or {}).get("started")), _TIME).timestamp()
    except ValueError:
        return None


def _counted(files: list[Path]) -> int | None:
    small = sum(file.stat().st_size for file in files) <= _COUNTED
    if not files or not small or any(file.suffix != ".jsonl" for file in files):
        return None
    return sum(file.read_bytes().count(b"\n") for file in files)
