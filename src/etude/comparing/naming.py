"""What a person's words name: runs, stages and evaluations, by name or by folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from etude.comparing.arms import Chosen, Entry, measured_stage
from etude.config.evaluations import MAIN
from etude.errors import StorageError
from etude.launch.seeing.asked import folders_of
from etude.plan import layout
from etude.recorded.evaluation import Evaluation
from etude.recorded.outputs import Outputs
from etude.recorded.run import Run
from etude.recorded.stage import Stage

#: Least letters of a fingerprint that stand for it.
_LEAST = 3


def entries_of(words: Sequence[str], outputs: Outputs, chosen: Chosen) -> list[Entry]:
    """Return the measured models that words name, in their order.

    A word is part of a run's name, the head of a stage or an evaluation (``rl-3c1e``, ``3c1e``),
    or the folder of one; ``NAME=WORD,WORD`` puts several under one name. Raises StorageError for
    what names nothing, or more than one thing.
    """
    found: list[Entry] = []
    for word in words:
        label, equals, rest = word.partition("=")
        if equals and not Path(word).exists():
            if not label or not rest:
                raise StorageError(f"'{word}': NAME=RUN,STAGE,… puts several under one name")
            for each in rest.split(","):
                found += (_labelled(entry, label) for entry in _named(each, outputs, chosen))
        else:
            found += _named(word, outputs, chosen)
    return found


def entries_of_run(run: Run, outputs: Outputs, chosen: Chosen) -> list[Entry]:
    """Return what each member of a run measured; ``chosen`` keeps which of them have nothing."""
    found = []
    for member in run.members:
        stage = measured_stage(member, chosen)
        said = " ".join(member.own) or run.name
        if stage is None:
            chosen.missing.append(f"{said} has no evaluation {chosen.evaluation}{_of(chosen)}")
            continue
        evaluation = outputs.evaluation(stage.after[chosen.evaluation], stage.name)
        if evaluation is None:
            chosen.missing.append(f"{said} is not measured yet, or that failed")
            continue
        before = stage.before.get(chosen.evaluation)
        found.append(
            Entry(
                evaluation,
                member=member,
                run=run,
                stage=outputs.stage(stage.fingerprint, stage.name),
                before=None if before is None else outputs.evaluation(before),
            )
        )
    for fingerprint, name in run.measured.items():
        evaluation = outputs.evaluation(fingerprint, name)
        if evaluation is not None and evaluation.of == chosen.evaluation:
            found.append(Entry(evaluation))
    return found


def _of(chosen: Chosen) -> str:
    return f" of a stage {chosen.stage}" if chosen.stage else ""


def _labelled(entry: Entry, label: str) -> Entry:
    return Entry(entry.evaluation, label, entry.member, entry.run, entry.stage, entry.before)


def _named(word: str, outputs: Outputs, chosen: Chosen) -> list[Entry]:
    folder = Path(word).expanduser()
    if folder.is_dir() and ("/" in word or word in (".", "..")):
        return _in_folder(folder.absolute(), chosen)
    if any(
        word in (path.name, path.name.rpartition("-")[2]) for path in folders_of(outputs.folder)
    ):
        return _of_runs(word, outputs, chosen)  # a whole name, whatever fingerprint begins with it
    stages = [path for path in layout.stage_folders(outputs.folder) if _fits(path, word)]
    parent = outputs.folder / layout.EVALUATIONS
    folders = sorted(parent.glob("[!.]*")) if parent.is_dir() else []
    evaluations = [path for path in folders if _fits(path, word)]
    both = [*stages, *evaluations]
    if len(both) > 1:
        listed = ", ".join(path.name for path in both[:8]) + (" …" if len(both) > 8 else "")
        raise StorageError(f"'{word}' fits {len(both)} folders; type more of one name: {listed}")
    if stages:
        return [_of_stage(stages[0], outputs, chosen)]
    if evaluations:
        return [_of_evaluation(evaluations[0], outputs)]
    return _of_runs(word, outputs, chosen)


def _fits(folder: Path, word: str) -> bool:
    """Tell whether a word is the head of a folder's name with some of its fingerprint, or that."""
    name, _, fingerprint = folder.name.rpartition("-")
    start = word.removeprefix(f"{name}-")
    return len(start) >= _LEAST and fingerprint.startswith(start)


def _of_runs(word: str, outputs: Outputs, chosen: Chosen) -> list[Entry]:
    run = outputs.run(word)
    found = entries_of_run(run, outputs, chosen)
    if not found:
        why = "; ".join(chosen.missing) or "it lists no measurement"
        raise StorageError(f"{run.name} has nothing to compare: {why}")
    return found


def _in_folder(folder: Path, chosen: Chosen) -> list[Entry]:
    for place in (folder, *folder.parents[:2]):
        outputs = Outputs(place.parent.parent)
        if place.parent.name == layout.RUNS:
            return entries_of_run(outputs.run_in(place), outputs, chosen)
        if (place / layout.STAGE).is_file():
            return [_of_stage(place, outputs, chosen)]
        if place.parent.name == layout.EVALUATIONS:
            return [_of_evaluation(place, outputs)]
    raise StorageError(f"{folder} is the folder of no run, stage or evaluation")


def _of_stage(folder: Path, outputs: Outputs, chosen: Chosen) -> Entry:
    stage = outputs.stage_in(folder)
    if stage is None:
        raise StorageError(f"{folder} cannot be read as a stage")
    own = outputs.evaluations_of(stage.fingerprint)
    found = [each for each in own if each.of == chosen.evaluation]
    if not found:
        known = ", ".join(each.of for each in own) or "none"
        raise StorageError(
            f"{folder.name} has no evaluation {chosen.evaluation} (it has {known}); another one is "
            "asked for by --evaluation NAME"
        )
    newest = max(found, key=lambda each: str(each.done.get("finished") or ""))
    return Entry(newest, stage=stage, before=_before(stage, outputs, chosen.evaluation))


def _before(stage: Stage, outputs: Outputs, of: str) -> Evaluation | None:
    """Return the same measurement of what a stage started from, where a stage made that."""
    parents = stage.about.get("parents") or []
    own: Iterator[Evaluation] = (
        each
        for parent in parents
        for each in outputs.evaluations_of(str(parent))
        if each.of == (of or MAIN)
    )
    return next(own, None)


def _of_evaluation(folder: Path, outputs: Outputs) -> Entry:
    found = outputs.evaluation_in(folder)
    if found is None:
        raise StorageError(f"{folder} is no finished evaluation")
    stage = None if found.stage is None else outputs.stage(found.stage)
    before = None if stage is None else _before(stage, outputs, found.of)
    return Entry(found, stage=stage, before=before)
