"""The places of a stage's config that hold a reference: fields of its components that say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from etude.config import evaluations, needs, states
from etude.config.evaluations import MAIN
from etude.config.roles import Asking
from etude.config.settings import STAGE_EXTRAS
from etude.config.sharing import ByIdentity
from etude.plan.references import DATA, MODEL, SAMPLES
from etude.plan.sources_read import HELD_OUT, SourcesRead
from etude.schema import FieldInfo, Schema

#: The form of a field that holds a reference → what it wants of a stage that it names.
WANTS = {
    "model reference": MODEL,
    "rows reference": DATA,
    "samples reference": SAMPLES,
    states.FORM: "",  # the state of its own path
}


@dataclass(frozen=True)
class Place:
    """Where a config holds a reference, what is written there, and the output it wants.

    ``role`` is the entry it belongs to, of the models that a stage may ask for: nothing reads it
    where nothing asks for the role. ``handed_on`` means the output of that name there.
    """

    path: str
    value: Any
    wants: str
    role: str = ""


class Configured(Protocol):
    """A resolved stage, as far as its references are concerned."""

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config."""


class Places:
    """Finds the places of the stages of one plan; what their configs share is looked at once."""

    def __init__(self, schema: Schema, sources: SourcesRead) -> None:
        self._schema = schema
        self._sources = sources
        self._found: ByIdentity[tuple[Place, ...]] = ByIdentity()
        self._asking = Asking(schema)

    def trained_on(self, stage: Configured) -> list[Place]:
        """Return the places that a stage's learner reads, but for what it starts from."""
        config = stage.config
        groups = needs.trained_groups(config, self._schema)
        roles = self._asking.of(config)
        found = [
            place
            for group in groups
            for place in self._in(config.get(group), group, group)
            if not place.role or place.role in roles
        ]
        if "data_mix" in groups:
            found += self._in_sources(config, self._sources.training(config))
        return found

    def measured_on(self, stage: Configured, name: str = MAIN) -> list[Place]:
        """Return the places that an evaluation of a stage's models reads.

        Held-out rows of main are read without any too: whoever trains tells which prompts are in
        both.
        """
        if name == MAIN:
            return self._measured_on(stage.config)
        view = evaluations.view(stage.config, name)
        if not evaluations.measures(view):
            return []
        return [
            replace(place, path=evaluations.in_stage(place.path, name, stage.config))
            for place in self._measured_on(view)
        ]

    def _measured_on(self, config: dict[str, Any]) -> list[Place]:
        nothing = not (config.get("data_mix") or {}).get(HELD_OUT, True)
        names = [] if nothing else self._sources.held_out(config)
        held_out = self._in_sources(config, names)
        if not config.get("evaluation"):
            return held_out
        reads = dict.fromkeys(("evaluation", *needs.evaluation_reads(config, self._schema)))
        # The model that is measured samples; another one that samples in training does not.
        groups = [group for group in reads if group not in ("sources", "data_mix", "rollout")]
        found = [place for group in groups for place in self._in(config.get(group), group, group)]
        roles = self._asking.measured(config)
        models = self._in(config.get("models"), "models", "models") if roles else ()
        return [*found, *(place for place in models if place.role in roles), *held_out]

    def _in_sources(self, config: Mapping[str, Any], names: list[str]) -> list[Place]:
        sources = config.get("sources") or {}
        return [
            place
            for name in names
            for place in self._in(sources[name], "sources", f"sources.{name}")
        ]

    def _in(self, node: Any, group: str, path: str) -> tuple[Place, ...]:
        find = partial(self._places, node, group, path)
        return self._found.of(find, node, also=path)

    def _places(self, node: Any, group: str, path: str) -> tuple[Place, ...]:
        return tuple(
            place
            for used in needs.walk(node, group, path, self._schema)
            for place in _places_of(used.node, used.info.fields_in(used.node), used.path)
        )


def _places_of(
    node: Mapping[str, Any], fields: Iterable[FieldInfo], path: str, role: str = ""
) -> Iterator[Place]:
    for described in fields:
        key, value = described.name, node.get(described.name)
        if described.form in WANTS and value is not None:
            place = f"{path}.{key}"
            yield Place(place, value, WANTS[described.form] or place, role)
        elif isinstance(value, Mapping) and described.struct is not None:
            inside = described.struct.values()
            entry = key if path == "models" else role
            yield from _places_of(value, inside, f"{path}.{key}", entry)
    for key in STAGE_EXTRAS.get(path, ()):
        if node.get(key) is not None:
            yield Place(f"{path}.{key}", node[key], MODEL)
