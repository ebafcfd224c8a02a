"""What a person names of what was made: a stage, its model, or an evaluation, under ``outputs``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etude.errors import StorageError
from etude.plan import layout

_KINDS = {layout.STAGES: "stage", layout.EVALUATIONS: "evaluation"}


def model_folder(text: str, outputs: Path) -> Path:
    """Return the folder of a model: one that is there, or the model of a stage (``rl-9be2``)."""
    path = Path(text).expanduser()
    if path.is_file() or (path.is_dir() and not (path / layout.STAGE).is_file()):
        return path
    return _model_of(path if path.is_dir() else stage_folder(text, outputs))


def stage_folder(text: str, outputs: Path) -> Path:
    """Return the folder of a stage by its path, its name, or the head of its name and print."""
    return _named(text, outputs, layout.STAGES)


def evaluation_folder(text: str, outputs: Path) -> Path:
    """Return the folder of an evaluation, named as a stage is: ``rl.ood-51ab``."""
    return _named(text, outputs, layout.EVALUATIONS)


def _model_of(stage: Path) -> Path:
    model = stage / "model"
    if not model.is_dir():
        raise StorageError(
            f"{stage} has handed on no model; it is not finished, or it makes rows alone"
        )
    return model


def _named(text: str, outputs: Path, kind: str) -> Path:
    """Raises StorageError where there is none, or where several begin like that."""
    path = Path(text).expanduser()
    if path.is_dir():
        return path
    parent = outputs / kind
    every = sorted(each.name for each in parent.glob("[!.]*")) if parent.is_dir() else []
    for fits in (
        [name for name in every if name == text],
        [name for name in every if name.rpartition("-")[0] == text],
        [name for name in every if name.startswith(text)],
    ):
        if len(fits) == 1:
            return parent / fits[0]
        if fits:
            raise StorageError(
                f"'{text}' fits {len(fits)} folders of {parent}; type more of one: {_some(fits)}"
            )
    known = f"; there are {_some(every)}" if every else ""
    raise StorageError(f"there is no {_KINDS[kind]} '{text}' in {parent}{known}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
