"""The states of components that a stage hands on, and that components of later stages take up.

A field of the form ``state reference`` says both: ``history`` of the data mix takes up what an
earlier stage knew of rows, and that stage hands it on as the output ``data_mix.history``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from etude.config.needs import learner_of, trained_groups, walk
from etude.schema import LearnerInfo, Schema

#: The form of a field that a state is taken up by.
FORM = "state reference"


def of_stage(config: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return the config paths of the states that a stage hands on, which are its outputs' names."""
    learner = learner_of(config, schema)
    groups = trained_groups(config, schema)
    return [path for group in groups for path in of_node(config.get(group), group, schema, learner)]


def of_node(node: Any, group: str, schema: Schema, learner: LearnerInfo) -> Iterator[str]:
    """Yield the paths of the states in the node of a group that a learner reads.

    A trained role keeps its own to itself: they are part of its state.
    """
    if group == "models":
        return
    for used in walk(node, group, group, schema, learner):
        for field in used.info.fields.values():
            if field.form == FORM and learner.reads(field):
                yield f"{used.path}.{field.name}"


def is_state(output: str) -> bool:
    """Tell whether an output of a stage is the state of a component: it is called by its path."""
    return "." in output
