"""Whether something typed at the root reaches a stage of the pipeline, and what to type if not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etude.config.overlay import STAGE_GROUPS, Overlays, overlays_of
from etude.config.pipeline import Step
from etude.config.sharing import put
from etude.config.spelling import at, listed
from etude.schema import FieldInfo, Schema

_MARK = "\0marked"

#: What an evaluation reads when its component does not say.
_EVALUATION_READS = ("verifier", "rollout", "data_mix", "model")

#: What the run reads whatever its learners are.
_ALWAYS = frozenset({"evaluation", "tracker", "launcher", "model", "objective", "training"})


class Effects:
    """Answers for one composed root with its pipeline."""

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
        self._overlays = overlays
        self._over = overlays_of(root)
        self._pinned_files = {stage: overlays.pinned(choices, stage) for stage in self._stages}
        self._plain = {
            stage: overlays.lay(root, self._over.get(stage, {}), self._pinned_files[stage])
            for stage in self._stages
        }

    def of_value(self, path: str, field: FieldInfo, typed_value: str) -> str | None:
        """Return what is wrong with a root value that no stage reads, or None."""
        group = path.split(".")[0]
        if group == "sources":
            return self._of_source(path)
        if group not in STAGE_GROUPS and group not in ("seed", "execution"):
            return None
        reached = [stage for stage in self._stages if self._reaches(path, stage)]
        if not reached:
            return self._pinned(path, typed_value)
        return self._unread(path, field, reached)

    def of_choice(self, path: str, choice: str) -> str | None:
        """Return what is wrong with a choice at the root that no stage follows, or None."""
        group = path.split(".")[0]
        if group not in STAGE_GROUPS:
            return None
        reached = [stage for stage in self._stages if self._reaches(path, stage, node=True)]
        if not reached:
            return self._pinned(path, choice)
        return self._unread(path, FieldInfo(path, "any"), reached)

    def of_stage_value(self, stage: str, path: str, field: FieldInfo) -> str | None:
        """Return what is wrong with a stage's value that its learner does not read, or None."""
        if stage not in self._stages:
            return f"the stage '{stage}' is not in the pipeline ({listed(self._stages)})."
        inside = path.removeprefix(f"stages.{stage}.")
        return self._unread(inside, field, [stage])

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

    def _pinned(self, path: str, value: str) -> str:
        stages = " and ".join(self._stages) if len(self._stages) < 3 else listed(self._stages)
        several = len(self._stages) > 1
        verb = "set it themselves" if several else "sets it itself"
        typed = " or ".join(f"stages.{stage}.{path}={value}" for stage in self._stages[:3])
        return f"changes no stage: {stages} {verb}. Type {typed}"

    def _unread(self, path: str, field: FieldInfo, stages: Sequence[str]) -> str | None:
        group = path.split(".")[0]
        learners = {stage: self._learner(stage) for stage in stages}
        if field.learners and not any(each in field.learners for each in learners.values()):
            about = ", ".join(f"{stage} is {learner}" for stage, learner in learners.items())
            return f"changes no stage: {path} is read by {listed(field.learners)} stages; {about}."
        if group in _ALWAYS or group not in STAGE_GROUPS:
            return None
        if any(group in self._reads(stage) for stage in stages):
            return None
        about = ", ".join(f"{stage} ({learner})" for stage, learner in learners.items())
        return f"changes no stage: {about} does not read {group}."

    def _learner(self, stage: str) -> str:
        name = at(self._plain[stage], "objective.name")
        info = self._schema.find("objective", str(name))
        return (info.learner or "") if info is not None else ""

    def _reads(self, stage: str) -> set[str]:
        node = self._plain[stage]
        objective = self._schema.find("objective", str(at(node, "objective.name")))
        if objective is None or objective.reads is None:
            return set(STAGE_GROUPS)
        reads = set(objective.reads)
        if node.get("evaluation"):
            evaluation = self._schema.find("evaluation", str(at(node, "evaluation.name")))
            own = evaluation.reads if evaluation is not None else None
            reads |= set(own if own is not None else _EVALUATION_READS)
        return reads

    def _of_source(self, path: str) -> str | None:
        parts = path.split(".")
        if len(parts) < 2:
            return None
        key = parts[1]
        used = sorted(set().union(*(sources_named(self._plain[stage]) for stage in self._stages)))
        if key in used:
            return None
        read = f"they read {listed(used)}" if used else "they read none"
        return f"changes no stage: no stage's data_mix reads the source '{key}' ({read})."


def sources_named(node: Mapping[str, Any]) -> set[str]:
    """Return the sources that a stage's data mix names, as keys or as values."""
    known = set(node.get("sources") or {})
    return known & _words(node.get("data_mix"))


def _words(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return set().union(*(_words(item) for item in value.values()), {str(key) for key in value})
    if isinstance(value, list):
        return set().union(*(_words(item) for item in value))
    return {value} if isinstance(value, str) else set()
