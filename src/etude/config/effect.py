"""Whether something typed at the root reaches a stage of the pipeline, and what to type if not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etude.config.evaluations import views
from etude.config.keys import at
from etude.config.needs import sources_named
from etude.config.overlay import STAGE_GROUPS, Overlays, overlays_of
from etude.config.pipeline import Step
from etude.config.quoting import pasted
from etude.config.roles import Asking
from etude.config.sharing import put
from etude.config.spelling import did_you_mean, listed
from etude.entries import ENVIRONMENTS
from etude.schema import FieldInfo, Schema

_MARK = "\0marked"

#: What an evaluation reads when its component does not say.
_EVALUATION_READS = ("verifier", "rollout", *ENVIRONMENTS, "data_mix", "model")

#: What the run reads whatever its learners are.
_ALWAYS = frozenset(
    {"evaluation", "evaluations", "tracker", "launcher", "model", "objective", "training"}
)


class Effects:
    """Answers for one composed root with its pipeline; ``nodes`` are those of its stages."""

    def __init__(
        self,
        root: Mapping[str, Any],
        choices: Mapping[str, Any],
        steps: Sequence[Step],
        schema: Schema,
        overlays: Overlays,
    ) -> None:
        self._root = root
        self._stages = list(dict.fromkeys(step.overlay for step in steps))
        self._schema = schema
        self._roles = Asking(schema)
        self._overlays = overlays
        self._over = overlays_of(root)
        self._pinned_files = {stage: overlays.pinned(choices, stage) for stage in self._stages}
        files = overlays.files(choices)
        self.nodes = {}
        for stage, pinned in self._pinned_files.items():
            laid = overlays.lay(root, self._over.get(stage, {}), pinned)
            self.nodes[stage] = overlays.following(laid, pinned | files)

    def of_value(self, path: str, field: FieldInfo, typed_value: str) -> str | None:
        """Return what is wrong with a root value that no stage reads, or None."""
        group = path.split(".")[0]
        if group == "sources":
            return self._of_source(path)
        if group not in STAGE_GROUPS and group not in ("seed", "execution"):
            return None
        reached = [stage for stage in self._stages if self._reaches(path, stage)]
        pinned = self._asking(path, self._stages) if group == "models" else self._stages
        if not reached or (pinned and not set(pinned) & set(reached)):
            return self._pinned(path, typed_value, pinned or self._stages)
        return self._unread(path, field, reached)

    def of_choice(self, path: str, choice: str) -> str | None:
        """Return what is wrong with a choice at the root that no stage follows, or None."""
        group = path.split(".")[0]
        if group not in STAGE_GROUPS:
            return None
        reached = [stage for stage in self._stages if self._reaches(path, stage, node=True)]
        if not reached:
            return self._pinned(path, choice, self._stages)
        return self._unread(path, self._filled(path, self._root), reached)

    def of_stage_choice(self, stage: str, path: str) -> str | None:
        """Return what is wrong with a stage's choice that its learner does not read, or None."""
        inside = path.removeprefix(f"stages.{stage}.")
        return self.of_stage_value(stage, path, self._filled(inside, self.nodes.get(stage, {})))

    def of_stage_value(self, stage: str, path: str, field: FieldInfo) -> str | None:
        """Return what is wrong with a stage's value that its learner does not read, or None."""
        if stage not in self._stages:
            near = did_you_mean(stage, self._stages)
            return f"the stage '{stage}' is not in the pipeline ({listed(self._stages)}).{near}"
        inside = path.removeprefix(f"stages.{stage}.")
        return self._unread(inside, field, [stage])

    def _filled(self, path: str, nodes: Mapping[str, Any]) -> FieldInfo:
        """Return what a choice fills: a group, or a slot that maybe only some learners read."""
        group, *keys = path.split(".")
        node: Any = nodes.get(group)
        for key in keys:
            info = self._schema.of(group, node) if isinstance(node, Mapping) else None
            field = info.field_of(key) if info is not None else None
            if field is not None and field.holds_parts and field.read_by:
                return FieldInfo(path, "any", read_by=field.read_by)
            if field is None or not field.slot:
                break
            group, node = field.slot, node.get(key)
        return FieldInfo(path, "any")

    def _reaches(self, path: str, stage: str, node: bool = False) -> bool:
        """Tell whether a mark put at a root path shows in a stage."""
        group, _, inside = path.partition(".")
        # Laid where null was put first, so that a mapping is replaced and not merged.
        marked: Any = {group: self._root.get(group)}
        marked = put(put(marked, path, None), path, {"name": _MARK} if node else _MARK)
        # Not through what is remembered: a mark belongs to no config.
        over, pinned = self._over.get(stage, {}), self._pinned_files[stage]
        found = Overlays(self._schema).node({**self._root, **marked}, over, group, pinned)
        wanted = ".".join(filter(None, (inside, "name" if node else "")))
        return at(found, wanted) == _MARK

    def _pinned(self, path: str, value: str, pinning: Sequence[str]) -> str:
        stages = " and ".join(pinning) if len(pinning) < 3 else listed(pinning)
        several = len(pinning) > 1
        verb = "set it themselves" if several else "sets it itself"
        typed = " or ".join(pasted(f"stages.{stage}.{path}={value}") for stage in pinning[:3])
        return f"changes no stage: {stages} {verb}. Type {typed}"

    def _unread(self, path: str, field: FieldInfo, stages: Sequence[str]) -> str | None:
        group = path.split(".")[0]
        learners = {stage: self._learner(stage) for stage in stages}
        if not any(self._schema.learner(name).reads(field) for name in learners.values()):
            about = ", ".join(f"{stage} is {learner}" for stage, learner in learners.items())
            readers = listed(self._schema.readers(field))
            return f"changes no stage: {path} is read by {readers} stages; {about}."
        if group in _ALWAYS or group not in STAGE_GROUPS:
            return None
        if group == "models" and "." in path:
            asking = self._asking(path, stages)
            return None if asking else self._unasked(path.split(".")[1], stages)
        if any(group in self._reads(stage) for stage in stages):
            return None
        about = ", ".join(f"{stage} ({learner})" for stage, learner in learners.items())
        return f"changes no stage: {about} does not read {group}."

    def _asking(self, path: str, stages: Sequence[str]) -> list[str]:
        """Return those of some stages of which a component asks for the role of a path."""
        role = [*path.split("."), ""][1]
        return [each for each in stages if not role or role in self._roles.every(self.nodes[each])]

    def _unasked(self, role: str, stages: Sequence[str]) -> str:
        """Return what is wrong with a role that no component of some stages asks for."""
        wanted = sorted(set().union(*(self._roles.every(self.nodes[each]) for each in stages)))
        near = did_you_mean(role, wanted)
        there = f"they ask for {listed(wanted)}" if wanted else "they ask for none"
        return f"changes no stage: nothing asks for the model '{role}' ({there}).{near}"

    def _learner(self, stage: str) -> str:
        name = at(self.nodes[stage], "objective.name")
        info = self._schema.find("objective", str(name))
        return (info.learner or "") if info is not None else ""

    def _reads(self, stage: str) -> set[str]:
        node = self.nodes[stage]
        objective = self._schema.find("objective", str(at(node, "objective.name")))
        if objective is None or objective.reads is None:
            return set(STAGE_GROUPS)
        reads = set(objective.reads)
        for seen in views(node).values():
            if seen.get("evaluation"):
                evaluation = self._schema.find("evaluation", str(at(seen, "evaluation.name")))
                own = evaluation.reads if evaluation is not None else None
                reads |= set(own if own is not None else _EVALUATION_READS)
        return reads

    def _of_source(self, path: str) -> str | None:
        parts = path.split(".")
        if len(parts) < 2:
            return None
        key = parts[1]
        nodes = [seen for stage in self._stages for seen in views(self.nodes[stage]).values()]
        used = sorted(set().union(*map(sources_named, nodes)))
        if key in used:
            return None
        read = f"they read {listed(used)}" if used else "they read none"
        return f"changes no stage: no stage's data_mix reads the source '{key}' ({read})."
