"""What a folder's name says of the stage or evaluation that lies in it."""

from __future__ import annotations

from pathlib import Path


class Named:
    """A folder called ``NAME-FINGERPRINT``."""

    folder: Path

    @property
    def name(self) -> str:
        """Return its name: a stage's in the recipe, also of the evaluation of its model.

        An evaluation beside main has its own behind it (``rl.ood``).
        """
        return self.folder.name.rpartition("-")[0]

    @property
    def fingerprint(self) -> str:
        """Return what identifies it."""
        return self.folder.name.rpartition("-")[2]
