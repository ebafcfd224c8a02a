"""A model with its card, recipe and record written into a folder, every file compared."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import etude
from etude.errors import CheckpointError, StorageError
from etude.execute import atomic
from etude.export import discreet
from etude.export.card import card_of
from etude.export.facts import ADAPTER, Facts, recipe_of
from etude.export.measured import CARD, RECIPE, RECORD
from etude.export.naming import Subject
from etude.export.row import row_of
from etude.plan import layout
from etude.plan.published import check_files

#: The version of the record.
VERSION = 1

#: Keys by which configs of models and tokenizers remember where they were loaded from.
_REMEMBERED = re.compile(r"(\w*_)?(path|file|dir|folder)")

#: The one of them that adapters name their base by.
_ADAPTED = "base_model_name_or_path"

_CHUNK = 1 << 20

#: The shape of the record, as far as it is read back.
SHAPE = {"version": int, "files": dict}


@dataclass(frozen=True)
class Exported:
    """What was written: the folder, its files with their sizes, and what a person should know."""

    folder: Path
    files: Mapping[str, int]
    notes: tuple[str, ...] = ()


def refuse_place(to: Path, *, overwrite: bool) -> None:
    """Raise StorageError where something else lies that would be overwritten.

    A folder is written into if it is empty, or, asked to ``overwrite``, holds an earlier export.
    """
    if to.is_symlink() and not to.exists():
        raise StorageError(f"{to} is a link to nothing; choose another --to FOLDER")
    if to.exists() and not to.is_dir():
        raise StorageError(f"{to} is a file; --to names a folder")
    inside = next((each for each in (to, *to.parents) if _is_ours(each)), None)
    if inside is not None:
        raise StorageError(
            f"{to} lies in {inside}, which holds what a stage or an evaluation published; choose "
            "another --to FOLDER"
        )
    if not to.is_dir() or not any(to.iterdir()):
        return
    if layout.read_json(to / RECORD, SHAPE) is None:
        raise StorageError(
            f"{to} is not empty and holds no export, so nothing is written there; choose another "
            "--to FOLDER"
        )
    if not overwrite:
        raise StorageError(f"{to} holds an export already; --overwrite replaces its files")


def _is_ours(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (layout.STAGE, layout.DONE))


def write(facts: Facts, to: Path, *, overwrite: bool = False) -> Exported:
    """Write a model's export into a folder and return what is in it.

    Weights are copied and hashed on the way: what lies there in the end is what the stage
    published. Raises CheckpointError naming the file that is not, and StorageError.
    """
    refuse_place(to, overwrite=overwrite)
    subject = facts.subject
    published = subject.published
    beside = to.with_name(f".{to.name}.{secrets.token_hex(4)}.tmp")
    notes: list[str] = []
    with atomic.storing(to):
        beside.mkdir(parents=True)
        try:
            files = {
                name: _copied(subject, name, beside / name, digest)
                for name, digest in published.items()
            }
            changed = _without_places(facts, beside, published)
            notes += [f"{name} now says {now}, not where that lay here" for name, now in changed]
            texts = {CARD: card_of(facts), RECIPE: _yaml(recipe_of(facts))}
            for name, text in texts.items():
                (beside / name).write_text(text, encoding="utf-8")
            for name in (*texts, *(name for name, _ in changed)):
                files[name] = _entry(beside / name)
            _write_record(facts, beside, files, published)
            _put(beside, to)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    sizes = {path: int(entry["size"]) for path, entry in files.items()}
    sizes[RECORD] = (to / RECORD).stat().st_size
    return Exported(to, sizes, tuple(notes))


def _copied(subject: Subject, name: str, place: Path, digest: str) -> dict[str, Any]:
    """Copy a file and return its size and hash; raises CheckpointError where that is another."""
    source = subject.folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    found, size = hashlib.sha256(), 0
    if source.is_file():
        with source.open("rb") as read, place.open("wb") as written:
            while chunk := read.read(_CHUNK):
                found.update(chunk)
                size += written.write(chunk)
    if found.hexdigest() != digest:
        stage, path = subject.stage, f"{subject.output}/{name}"
        check_files(stage.folder, stage.name, {path: (stage.done or {})["files"][path]})
        raise CheckpointError(f"{source} changed while it was copied; type the command again")
    return {"size": size, "sha256": digest}


def _entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _without_places(
    facts: Facts, folder: Path, published: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Take the places on this machine out of configs; return (file, what it says now) of each."""
    changed = []
    for name in published:
        path = folder / name
        if path.suffix != ".json" or path.stat().st_size > _CHUNK:
            continue
        content = layout.read_json(path)
        if content is None:
            continue
        now = dict(content)
        for key, old in content.items():
            if isinstance(old, str) and _REMEMBERED.fullmatch(key):
                now[key] = discreet.tree(old)
        if name == ADAPTER:  # of no use where its base cannot be found, so that is known by now
            now[_ADAPTED] = facts.base
        if now != content:
            path.write_text(json.dumps(now, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            changed.append((name, ", ".join(str(now[k]) for k in now if now[k] != content.get(k))))
    return changed


def _yaml(content: Mapping[str, Any]) -> str:
    import yaml

    head = "# The resolved config of every stage that this model came of, as etude recorded it.\n"
    return head + yaml.safe_dump(
        json.loads(json.dumps(content, default=str)), sort_keys=False, allow_unicode=True
    )


def _write_record(
    facts: Facts, folder: Path, files: Mapping[str, Any], published: Mapping[str, str]
) -> None:
    """Write etude.json last: what lies beside it, and which of it is what the stage published."""
    stage = facts.subject.stage
    content = {
        "version": VERSION,
        "etude": etude.__version__,
        "exported": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "name": facts.name,
        "stage": stage.name,
        "fingerprint": stage.fingerprint,
        "output": facts.subject.output,
        "finished": (stage.done or {}).get("finished"),
        "base": facts.base or None,
        "licence": facts.licence.licence,
        "data": [discreet.tree(source.as_json()) for source in facts.sources],
        "row": row_of(facts),
        "trained_with": facts.versions,
        "files": {
            name: {**entry, "published": published.get(name) == entry["sha256"]}
            for name, entry in files.items()
        },
    }
    atomic.write_json(folder / RECORD, content)


def _put(beside: Path, to: Path) -> None:
    """Move a finished folder to its place; the record of an earlier export there goes first."""
    if not to.exists():
        atomic.sync_tree(beside)
        beside.rename(to)
        return
    earlier = layout.read_json(to / RECORD, SHAPE) or {"files": {}}
    (to / RECORD).unlink(missing_ok=True)
    for name in earlier["files"]:
        inside = Path(name)
        if not inside.is_absolute() and ".." not in inside.parts:
            (to / inside).unlink(missing_ok=True)
    paths = sorted(path for path in beside.rglob("*") if path.is_file())
    for path in sorted(paths, key=lambda each: each.name == RECORD):
        place = to / path.relative_to(beside)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
