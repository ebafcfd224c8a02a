"""What a stage is given besides its config: a seed, a folder, and what others made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etude.sources.interface import StageRows

#: Place of a reference in a config (``start``, ``rollout.model_from``) → the folder it leads to,
#: or several where it is a list; None is the base model of the config.
Folders = Mapping[str, Path | tuple[Path | None, ...] | None]


#: An evaluation's JSON and the samples it rests on.
Measured = tuple[dict[str, Any], list[dict[str, Any]]]


@dataclass(frozen=True)
class StageContext:
    """What a stage is given besides its config.

    ``folder`` is the attempt's own, ``inputs`` are the folders of what others made. ``measured``
    gives the evaluation of a name that an earlier attempt made after so many steps, None where none
    did.
    """

    seed: int
    folder: Path
    inputs: Folders = field(default_factory=dict)
    measured: Callable[[str, int], Measured | None] = lambda name, finished: None

    @property
    def start(self) -> Path | None:
        """Return the Hugging Face folder it starts from, None for the base model of the config."""
        return model_of(self.inputs, "start")

    @property
    def data(self) -> dict[str, StageRows]:
        """Return the folders with the rows of stages, by the key of the source that reads them."""
        return data_of(self.inputs)


def model_of(inputs: Folders, place: str) -> Path | None:
    """Return the folder of the model of a place; None for the base model."""
    found = inputs.get(place)
    return found[0] if isinstance(found, tuple) else found


def data_of(inputs: Folders) -> dict[str, StageRows]:
    """Return source → the folder with the rows of the stage that it reads, or those of several."""
    found: dict[str, StageRows] = {}
    for place, given in inputs.items():
        if place.startswith("sources.") and given is not None:
            several = given if isinstance(given, tuple) else (given,)
            folders = tuple(folder for folder in several if folder is not None)
            found[place.split(".")[1]] = folders if isinstance(given, tuple) else folders[0]
    return found
