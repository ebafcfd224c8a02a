"""Places that a person has begun to type, for completion in a shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from etude.by_path import files
from etude.by_path.describe import offered
from etude.by_path.reference import is_reference, read


def places(typed: str) -> Iterator[str]:
    """Yield what a begun place may become: a folder, a file, or a name in a file.

    Nothing where what was typed is no beginning of a path.
    """
    if is_reference(typed) and ":" in typed:
        reference = read(typed)
        if reference.file.is_file():
            bundle = files.read(reference.file)
            names = offered(bundle.tree) if bundle.main in bundle.trees else []
            yield from (f"{reference.shown}:{name}" for name in names)
        return
    if not typed.startswith(("./", "../", "/", "~/")):
        return
    head = typed[: typed.rindex("/") + 1]
    folder = Path(head).expanduser()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if " " in path.name or path.name.startswith((".", "__")):
            continue  # a blank would part it in two
        if path.is_dir():
            yield f"{head}{path.name}/"
        elif path.suffix == ".py":
            yield f"{head}{path.name}:"
