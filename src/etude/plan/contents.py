"""What the folders among inputs hold when a run is planned."""

from __future__ import annotations

from pathlib import Path

from etude.plan.digest import FileHashes
from etude.plan.references import Folder, Reference


class Contents:
    """Gives folders the hashes of their files, and files their own, read once."""

    def __init__(self, hashes: FileHashes) -> None:
        self._hashes = hashes
        self._found: dict[Path, Folder] = {}

    def of(self, reference: Reference) -> Reference:
        """Return a folder with what lies in it, anything else as it is."""
        if not isinstance(reference, Folder):
            return reference
        path = reference.path
        if path not in self._found:
            self._found[path] = Folder(path, self._now(path))
        return self._found[path]

    def changed(self, folder: Folder) -> list[Path]:
        """Return the files of a folder that are not as they were when it was planned."""
        now, then = self._now(folder.path), folder.files
        names = sorted(name for name in {*now, *then} if now.get(name) != then.get(name))
        return [folder.path / name if name else folder.path for name in names]

    def _now(self, path: Path) -> dict[str, str]:
        """Return name → hash of a folder's files; what a file alone is called does not count."""
        return {"": self._hashes.of(path)} if path.is_file() else self._hashes.model(path)
