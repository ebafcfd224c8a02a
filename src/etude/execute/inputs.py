"""The inputs of a node as folders on this machine, every hash checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from etude.errors import ModelError
from etude.execute.outcomes import gate_text, passes
from etude.execute.publish import handed_on
from etude.learner.context import Folders
from etude.plan import layout
from etude.plan.contents import Contents
from etude.plan.digest import FileHashes
from etude.plan.nodes import START, EvaluationNode, GateEdge, Graph, StageNode
from etude.plan.references import MODEL, Base, Folder, Hub, Input, Made, Reference


class NodeInputs:
    """Finds what the inputs of one node lie in; what two of them name is looked at once.

    ``warn`` is told of each gate that puts an earlier model in the place of a stage's own.
    """

    def __init__(
        self, graph: Graph, node: StageNode | EvaluationNode, warn: Callable[[str], None]
    ) -> None:
        self._graph = graph
        self._node = node
        self._warn = warn
        self._contents = Contents(FileHashes(graph.outputs))
        self._found: dict[Reference, Path | None] = {}
        self._told: set[GateEdge] = set()

    def folders(self) -> Folders:
        """Return place → folder of every input, None for the base model.

        Raises StageError where a stage is not finished, CheckpointError and ModelError naming the
        file that is not as it was published or planned.
        """
        return {place: self._input(place, value) for place, value in self._node.inputs.items()}

    def _input(self, place: str, value: Input) -> Path | tuple[Path | None, ...] | None:
        if isinstance(value, tuple):
            return tuple(self._folder(place, each) for each in value)
        return self._folder(place, value)

    def _folder(self, place: str, reference: Reference) -> Path | None:
        meant = reference
        if isinstance(self._node, StageNode):
            meant = self._after_gates(place, self._node, reference)
        if meant not in self._found:
            self._found[meant] = self._place(meant)
        return self._found[meant]

    def _after_gates(self, place: str, node: StageNode, reference: Reference) -> Reference:
        """Return what is used for a reference of a node: a gate may keep what was before."""
        if not isinstance(reference, Made):
            return reference
        gate = next((each for each in node.kept if each.stage == reference.stage), None)
        if gate is None or passes(self._graph, gate):
            return reference
        if gate not in self._told:
            self._told.add(gate)
            name, why = self._node.name, gate_text(self._graph, gate)
            what = f"{name} starts from" if place == START else f"{place} of {name} is"
            self._warn(f"{what} the model before that stage: {why}")
        earlier = self._graph.stages[reference.stage]
        before = earlier.start
        if reference.output != MODEL and isinstance(before, Made):
            before = Made(before.stage, reference.output)  # the plan saw that it is there
        return self._after_gates(place, earlier, before)

    def _place(self, reference: Reference) -> Path | None:
        if isinstance(reference, Made):
            node = self._graph.stages[reference.stage]
            folder = layout.stage_folder(self._graph.outputs, node.name, reference.stage)
            return handed_on(folder, node, reference.output)
        if isinstance(reference, Folder):
            self._check(reference)
            return reference.path
        if isinstance(reference, Hub):
            from etude.model.hub import fetched

            return fetched(reference.name)
        assert isinstance(reference, Base)  # `start` is resolved when planned
        return None

    def _check(self, folder: Folder) -> None:
        """Raise ModelError naming the files that are not as they were planned."""
        changed = self._contents.changed(folder)
        if changed:
            raise ModelError(
                f"{', '.join(map(str, changed[:3]))} changed since the run was planned. Start the "
                "command again to plan with the files as they are now, or put the old ones back"
            )
