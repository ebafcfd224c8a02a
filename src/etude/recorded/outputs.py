"""Everything under ``outputs/``, found by name or by fingerprint and read once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from etude.launch.seeing.asked import folders_of, matching, the_one
from etude.plan import layout
from etude.recorded import evaluation, run, stage
from etude.recorded.evaluation import Evaluation
from etude.recorded.run import Run
from etude.recorded.stage import Stage


class Outputs:
    """The runs, stages and evaluations of one folder of results; nothing here writes.

    What appears after the first look is not seen. ``problems`` says which files could not be read.
    """

    def __init__(self, folder: Path | str = "outputs") -> None:
        self.folder = Path(folder).expanduser().absolute()
        self.problems: list[str] = []
        self._folders = layout.Folders(self.folder)
        self._runs: dict[Path, Run] = {}
        self._stages: dict[Path, Stage | None] = {}
        self._evaluations: dict[Path, Evaluation | None] = {}

    def runs(self, wanted: str | None = None) -> list[Run]:
        """Return the runs, newest first; ``wanted`` is part of a name.

        Raises StorageError where no run has that name.
        """
        found = folders_of(self.folder) if wanted is None else matching(self.folder, wanted)
        return [self.run_in(folder) for folder in found]

    def run(self, wanted: str) -> Run:
        """Return the only run of a name; raises StorageError where there is none, or several."""
        return self.run_in(the_one(self.folder, wanted))

    def run_in(self, folder: Path) -> Run:
        """Return the run in a folder."""
        if folder not in self._runs:
            self._runs[folder] = run.read(folder)
            self.problems += self._runs[folder].damage
        return self._runs[folder]

    def stages(self) -> list[Stage]:
        """Return every stage, by name."""
        found = map(self.stage_in, layout.stage_folders(self.folder))
        return [each for each in found if each is not None]

    def stage(self, fingerprint: str, name: str = "") -> Stage | None:
        """Return the stage of a fingerprint, None where there is none."""
        return self.stage_in(self._folders.stage(name, fingerprint))

    def stage_in(self, folder: Path) -> Stage | None:
        """Return the stage in a folder, None where there is none."""
        if folder not in self._stages:
            self._stages[folder] = stage.read(folder, self.problems.append)
        return self._stages[folder]

    def evaluations(self) -> list[Evaluation]:
        """Return every finished evaluation, by name."""
        parent = self.folder / layout.EVALUATIONS
        folders = sorted(parent.glob("[!.]*")) if parent.is_dir() else []
        found = map(self.evaluation_in, folders)
        return [each for each in found if each is not None]

    def evaluation(self, fingerprint: str, name: str = "") -> Evaluation | None:
        """Return the evaluation of a fingerprint, None where it is not finished."""
        return self.evaluation_in(self._folders.evaluation(name, fingerprint))

    def evaluation_in(self, folder: Path) -> Evaluation | None:
        """Return the evaluation in a folder, None where it is not finished."""
        if folder not in self._evaluations:
            self._evaluations[folder] = evaluation.read(folder, self.problems.append)
        return self._evaluations[folder]

    @cached_property
    def _by_stage(self) -> dict[str, list[Evaluation]]:
        found: dict[str, list[Evaluation]] = {}
        for each in self.evaluations():
            if each.stage is not None:
                found.setdefault(each.stage, []).append(each)
        return found

    def evaluations_of(self, fingerprint: str) -> list[Evaluation]:
        """Return the finished evaluations of the model of a stage."""
        return self._by_stage.get(fingerprint, [])
