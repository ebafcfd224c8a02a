"""What identifies a stage and an evaluation: everything that can change the result, nothing else.

A fingerprint is the first 16 hex digits of the SHA-256 of canonical JSON. docs/stages.md lists what
counts and what does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etude.config.sharing import ByIdentity
from etude.plan.canonical import Canonicaliser, Fragment, to_json
from etude.plan.digest import FileHashes, code_hashes
from etude.schema import ComponentInfo, Schema

#: Raised when the arithmetic shared by components, or a learner's loop, changes what is computed.
PRIMITIVES_VERSION = 1

#: Groups that never change what a stage computes (evaluation counts where it chooses the model).
_NEVER = frozenset({"tracker", "launcher", "execution", "evaluation", "recipe", "sources", "seed"})

#: Groups that every learner reads.
_ALWAYS = ("model", "objective", "training")

_STAGE_GROUPS = (
    *_ALWAYS,
    "models",
    "data_mix",
    "verifier",
    "reward_weighting",
    "curriculum",
    "rollout",
    "optimizer",
)

#: Keys of a data mix: the rows that are measured on, the form every row is given, and what a
#: demonstration says, which only adds a loss to an evaluation.
_HELD_OUT = "held_out"
_FORM = ("prompt_template", "system", "response_template")
DEMONSTRATION = "response_template"

#: What an evaluation reads when its component does not say: how to measure, judge and decode.
_EVALUATION_GROUPS = ("evaluation", "verifier", "rollout")

_NO_MIX: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Inputs:
    """What a stage is given by others, as canonical values.

    ``start`` and ``rollout_from`` come from :func:`model_identity`; ``stages`` maps the stages
    whose data it reads to their fingerprints.
    """

    start: Any = "base"
    rollout_from: Any = None
    stages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Identity:
    """A stage's fingerprint, its lineage (without ``training.steps``) and its components."""

    fingerprint: str
    lineage: str
    components: tuple[ComponentInfo, ...]


def digest(document: Any) -> str:
    """Return the fingerprint of a canonical document: 16 hex digits."""
    return hashlib.sha256(to_json(document).encode()).hexdigest()[:16]


def model_identity(model: str | Path | None, hashes: FileHashes) -> Any:
    """Return what identifies a model: a stage's fingerprint, a folder's files, or ``base``."""
    if model is None:
        return "base"
    if isinstance(model, Path):
        return {"files": hashes.model(model)}
    return {"stage": model}


class Fingerprints:
    """Identifies the stages and evaluations of one plan.

    The nodes that configs share are put in canonical form once, and source files are read once, so
    nothing of either may change while a plan is made.
    """

    def __init__(self, schema: Schema, hashes: FileHashes) -> None:
        self._schema = schema
        self._hashes = hashes
        self._fragments: ByIdentity[Fragment] = ByIdentity()
        self._mixes: ByIdentity[Any] = ByIdentity()
        self._used: ByIdentity[list[str]] = ByIdentity()
        self._code: dict[frozenset[str], Fragment] = {}

    def stage(self, config: Mapping[str, Any], learner: str, inputs: Inputs) -> Identity:
        """Return what identifies a resolved stage config whose parents gave ``inputs``."""
        read = _Reading(self, learner, inputs.stages)
        objective = config.get("objective") or {}
        info = self._schema.find("objective", str(objective.get("name")))
        reads = info.reads if info is not None else None
        groups = list(_STAGE_GROUPS if reads is None else dict.fromkeys((*_ALWAYS, *reads)))
        nodes = {**config, "data_mix": self.training_mix(config)}
        document: dict[str, Any] = {
            "primitives": PRIMITIVES_VERSION,
            "learner": learner,
            "seed": int(config.get("seed", 0)),
            "start": inputs.start,
            "rollout_from": inputs.rollout_from,
            "groups": {
                group: read.node(nodes.get(group), group) for group in groups if group not in _NEVER
            },
        }
        used = self.training_sources(config) if "data_mix" in document["groups"] else []
        document["sources"] = read.sources(config, used)
        training = document["groups"]["training"]
        if (training.value or {}).get("hand_on") == "best":
            every = int((config.get("execution") or {}).get("evaluate_every", 0))
            document["chosen_by"] = {"measured": self._measured(read, config), "every": every}
        document["code"] = self._code_of(read.components)
        without = self._fragments.of(lambda: _without_steps(training), training)
        lineage = {**document, "groups": {**document["groups"], "training": without}}
        return Identity(digest(document), digest(lineage), tuple(read.components.values()))

    def evaluation(
        self,
        config: Mapping[str, Any],
        model: str | Path | None,
        stages: Mapping[str, str] | None = None,
    ) -> str:
        """Return the fingerprint of measuring ``model`` under a resolved stage config.

        ``model`` is a stage's fingerprint, a folder or None for the base model. ``stages`` maps the
        stages whose rows are measured on to their fingerprints.
        """
        read = _Reading(self, None, stages or {})
        document = {
            "primitives": PRIMITIVES_VERSION,
            "model": model_identity(model, self._hashes),
            "loaded_as": read.node(config.get("model"), "model"),
            "seed": int(config.get("seed", 0)),
            "measured": self._measured(read, config),
        }
        document["code"] = self._code_of(read.components)
        return digest(document)

    def training_sources(self, config: Mapping[str, Any]) -> list[str]:
        """Return the sources whose rows a stage trains on."""
        return self._sources_used(config, self.training_mix(config))

    def held_out_sources(self, config: Mapping[str, Any]) -> list[str]:
        """Return the sources whose rows an evaluation under a config measures on."""
        mix = config.get("data_mix") or {}
        return self._sources_used(config, mix.get(_HELD_OUT, mix))

    def training_mix(self, config: Mapping[str, Any]) -> Any:
        """Return the data mix of a config as far as it can change what is trained on."""
        mix = config.get("data_mix")
        return self._mixes.of(lambda: _training_mix(mix), mix)

    def without_demonstrations(self, config: dict[str, Any]) -> dict[str, Any]:
        """Return a config whose rows teach nothing: what an evaluation reads of any stage."""
        mix = config.get("data_mix")
        if not mix:
            return config
        return {
            **config,
            "data_mix": self._mixes.of(lambda: {**mix, DEMONSTRATION: None}, mix, also="plain"),
        }

    def _sources_used(self, config: Mapping[str, Any], node: Any) -> list[str]:
        """Return the sources that ``node`` of a stage config mentions; all if it names none."""
        sources = config.get("sources")

        def used() -> list[str]:
            names = set(sources or {})
            return sorted(names & _words(node)) or sorted(names)

        return self._used.of(used, node, sources)

    def _measured(self, read: _Reading, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the canonical values of what an evaluation under this config reads."""
        node = config.get("evaluation") or {}
        info = self._schema.find("evaluation", str(node.get("name")))
        reads = info.reads if info is not None and info.reads is not None else _EVALUATION_GROUPS
        groups = [group for group in dict.fromkeys(("evaluation", *reads)) if group != "sources"]
        document: dict[str, Any] = {
            group: read.node(config.get(group), group) for group in groups if group != "data_mix"
        }
        document["held_out"] = read.held_out(config.get("data_mix") or _NO_MIX)
        document["sources"] = read.sources(config, self.held_out_sources(config))
        return document

    def fragment(
        self,
        node: Any,
        make: Callable[[Canonicaliser], Any],
        learner: str | None,
        stages: Mapping[str, str],
        form: Hashable,
    ) -> Fragment:
        """Return a node in canonical form, made once for each learner, input and ``form``."""

        def fresh() -> Fragment:
            canon = Canonicaliser(self._schema, self._hashes, learner, stages)
            return Fragment.of(make(canon), canon)

        return self._fragments.of(fresh, node, also=(form, learner, frozenset(stages.items())))

    def _code_of(self, components: Mapping[tuple[str, str], ComponentInfo]) -> Fragment:
        modules = frozenset(info.cls.partition(":")[0] for info in components.values())
        if modules not in self._code:
            found = code_hashes(set(modules))
            self._code[modules] = Fragment(found, to_json(found), {})
        return self._code[modules]

    def held_out(self, canon: Canonicaliser, mix: Mapping[str, Any]) -> Any:
        """Return what evaluations read of a mix: stages that train on other rows share it."""
        info = self._schema.find("data_mix", str(mix.get("name")))
        if info is None or _HELD_OUT not in info.fields:
            return canon.node(mix, "data_mix")
        canon.components["data_mix", info.name] = info
        return {
            key: canon.field(mix.get(key, described.default), described)
            for key, described in info.fields.items()
            if key in (_HELD_OUT, *_FORM)
        }


class _Reading:
    """The nodes that one stage or evaluation reads, and the components met in them."""

    def __init__(
        self, prints: Fingerprints, learner: str | None, stages: Mapping[str, str]
    ) -> None:
        self._prints = prints
        self._learner = learner
        self._stages = stages
        self.components: dict[tuple[str, str], ComponentInfo] = {}

    def node(self, node: Any, group: str) -> Fragment:
        """Return a group's node in canonical form."""
        return self._read(node, lambda canon: canon.node(node, group), group)

    def sources(self, config: Mapping[str, Any], names: list[str]) -> dict[str, Fragment]:
        """Return the named sources in canonical form."""
        return {name: self.node(config["sources"][name], "sources") for name in names}

    def held_out(self, mix: Mapping[str, Any]) -> Fragment:
        """Return what an evaluation reads of a data mix."""
        return self._read(mix, lambda canon: self._prints.held_out(canon, mix), "held out")

    def _read(self, node: Any, make: Callable[[Canonicaliser], Any], form: Hashable) -> Fragment:
        found = self._prints.fragment(node, make, self._learner, self._stages, form)
        self.components.update(found.components)
        return found


def _words(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return set().union(*(_words(item) for item in value.values()), {str(key) for key in value})
    if isinstance(value, (list, tuple)):
        return set().union(*(_words(item) for item in value))
    return {value} if isinstance(value, str) else set()


def _without_steps(training: Fragment) -> Fragment:
    without = {key: value for key, value in (training.value or {}).items() if key != "steps"}
    return Fragment(without, to_json(without), {})


def _training_mix(mix: Any) -> Any:
    """Return a data mix without the held-out rows, where those cannot change what is trained on."""
    if not isinstance(mix, Mapping) or mix.get("overlap") == "remove":
        return mix
    return {**mix, _HELD_OUT: None}


def identify_stage(
    config: Mapping[str, Any],
    learner: str,
    inputs: Inputs,
    *,
    schema: Schema,
    hashes: FileHashes,
) -> Identity:
    """Return what identifies one stage, as :meth:`Fingerprints.stage` does."""
    return Fingerprints(schema, hashes).stage(config, learner, inputs)


def evaluation_fingerprint(
    config: Mapping[str, Any],
    model: str | Path | None,
    *,
    schema: Schema,
    hashes: FileHashes,
    stages: Mapping[str, str] | None = None,
) -> str:
    """Return the fingerprint of one evaluation, as :meth:`Fingerprints.evaluation` does."""
    return Fingerprints(schema, hashes).evaluation(config, model, stages)
