"""Where the ranks of a job's attempts wrote what they printed, and what came before any rank."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from etude.execute.lines import raw_lines
from etude.launch import registry
from etude.launch.slurm.script import JOBS_FOLDER

#: What stands for a job where processes of one machine do the work.
LOCAL = "local"


@dataclass(frozen=True)
class Start:
    """One start of a job: its first one is restart 0, one after a requeue the next number."""

    job: str
    restart: int
    folder: Path

    def of_rank(self, rank: int) -> Path:
        """Return the file of a rank, or that of rank 0 where that rank has none."""
        own = self.folder / f"rank{rank}.log"
        return own if own.is_file() else self.folder / "rank0.log"

    @property
    def words(self) -> str:
        """Return ``job 812_3``, ``job 812_3 (restart 1)``, or ``start 2`` of a process here."""
        if self.job == LOCAL:
            return f"start {self.restart + 1}"
        return f"job {self.job}" + (f" (restart {self.restart})" if self.restart else "")

    @property
    def ranks(self) -> list[int]:
        """Return the ranks that have printed."""
        names = (path.stem.removeprefix("rank") for path in self.folder.glob("rank*.log"))
        return sorted(int(name) for name in names if name.isdecimal())


def starts(folder: Path, name: str, unit: str, job: str | None = None) -> list[Start]:
    """Return the starts of a unit's jobs in a run (None: of all its jobs), oldest first."""
    place = registry.log_folder(folder, name, unit, "", 0).parent
    try:
        names = os.listdir(place)  # noqa: PTH208  (names are all that is needed)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for each in names:
        own, _, restart = each.rpartition(".")
        if restart.isdecimal() and job in (None, own):
            found.append(Start(own, int(restart), place / each))
    if len(found) < 2:
        return found
    order = {job: 0} if job is not None else _order(folder, unit)
    return sorted(found, key=lambda start: (order.get(start.job, -1), start.restart))


_TAIL = 8192
_SCRIPT = re.compile(r"^\S*slurm_script: line \d+: ")


def batch_log(folder: Path, job: str) -> Path | None:
    """Return what the batch script of a job and srun printed, where they printed anything."""
    path = folder / JOBS_FOLDER / f"{job}_0_log.out"
    return path if job and path.is_file() and path.stat().st_size else None


def last_words(path: Path) -> str:
    """Return the last line of a batch log that says why, without the place of the script."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _TAIL))
        text = stream.read().decode(errors="replace")
    found = [line for line in text.splitlines() if line.strip() and not line.startswith("srun:")]
    return _SCRIPT.sub("", found[-1].strip()) if found else ""


def _order(folder: Path, unit: str) -> dict[str, int]:
    """Return when each job of a unit was handed over, as a rank."""
    lines = [content for content, _ in raw_lines(folder / registry.JOBS, registry.SUBMITTED)]
    return {line["job"]: number for number, line in enumerate(lines) if line["unit"] == unit}
