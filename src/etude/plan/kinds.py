"""What a graph's stages are, need and are wanted for, found once for all that are alike.

Stages of a sweep that differ in their seed alone say the same words and need the same memory.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from pathlib import Path
from typing import Any

from etude.plan.earlier import EarlierStages
from etude.plan.estimate import StageEstimate, estimate, parameters_of
from etude.plan.layout import Folders
from etude.plan.lookup import State, state_of
from etude.plan.nodes import EvaluationNode, Graph, StageNode, own_overrides
from etude.plan.others import alike_loads, with_loads
from etude.plan.quantities import count
from etude.plan.references import Base, Hub
from etude.plan.words import Words
from etude.schema import Schema

#: Keys of a resolved config that neither words nor estimates look at.
_ASIDE = frozenset({"seed", "after", "start_from", "outputs", "gate", "resources"})


class Kinds:
    """Answers about the stages of one graph as its folders are at this moment."""

    def __init__(self, graph: Graph, outputs: Path, schema: Schema) -> None:
        self.graph = graph
        self.outputs = outputs
        self.schema = schema
        self._folders = Folders(outputs)
        self._earlier = EarlierStages(outputs)
        self._states: dict[str, State] = {}
        self._needs: dict[Hashable, StageEstimate] = {}
        self._said: dict[Hashable, dict[str, str]] = {}
        self._titles: dict[Hashable, tuple[str, str]] = {}
        self._models: dict[int, str] = {}

    def state(self, node: StageNode | EvaluationNode) -> State:
        """Return what is on disk of a node."""
        if node.fingerprint not in self._states:
            self._states[node.fingerprint] = state_of(node, self.outputs, self._folders)
        return self._states[node.fingerprint]

    def needs(self, node: StageNode) -> StageEstimate:
        """Return what a stage will need."""
        kind = self._kind(node)
        if kind not in self._needs:
            config = {**self._config(node), "resources": node.resources}
            self._needs[kind] = estimate(
                config, node.learner, self.outputs, self.schema, self._earlier
            )
        return self._needs[kind]

    def said(self, node: StageNode) -> dict[str, str]:
        """Return a stage's arithmetic as label → sentence."""
        kind = self._kind(node)
        if kind not in self._said:
            self._said[kind] = Words(self._config(node), node.learner, self.schema).sentences()
        given = " · ".join(self.graph.given(node, models=False))
        return {**self._said[kind], "given": given} if given else self._said[kind]

    def title(self, node: StageNode) -> tuple[str, str]:
        """Return what a stage is (its learner and objective), and its data."""
        kind = self._kind(node)
        if kind not in self._titles:
            words = Words(self._config(node), node.learner, self.schema)
            self._titles[kind] = words.title(), words.data()
        return self._titles[kind]

    def origin(self, node: StageNode) -> str:
        """Return what a stage starts from: ``← sft``, a folder, or the base model with its size."""
        start = node.start
        if not isinstance(start, Base):
            return f"← {self.graph.named(start)}" + (" (hub)" if isinstance(start, Hub) else "")
        model = node.config.get("model") or {}
        if id(model) not in self._models:
            total, _ = parameters_of(model)
            name = str(model.get("path") or model.get("name") or "base model")
            self._models[id(model)] = f"{name} ({count(total)})" if total else name
        return self._models[id(model)]

    @cached_property
    def wanting(self) -> dict[str, list[int]]:
        """Return stage → the places of the runs that want it."""
        found: dict[str, list[int]] = {}
        for place, run in enumerate(self.graph.runs):
            for fingerprint in dict.fromkeys(stage.stage for stage in run.stages):
                found.setdefault(fingerprint, []).append(place)
        return found

    @cached_property
    def _own(self) -> list[list[str]]:
        return own_overrides([run.overrides for run in self.graph.runs])

    def own(self, node: StageNode) -> list[str]:
        """Return the overrides that tell a stage from others of a sweep: all its runs have them."""
        places = self.wanting.get(node.fingerprint, [])
        if not places:
            return []
        shared = set.intersection(*(set(self.graph.runs[place].overrides) for place in places))
        return [override for override in self._own[places[0]] if override in shared]

    def _config(self, node: StageNode) -> dict[str, Any]:
        """Return a stage's config in which roles of one model call it by one text."""
        return with_loads(node.config, alike_loads(node.config, node.inputs))

    def _kind(self, node: StageNode) -> Hashable:
        """Return the same for stages whose configs share every node that words and needs read."""
        # The graph keeps its configs alive, so identities stay theirs.
        config = (
            (key, id(value) if isinstance(value, (dict, list)) else repr(value))
            for key, value in node.config.items()
            if key not in _ASIDE
        )
        loads = alike_loads(node.config, node.inputs).items()
        return (node.learner, repr(sorted(node.resources.items())), *loads, *config)
