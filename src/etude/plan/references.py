"""References: how a config names a model, rows or another result that was made elsewhere.

Read in this order: ``base``, ``start``, a stage, ``<stage>.<output>``, ``start.<output>``, a folder
that exists, a name on the hub.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etude.config.spelling import did_you_mean, listed
from etude.model.hub_name import is_path, may_be_a_name
from etude.plan.digest import LONGEST_PATH

#: The outputs of a stage that trains a model, or writes rows.
MODEL = "model"
DATA = "data"

#: What an evaluation wrote: no output of a stage, named by its folder or its file.
SAMPLES = "samples"
_SAMPLES_FILE = "samples.jsonl"

#: Where the outputs of the other models lie that a stage trains: ``roles/critic``.
ROLES = "roles/"

#: Words that a reference may be, and no stage is called so.
RESERVED = ("base", "start", "handed_on")


@dataclass(frozen=True)
class Base:
    """The model of the config itself, as it is before any stage."""


@dataclass(frozen=True)
class Start:
    """What the stage starts from, or an output beside it."""

    output: str = ""


@dataclass(frozen=True)
class Made:
    """An output of a stage.

    ``stage`` is its name, and its fingerprint once planned; ``output`` is empty only as written,
    where it stands for what the place wants.
    """

    stage: str
    output: str = MODEL


@dataclass(frozen=True)
class Folder:
    """A folder, or a file, on this machine; ``files`` are the hashes it was planned with."""

    path: Path
    files: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Hub:
    """A model on the hub, by its name there."""

    name: str


Reference = Base | Start | Made | Folder | Hub

#: What fills one place of a config: a reference, or several where the field takes lists.
Input = Reference | tuple[Reference, ...]


def parse(text: str, stages: Iterable[str], role: str = "") -> Reference | None:
    """Return what a text names, None where it names nothing.

    ``stages`` are the names of the pipeline's stages. ``handed_on`` is the output called ``role``
    beside the model that the stage starts from.
    """
    head, dot, output = text.partition(".")
    if text == "base":
        return Base()
    if text == "handed_on" and role:
        return Start(role)
    if head in stages and (output or not dot):
        return Made(head, output)
    if head == "start" and (output or not dot):
        return Start(output)
    place = _place(text)
    if place is not None and place.is_dir():
        return Folder(_model_in(place).absolute())
    return Hub(text) if may_be_a_name(text) else None


def samples_in(text: str) -> Folder | None:
    """Return the samples of an evaluation that a text names, None where there are none."""
    place = _place(text)
    if place is None:
        return None
    file = place / _SAMPLES_FILE if place.is_dir() else place
    return Folder(file.absolute()) if file.is_file() else None


def _place(text: str) -> Path | None:
    """Return the path that a text may be, None where it can be none (``~nobody``, a long text)."""
    if not text or len(text) > LONGEST_PATH:
        return None
    try:
        return Path(text).expanduser()
    except RuntimeError:  # there is no such user
        return None


def _model_in(folder: Path) -> Path:
    """Return a folder, or the model in it where it is a stage's."""
    inside = folder / MODEL
    return inside if (inside / "config.json").is_file() else folder


def misspelt(text: str, stages: Mapping[str, Iterable[str]]) -> str:
    """Return the end of the sentence "is <text>, …" for a text that names nothing.

    ``stages`` maps the names of the pipeline's stages to their outputs.
    """
    known = listed(stages)
    names = [*stages, *_dotted(stages), "base", "start"]
    near = near_folder(text) if is_path(text) else did_you_mean(text, names)
    return f"neither a stage of this pipeline ({known}) nor a folder that exists.{near}"


def _dotted(stages: Mapping[str, Iterable[str]]) -> list[str]:
    """Return ``<stage>.<output>`` for every output that a stage has beside its model."""
    return [
        f"{name}.{output.removeprefix(ROLES)}"
        for name, outputs in stages.items()
        for output in outputs
    ]


def near_folder(text: str) -> str:
    """Return "Did you mean x?" of the folders that lie where a text would have one, or nothing."""
    place = _place(text)
    parent = None if place is None else place.parent
    if parent is None or not parent.is_dir():
        return ""
    head = text[: len(text) - len(Path(text).name)]
    there = [f"{head}{each.name}" for each in sorted(parent.iterdir()) if each.is_dir()]
    return "" if text in there else did_you_mean(text, there)


def output_of(asked: str, outputs: Iterable[str]) -> str | None:
    """Return the output that is asked for by its name, or by that of a role; None without one."""
    return next((name for name in (asked, ROLES + asked) if name in outputs), None)


def spelled(reference: Reference) -> str:
    """Return a reference as one would type it: ``sft``, ``rl.critic``, a folder, ``base``."""
    if isinstance(reference, Made):
        output = reference.output.removeprefix(ROLES)
        return reference.stage if output == MODEL else f"{reference.stage}.{output}"
    if isinstance(reference, Start):
        return f"start.{reference.output}" if reference.output else "start"
    if isinstance(reference, Folder):
        return str(reference.path)
    return reference.name if isinstance(reference, Hub) else "base"


def stage_of(reference: Reference) -> str | None:
    """Return the stage that makes what a reference names, None where no stage does."""
    return reference.stage if isinstance(reference, Made) else None


def each_of(value: Input) -> tuple[Reference, ...]:
    """Return the references in the place of an input."""
    return value if isinstance(value, tuple) else (value,)


def as_json(value: Input) -> Any:
    """Return an input as JSON; :func:`of_json` reads it again."""
    if isinstance(value, tuple):
        return [as_json(each) for each in value]
    if isinstance(value, Made):
        return {"stage": value.stage, "output": value.output}
    if isinstance(value, Folder):
        return {"folder": str(value.path), "files": dict(value.files)}
    return {"hub": value.name} if isinstance(value, Hub) else "base"


def of_json(written: Any) -> Input:
    """Return the input that :func:`as_json` wrote. Raises KeyError for anything else."""
    if isinstance(written, list):
        return tuple(reference for each in written for reference in each_of(of_json(each)))
    if written == "base":
        return Base()
    if "stage" in written:
        return Made(written["stage"], written["output"])
    if "folder" in written:
        return Folder(Path(written["folder"]), written["files"])
    return Hub(written["hub"])
