"""What a person's word names to be exported: the model of a stage, by run, stage or evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etude.config.spelling import did_you_mean
from etude.errors import StorageError
from etude.launch.seeing.asked import folders_of
from etude.plan import layout
from etude.plan.references import MODEL, ROLES
from etude.recorded.outputs import Outputs
from etude.recorded.run import Member, Run
from etude.recorded.stage import Stage

#: Least letters of a fingerprint that stand for it.
_LEAST = 3

#: Folders above an output of a stage up to the stage's own: ``roles/critic``.
_DEEPEST = 2


@dataclass(frozen=True)
class Subject:
    """One model that a finished stage hands on.

    ``output`` is its folder in the stage's (``model``, ``roles/critic``). ``run`` and ``member``
    are known where a run was named.
    """

    stage: Stage
    output: str = MODEL
    run: Run | None = None
    member: Member | None = None

    @property
    def folder(self) -> Path:
        """Return the folder that its files lie in."""
        return self.stage.folder / self.output

    @property
    def outputs(self) -> Path:
        """Return the folder of results that it lies in."""
        return self.stage.folder.parent.parent

    @property
    def head(self) -> str:
        """Return its name as commands take it: ``rl-3c1e``, ``rl-3c1e-critic``."""
        role = self.output.removeprefix(ROLES)
        head = f"{self.stage.name}-{self.stage.fingerprint[:4]}"
        return head if self.output == MODEL else f"{head}-{role}"

    @property
    def published(self) -> dict[str, str]:
        """Return its files below :attr:`folder` with the SHA-256 that each was published with."""
        inside = f"{self.output}/"
        files = (self.stage.done or {}).get("files") or {}
        return {
            name.removeprefix(inside): str(entry.get("sha256") or "")
            for name, entry in files.items()
            if name.startswith(inside)
        }


def subjects_of(word: str, outputs: Outputs, *, stage: str = "", role: str = "") -> list[Subject]:
    """Return the models that a word names: one, or one for each member of a sweep.

    A word is part of a run's name, the head of a stage or an evaluation (``rl-3c1e``, ``3c1e``), or
    the folder of one. Of a run the last stage that hands on a model counts, or the one called
    ``stage``; ``role`` names another model that the stage trained. Raises StorageError for what
    names nothing, more than one thing, or a stage that is not finished.
    """
    found = _named(word, outputs, stage)
    checked = [_of_role(each, role) for each in found]
    once = {(each.stage.fingerprint, each.output): each for each in reversed(checked)}
    return list(once.values())[::-1]


def the_subject(word: str, outputs: Outputs, *, stage: str = "", role: str = "") -> Subject:
    """Return the only model that a word names; raises StorageError where there are several."""
    found = subjects_of(word, outputs, stage=stage, role=role)
    if len(found) > 1:
        listed = [
            f"{each.head} ({' '.join(each.member.own)})" if each.member else each.head
            for each in found[:8]
        ]
        more = " …" if len(found) > len(listed) else ""
        raise StorageError(
            f"'{word}' has {len(found)} models; type one of them: {', '.join(listed)}{more}"
        )
    return found[0]


def _named(word: str, outputs: Outputs, stage: str) -> list[Subject]:
    folder = Path(word).expanduser()
    if folder.is_dir() and ("/" in word or word in (".", "..")):
        return _in_folder(folder.resolve(), stage)  # a run has links to its stages
    runs = [path.name for path in folders_of(outputs.folder)]
    if not any(word in (name, name.rpartition("-")[2]) for name in runs):
        stages = [path for path in layout.stage_folders(outputs.folder) if _fits(path, word)]
        parent = outputs.folder / layout.EVALUATIONS
        folders = sorted(parent.glob("[!.]*")) if parent.is_dir() else []
        measured = [path for path in folders if _fits(path, word)]
        both = [*stages, *measured]
        if len(both) > 1:
            listed = ", ".join(path.name for path in both[:8]) + (" …" if len(both) > 8 else "")
            raise StorageError(f"'{word}' fits {len(both)} folders; type more of one: {listed}")
        if stages:
            return [_of_stage(stages[0], outputs)]
        if measured:
            return [_of_evaluation(measured[0], outputs)]
    return _of_run(outputs.run(word), outputs, stage)


def _fits(folder: Path, word: str) -> bool:
    """Tell whether a word is the head of a folder's name with some of its fingerprint, or that."""
    name, _, fingerprint = folder.name.rpartition("-")
    start = word.removeprefix(f"{name}-")
    return len(start) >= _LEAST and fingerprint.startswith(start)


def _in_folder(folder: Path, stage: str) -> list[Subject]:
    for place in (folder, *folder.parents[:_DEEPEST]):
        outputs = Outputs(place.parent.parent)
        if place.parent.name == layout.RUNS:
            return _of_run(outputs.run_in(place), outputs, stage)
        if (place / layout.STAGE).is_file():
            found = _of_stage(place, outputs)
            below = folder.relative_to(place).as_posix()
            return [Subject(found.stage, below) if below.startswith(ROLES) else found]
        if place.parent.name == layout.EVALUATIONS:
            return [_of_evaluation(place, outputs)]
    raise StorageError(f"{folder} is the folder of no run, stage or evaluation")


def _of_evaluation(folder: Path, outputs: Outputs) -> Subject:
    found = outputs.evaluation_in(folder)
    if found is None:
        raise StorageError(f"{folder} is no finished evaluation")
    stage = None if found.stage is None else outputs.stage(found.stage)
    if stage is None:
        raise StorageError(
            f"{folder.name} measured a model that no stage here made, so there is nothing to export"
        )
    return _of_stage(stage.folder, outputs)


def _of_stage(folder: Path, outputs: Outputs) -> Subject:
    stage = outputs.stage_in(folder)
    if stage is None:
        raise StorageError(f"{folder} cannot be read as a stage")
    if stage.done is None:
        raise StorageError(_unfinished(stage))
    return Subject(stage)


def _of_run(run: Run, outputs: Outputs, wanted: str) -> list[Subject]:
    found = []
    for member in run.members:
        own = [each for each in member.stages if wanted in ("", each.name)]
        if not own and wanted:
            names = [each.name for each in member.stages]
            raise StorageError(
                f"{run.name} has no stage '{wanted}'.{did_you_mean(wanted, names)} It has "
                f"{', '.join(names)}"
            )
        for each in reversed(own):
            stage = outputs.stage(each.fingerprint, each.name)
            if stage is None:
                short = run.name.rpartition("-")[2]
                raise StorageError(
                    f"{each.name} of {run.name} has not begun, and only what is finished is "
                    f"exported; etude resume {short} goes on with it"
                )
            if stage.done is None:
                raise StorageError(_unfinished(stage, run))
            if stage.model is not None or each is own[0]:  # none before it: that is told by name
                found.append(Subject(stage, MODEL, run, member))
                break
    if not found:
        raise StorageError(f"{run.name} trained no stage, so it has no model to export")
    return found


def _unfinished(stage: Stage, run: Run | None = None) -> str:
    begun, steps = len(stage.metrics), stage.about.get("steps")
    far = f"step {begun:,} of {steps:,}" if isinstance(steps, int) else f"step {begun:,}"
    name = "RUN" if run is None else run.name.rpartition("-")[2]
    return (
        f"{stage.folder.name} is not finished ({far}), and only what is finished is exported; "
        f"etude resume {name} goes on with it"
    )


def _of_role(subject: Subject, role: str) -> Subject:
    """Return a subject, or the other model of its stage that is asked for."""
    output = f"{ROLES}{role.removeprefix(ROLES)}" if role else subject.output
    found = Subject(subject.stage, output, subject.run, subject.member)
    if any(name.endswith(".safetensors") for name in found.published):
        return found
    files = (subject.stage.done or {}).get("files") or {}
    roles = {name.split("/")[1] for name in files if name.startswith(ROLES)}
    has = [*(["its model"] if subject.published else []), *(f"--role {r}" for r in sorted(roles))]
    what = f"no model '{role}'" if role else "no model"
    raise StorageError(
        f"{subject.stage.folder.name} hands on {what}; it has {', '.join(has) or 'rows alone'}"
    )
