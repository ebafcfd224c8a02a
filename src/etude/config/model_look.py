"""A first look at local models: a damaged file is told by name before anything trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from etude.model.folder import ADAPTER, look
from etude.plan.digest import LONGEST_PATH
from etude.plan.nodes import START
from etude.plan.references import Folder, Input, each_of


class ModelLook:
    """Looks at the folders of models, at each one once."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Path, bool], list[str]] = {}

    def faults(
        self, config: Mapping[str, Any], given: Mapping[str, Input]
    ) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the model folders that a stage names, as (path, message).

        ``given`` are its inputs. Headers and sizes are looked at, not weights; what a stage
        published is hashed when opened.
        """
        model = config.get("model") or {}
        components = {"model": model, **_of_roles(config, given)}
        folders = [
            (f"{key}.path", folder, bool(node.get("trust_remote_code")))
            for key, node in components.items()
            if (folder := _model_at(node.get("path"))) is not None
        ]
        for place, value in given.items():
            path = "start_from" if place == START else place
            by = components.get(place.removesuffix(".load") + ".model", model)
            found = (each for each in each_of(value) if isinstance(each, Folder))
            folders += [
                (path, each.path, bool(by.get("trust_remote_code")))
                for each in found
                if not place.startswith("sources.")
            ]
        for path, folder, custom in folders:
            if (folder, custom) not in self._seen:
                self._seen[folder, custom] = look(folder, custom_code=custom)[1]
            if wrong := self._seen[folder, custom]:
                yield path, f"{folder} cannot be used as a model: {'; '.join(wrong)}"


def _of_roles(config: Mapping[str, Any], given: Mapping[str, Input]) -> dict[str, Any]:
    """Return key → model component of each role of a stage that has one of its own."""
    models = config.get("models") or {}
    roles = [place.split(".")[1] for place in given if place.startswith("models.")]
    own = {f"models.{role}.model": (models.get(role) or {}).get("model") for role in roles}
    return {key: node for key, node in own.items() if node}


def _model_at(value: Any) -> Path | None:
    """Return the folder of a model that a value names on this machine, None for anything else."""
    if not isinstance(value, str) or not value or len(value) > LONGEST_PATH:
        return None
    folder = Path(value).expanduser()
    there = [folder / "config.json", folder / ADAPTER]
    return folder if any(file.is_file() for file in there) else None
