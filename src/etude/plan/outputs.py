"""What a stage hands on, declared by its learner and its components."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from etude.config import needs, states
from etude.config.roles import Asking
from etude.config.sharing import ByIdentity
from etude.plan.places import Configured
from etude.plan.references import ROLES
from etude.schema import Schema

#: What a component provides that has the stage hand on an output of its own (``output:history``).
_OUTPUT = "output:"


class Learning(Configured, Protocol):
    """A resolved stage, as far as its outputs are concerned."""

    @property
    def learner(self) -> str:
        """The learner its objective names."""


class Outputs:
    """Answers for the stages of one plan; what their configs share is looked at once."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._asking = Asking(schema)
        self._declared: ByIdentity[tuple[str, ...]] = ByIdentity()

    def of(self, stage: Learning) -> tuple[str, ...]:
        """Return the names of a stage's outputs, its model or its rows first."""
        own = self._schema.learner(stage.learner).hands_on
        declared = [
            output
            for group in needs.trained_groups(stage.config, self._schema)
            for output in self._of_node(stage.config.get(group), group, stage.learner)
        ]
        roles = self._asking.of(stage.config)
        trained = [f"{ROLES}{role}" for role, each in roles.items() if each.trained]
        return tuple(dict.fromkeys((own, *declared, *trained)))

    def _of_node(self, node: Any, group: str, learner: str) -> tuple[str, ...]:
        look = partial(self._found, node, group, learner)
        return self._declared.of(look, node, also=(group, learner))

    def _found(self, node: Any, group: str, learner: str) -> tuple[str, ...]:
        handed_on = states.of_node(node, group, self._schema, self._schema.learner(learner))
        return *handed_on, *(
            need.what.removeprefix(_OUTPUT)
            for used in needs.walk(node, group, group, self._schema)
            for need in needs.active(used.info.provides, used)
            if need.what.startswith(_OUTPUT)
        )
