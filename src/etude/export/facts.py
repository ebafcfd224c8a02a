"""Everything that is told of a model, gathered once for its card, its record and its row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import etude
from etude.export import discreet
from etude.export.licence import Licence, licence_of
from etude.export.measured import Measurement, measurements_of
from etude.export.naming import Subject
from etude.export.origin import Origin, origin_of
from etude.export.rows_read import Source, sources_of
from etude.model.hub_name import may_be_a_name
from etude.plan import layout
from etude.plan.digest import FileHashes
from etude.plan.references import MODEL, ROLES
from etude.plan.words import Words
from etude.recorded.outputs import Outputs
from etude.schema import Schema

#: A file of a folder with adapters in place of a whole model.
ADAPTER = "adapter_config.json"


@dataclass(frozen=True)
class Facts:
    """What is known of one model; ``base`` is the hub's name of what it began with, or empty."""

    subject: Subject
    origin: Origin
    measurements: tuple[Measurement, ...]
    sources: tuple[Source, ...]
    licence: Licence
    name: str
    base: str = ""
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)

    @property
    def role(self) -> str:
        """Return the role of a model beside the stage's own; empty for that."""
        return "" if self.subject.output == MODEL else self.subject.output.removeprefix(ROLES)

    @property
    def is_adapter(self) -> bool:
        """Tell whether it is adapters, which need their base to be loaded."""
        return ADAPTER in self.subject.published

    @property
    def seed(self) -> Any:
        """Return the seed that the stage was trained with."""
        return self.origin.own.config.get("seed")

    @property
    def command(self) -> list[str] | None:
        """Return the words that train it again, None where no run here asked for it.

        Without the keys that only say where results go.
        """
        if self.origin.overrides is None:
            return None
        kept = [
            discreet.word(each)
            for each in self.origin.overrides
            if each.partition("=")[0].lstrip("+") not in ("outputs", "fresh", "name")
        ]
        return ["train", *kept]

    @property
    def versions(self) -> dict[str, str]:
        """Return the versions it was trained with, by package, as its run recorded them."""
        known = self.origin.environment or {}
        found = {"etude": str((known.get("etude") or {}).get("version") or "")}
        found |= {"python": str(known.get("python") or "")}
        packages = known.get("packages")
        found |= {str(k): str(v) for k, v in packages.items()} if isinstance(packages, dict) else {}
        return {name: version for name, version in found.items() if version}

    @property
    def commit(self) -> str:
        """Return the commit of etude's code that finished the stage; empty where none is known."""
        return str((self.subject.stage.done or {}).get("git_commit") or "")

    @property
    def steps(self) -> tuple[int | None, int | None]:
        """Return the steps of the stage, and after which of them the model was taken."""
        done = self.subject.stage.done or {}
        steps, model = done.get("steps"), done.get("model_step")
        whole = steps if isinstance(steps, int) else None
        return whole, model if isinstance(model, int) else whole


def facts_of(
    subject: Subject,
    outputs: Outputs,
    schema: Schema,
    *,
    name: str = "",
    base: str = "",
    licence: str = "",
) -> Facts:
    """Return what is known of a model; ``name``, ``base`` and ``licence`` were said by a person."""
    if subject.outputs != outputs.folder:  # named by its folder, in other results
        outputs = Outputs(subject.outputs)
    origin = origin_of(subject, outputs)
    known = origin.base_name
    revision = origin.model.get("revision")
    said = licence_of(known, revision if isinstance(revision, str) else None)
    adapted = _adapter_of(subject)
    on_hub = next((each for each in (adapted, known) if each is not None), "")
    words, titles = {}, {}
    for link in origin.links:
        if link.config:
            spoken = Words(dict(link.config), link.learner, schema)
            words[link.name], titles[link.name] = spoken.sentences(), spoken.title()
    return Facts(
        subject,
        origin,
        tuple(measurements_of(subject, origin, outputs)),
        tuple(sources_of(origin, outputs.folder)),
        Licence(licence, said_by="who exported it") if licence else said,
        name or subject.head,
        base or (on_hub if _is_on_hub(on_hub, origin, outputs) else ""),
        words,
        titles,
    )


def _adapter_of(subject: Subject) -> str | None:
    """Return what adapters say they are of; None for a whole model."""
    if ADAPTER not in subject.published:
        return None
    about = layout.read_json(subject.folder / ADAPTER) or {}
    return str(about.get("base_model_name_or_path") or "")


def _is_on_hub(text: str, origin: Origin, outputs: Outputs) -> bool:
    """Tell whether a text is a name on the hub: no folder here, nor where the run was started.

    A relative folder (``models/qwen``) reads like a name from anywhere else.
    """
    if not may_be_a_name(text):
        return False
    began = str((origin.environment or {}).get("folder") or ".")
    there = any((Path(place) / text).exists() for place in (".", began))
    return not there and not FileHashes(outputs.folder).has_seen(f"/{text}/config.json")


def recipe_of(facts: Facts) -> dict[str, Any]:
    """Return the resolved config of every stage of the row, for recipe.yaml."""
    stages = {link.name: discreet.tree(link.config) for link in facts.origin.links}
    for config in stages.values():
        if isinstance(config, dict):
            for key in ("outputs", "tracker", "launcher"):  # of a person's machines
                config.pop(key, None)
    command = facts.command
    return {
        "etude": facts.versions.get("etude") or etude.__version__,
        "recipe": discreet.text(facts.origin.recipe),
        "command": command,
        "stages": stages,
    }
