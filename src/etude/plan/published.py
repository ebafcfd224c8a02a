"""Whether what lies in a stage's folder is what the stage published, by DONE.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from etude.config.quoting import pasted
from etude.errors import CheckpointError
from etude.plan import layout, records
from etude.plan.digest import sha256_of

#: What loading a folder reads; a README or a conversion beside it changes nothing.
_READ = (".json", ".safetensors", ".jinja", ".model", ".txt", ".py", ".bin", ".jsonl")

#: Folders above an output of a stage up to the stage's own: ``roles/critic``.
_DEEPEST = 2


def check_published(place: Path, progress: Callable[[], None] = lambda: None) -> None:
    """Hash what lies in ``place``, a folder that a stage or an evaluation wrote, or one in it.

    A place that belongs to neither is left alone. ``progress`` is called after each file. Raises
    CheckpointError naming the file that is missing, not as it was published, or was put there.
    """
    place = place.expanduser().absolute()
    for folder in (place, *place.parents[:_DEEPEST]):
        done = layout.read_json(folder / layout.DONE, records.MANIFEST)
        if done is not None:
            inside = "" if place == folder else f"{place.relative_to(folder).as_posix()}/"
            files = {
                name: entry for name, entry in done["files"].items() if name.startswith(inside)
            }
            if files:
                check_files(folder, str(done.get("name")), files, progress)
                _refuse_more(folder, place, inside, files)
            return
        if (folder / layout.STAGE).is_file() and place != folder:
            state = "cannot be read" if (folder / layout.DONE).exists() else "is not there"
            raise CheckpointError(
                f"{place} lies in a stage's folder whose {layout.DONE} {state}, so nothing says "
                "whether it is whole. Let the stage finish (the command that trains it goes on "
                "from its last checkpoint and publishes it), or copy the folder to another place "
                "to use it as it is"
            )


def check_files(
    folder: Path,
    name: str,
    files: Mapping[str, Mapping[str, Any]],
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Raise CheckpointError for the first of ``files`` that is not as stage ``name`` published it.

    ``files`` maps paths below ``folder`` to what DONE.json says of them.
    """
    for path, entry in files.items():
        progress()
        file = folder / path
        if not file.is_file():
            why = "it is not there"
        elif file.stat().st_size != entry["size"]:
            why = f"{file.stat().st_size:,} bytes, then {entry['size']:,}"
        elif sha256_of(file) != entry["sha256"]:
            why = "its hash differs"
        else:
            continue
        raise CheckpointError(
            f"{file} is not as stage {name} published it ({why}). "
            f"Delete {folder / layout.DONE} to publish it again from the last checkpoint, or train "
            f"the stage again: {pasted(f'fresh=[{name}]')}"
        )


def _refuse_more(folder: Path, place: Path, inside: str, files: Mapping[str, Any]) -> None:
    if not inside:
        return
    there = sorted(path for path in place.rglob("*") if path.suffix in _READ and path.is_file())
    for path in there:
        below = path.relative_to(folder).as_posix()
        if below not in files and not path.name.startswith("."):
            raise CheckpointError(
                f"{path} was put into what a stage published, and would be read with it; take it "
                f"out, or copy {place} to another place to use both"
            )
