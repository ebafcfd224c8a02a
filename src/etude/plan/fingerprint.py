"""What identifies a stage and an evaluation: everything that can change the result, nothing else.

A fingerprint is the first 16 hex digits of the SHA-256 of canonical JSON. docs/stages.md lists what
counts and what does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from etude.component import GROUPS
from etude.config.asked_evaluations import Asked as AskedFor
from etude.config.asked_evaluations import AskedEvaluations
from etude.config.evaluations import MAIN, view
from etude.config.handed_on import chosen_by, plainly
from etude.config.needs import evaluation_reads, trained_groups
from etude.config.role_stages import TRAIN
from etude.config.roles import Asking
from etude.config.sharing import ByIdentity
from etude.plan import layout
from etude.plan.canonical import Canonicaliser, Fragment, to_json
from etude.plan.digest import FileHashes, code_hashes, counted_modules
from etude.plan.references import Folder, Input, as_json, stage_of
from etude.plan.sources_read import HELD_OUT, SourcesRead
from etude.schema import ComponentInfo, Schema

#: Groups that never change what a stage computes (evaluation counts where it chooses the model).
_NEVER = frozenset(
    {"tracker", "launcher", "execution", "evaluation", "evaluations", "recipe", "sources", "seed"}
)

#: Keys of a resolved config that may count in a fingerprint, beside the seed.
_READ = (
    *(group for group in GROUPS if group not in ("tracker", "launcher", "recipe")),
    "execution",
)

#: Keys of a data mix: the form every row is given, and what a demonstration says, which only adds a
#: loss to an evaluation.
_FORM = ("prompt_template", "system", "response_template")
DEMONSTRATION = "response_template"

_NO_MIX: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Identity:
    """A stage's fingerprint, its lineage (without ``training.steps``) and its components.

    ``plain`` is the fingerprint without code, ``code`` the hashes of that code by module and
    ``code_digest`` one of them all.
    """

    fingerprint: str
    lineage: str
    components: tuple[ComponentInfo, ...]
    plain: str
    code: Mapping[str, str | None]
    code_digest: str


def digest(document: Any) -> str:
    """Return the fingerprint of a canonical document: 16 hex digits."""
    return hashlib.sha256(to_json(document).encode()).hexdigest()[:16]


#: A condition that may put an earlier model in the place of a stage's own: the fingerprint of its
#: evaluation, the metric and what decides.
Gate = tuple[Any, ...]


def identity(value: Input, gates: Mapping[str, Gate] | None = None) -> Any:
    """Return what identifies an input: a stage's output, the files of a folder, a name, ``base``.

    ``gates`` maps stages to the gates that may put an earlier model in the place of their own.
    """
    if isinstance(value, tuple):
        return [identity(each, gates) for each in value]
    if isinstance(value, Folder):
        return {"files": dict(value.files)}
    found = as_json(value)
    gate = (gates or {}).get(stage_of(value) or "")
    return found if gate is None else {**found, "gate": list(gate)}


class Fingerprints:
    """Identifies the stages and evaluations of one plan.

    The nodes that configs share are put in canonical form once, and source files are read once, so
    nothing of either may change while a plan is made.
    """

    def __init__(self, schema: Schema, hashes: FileHashes) -> None:
        self.schema = schema
        self._hashes = hashes
        self._fragments: ByIdentity[Fragment] = ByIdentity()
        self._plain_mixes: ByIdentity[Any] = ByIdentity()
        self._asking = Asking(schema)
        self._evaluations = AskedEvaluations(schema)
        self._models: ByIdentity[Any] = ByIdentity()
        self.sources = SourcesRead()
        self._stages: ByIdentity[_Counted] = ByIdentity()
        self._views: ByIdentity[_Counted] = ByIdentity()
        self._code: dict[Hashable, Fragment] = {}

    def stage(
        self,
        config: Mapping[str, Any],
        learner: str,
        inputs: Mapping[str, Any],
        plains: Mapping[str, str] | None = None,
    ) -> Identity:
        """Return what identifies a resolved stage config.

        ``inputs`` maps the places of its references to their :func:`identity`, ``plains`` the
        fingerprints in them to the same without code.
        """
        counts = partial(self._stage, config, learner)
        read = self._stages.of(counts, *_nodes(config), also=learner)
        document = {**read.document, "seed": int(config.get("seed", 0)), "inputs": dict(inputs)}
        return Identity(
            digest(document),
            digest({**document, "groups": read.without_steps}),
            read.components,
            _plain(document, {**read.says, **(plains or {})}),
            read.code.value,
            read.code_digest,
        )

    def _stage(self, config: Mapping[str, Any], learner: str) -> _Counted:
        """Return what counts of a stage beside its seed and inputs."""
        read = _Reading(self, learner)
        wanted = trained_groups(config, self.schema)
        nodes = {
            **config,
            "data_mix": self.sources.training_mix(config),
            "models": self._models_asked(config, tuple(self._asking.of(config))),
        }
        groups = {
            group: read.node(nodes.get(group), group) for group in wanted if group not in _NEVER
        }
        document: dict[str, Any] = {"layout": layout.LAYOUT, "learner": learner}
        used = self.sources.training(config) if "data_mix" in groups else []
        document["sources"] = read.sources(config, used)
        training = groups["training"]
        if "hand_on" in (training.value or {}) and (chosen := chosen_by(config)) is not None:
            every = int((config.get("execution") or {}).get("evaluate_every", 0))
            by = view(config, chosen.evaluation)
            document["chosen_by"] = {"measured": self._measured(read, by), "every": every}
            if (plain := plainly(chosen)) != chosen.written:  # the same choice, written at length
                training = _with(training, {"hand_on": plain})
        if asked := self.asked(config):  # what components hear of evaluations moves them
            heard = {name: self._measured(read, view(config, name)) for name in asked}
            document["asked"] = {"every": asked}
            if MAIN in heard:
                document["asked"]["measured"] = heard.pop(MAIN)
            if heard:
                document["asked"]["others"] = heard
        counts = "chosen_by" in document or bool(asked)
        code = self._code_of(read.components, learner, evaluation=counts)
        without = {**groups, "training": _without_steps(training)}
        document["groups"] = {**groups, "training": training}
        document["code"] = code
        return _Counted.of(document, read, code, _joined(without))

    def evaluation(
        self,
        config: Mapping[str, Any],
        inputs: Mapping[str, Any],
        plains: Mapping[str, str] | None = None,
    ) -> str:
        """Return the fingerprint of measuring a model under a resolved stage config.

        ``inputs`` and ``plains`` are as in :meth:`stage`; the model that is measured is among the
        inputs. With ``plains`` it is the fingerprint without code.
        """
        read = self._views.of(partial(self._evaluation, config), *_nodes(config))
        document = {**read.document, "inputs": dict(inputs), "seed": int(config.get("seed", 0))}
        return digest(document) if plains is None else _plain(document, {**read.says, **plains})

    def _evaluation(self, config: Mapping[str, Any]) -> _Counted:
        """Return what counts of an evaluation beside its seed and inputs."""
        read = _Reading(self, None)
        document = {
            "layout": layout.LAYOUT,
            "loaded_as": read.node(config.get("model"), "model"),
            "measured": self._measured(read, config),
        }
        code = document["code"] = self._code_of(read.components, None, evaluation=True)
        return _Counted.of(document, read, code)

    def asked(self, config: Mapping[str, Any]) -> AskedFor:
        """Return the evaluations that components of a stage ask for while it trains."""
        return self._evaluations.of(config)

    def _models_asked(self, config: Mapping[str, Any], roles: tuple[str, ...]) -> Any:
        """Return the other models of a config without those that nothing asks for."""
        models = config.get("models")
        if not isinstance(models, Mapping):
            return models
        kept = {"name", *roles}
        return self._models.of(
            lambda: {key: node for key, node in models.items() if key in kept}, models, also=roles
        )

    def _untrained(self, models: Any) -> Any:
        """Return models as who measures by them reads them: not by how they are trained."""
        if not isinstance(models, Mapping):
            return models
        roles = {
            role: node
            for role, node in models.items()
            if isinstance(node, Mapping) and any((node.get(TRAIN) or {}).values())
        }
        if not roles:
            return models
        plain = {role: {**node, TRAIN: dict.fromkeys(node[TRAIN])} for role, node in roles.items()}
        return self._models.of(lambda: {**models, **plain}, models, also="untrained")

    def without_demonstrations(self, config: dict[str, Any]) -> dict[str, Any]:
        """Return a config whose rows teach nothing: what an evaluation reads of any stage."""
        mix = config.get("data_mix")
        if not mix:
            return config
        return {
            **config,
            "data_mix": self._plain_mixes.of(lambda: {**mix, DEMONSTRATION: None}, mix),
        }

    def _measured(self, read: _Reading, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the canonical values of what an evaluation under this config reads."""
        reads = evaluation_reads(config, self.schema)
        groups = [group for group in dict.fromkeys(("evaluation", *reads)) if group != "sources"]
        document: dict[str, Any] = {
            group: read.node(config.get(group), group) for group in groups if group != "data_mix"
        }
        if roles := tuple(self._asking.measured(config)):
            asked = self._models_asked(config, roles)
            document["models"] = read.node(self._untrained(asked), "models")
        document["held_out"] = read.held_out(config.get("data_mix") or _NO_MIX)
        document["sources"] = read.sources(config, self.sources.held_out(config))
        return document

    def fragment(
        self,
        node: Any,
        make: Callable[[Canonicaliser], Any],
        learner: str | None,
        form: Hashable,
    ) -> Fragment:
        """Return a node in canonical form, made once for each learner and ``form``."""

        def fresh() -> Fragment:
            canon = Canonicaliser(self.schema, self._hashes, learner)
            return Fragment.of(make(canon), canon)

        return self._fragments.of(fresh, node, also=(form, learner))

    def _code_of(
        self,
        components: Mapping[tuple[str, str], ComponentInfo],
        learner: str | None,
        *,
        evaluation: bool,
    ) -> Fragment:
        """Return what the code of components and of a learner says, as hashes by module."""
        modules = {info.cls.partition(":")[0] for info in components.values() if info.cls}
        places = [info.place for info in components.values() if info.place is not None]
        modules.update(counted_modules(place.modules for place in places))
        if learner in self.schema.learners:
            modules.add(self.schema.learners[learner].cls.partition(":")[0])
        own = files_by_path(place.prints for place in places)
        key = (frozenset(modules), evaluation, tuple(sorted(own.items())))
        if key not in self._code:
            found = code_hashes(modules, evaluation=evaluation)
            counts: dict[str, Any] = dict(found)
            if own:  # which of them says what stands in the nodes that name them
                counts["by_path"] = sorted(own.values())
            self._code[key] = Fragment({**found, **own}, to_json(counts), {})
        return self._code[key]

    def held_out(self, canon: Canonicaliser, mix: Mapping[str, Any]) -> Any:
        """Return what evaluations read of a mix: stages that train on other rows share it."""
        info = self.schema.find("data_mix", str(mix.get("name")))
        if info is None or HELD_OUT not in info.fields:
            return canon.node(mix, "data_mix")
        canon.components["data_mix", info.name] = info
        return {
            key: canon.field(mix.get(key, described.default), described)
            for key, described in info.fields.items()
            if key in (HELD_OUT, *_FORM)
        }


@dataclass(frozen=True)
class _Counted:
    """What a stage or an evaluation is identified by beside its seed and inputs, as JSON.

    ``says`` is what stands in the nodes for the code of components by path; ``without_steps`` are
    the groups of a stage without ``training.steps``.
    """

    document: Mapping[str, Any]
    components: tuple[ComponentInfo, ...]
    says: Mapping[str, str]
    code: Fragment
    code_digest: str
    without_steps: Fragment | None = None

    @classmethod
    def of(
        cls,
        document: Mapping[str, Any],
        read: _Reading,
        code: Fragment,
        without_steps: Fragment | None = None,
    ) -> _Counted:
        """Return what a document counts, every part of it written down once."""
        written = {key: _joined(part) for key, part in document.items()}
        components = tuple(read.components.values())
        return cls(written, components, read.says(), code, digest(code), without_steps)


class _Reading:
    """The nodes that one stage or evaluation reads, and the components met in them."""

    def __init__(self, prints: Fingerprints, learner: str | None) -> None:
        self._prints = prints
        self._learner = learner
        self.components: dict[tuple[str, str], ComponentInfo] = {}

    def node(self, node: Any, group: str) -> Fragment:
        """Return a group's node in canonical form."""
        return self._read(node, lambda canon: canon.node(node, group), group)

    def sources(self, config: Mapping[str, Any], names: list[str]) -> dict[str, Fragment]:
        """Return the named sources in canonical form."""
        return {name: self.node(config["sources"][name], "sources") for name in names}

    def says(self) -> dict[str, str]:
        """Return what stands in nodes for the code of components by path → what it is without."""
        places = [info.place for info in self.components.values() if info.place is not None]
        return {place.says: "code" for place in places}

    def held_out(self, mix: Mapping[str, Any]) -> Fragment:
        """Return what an evaluation reads of a data mix."""
        return self._read(mix, lambda canon: self._prints.held_out(canon, mix), "held out")

    def _read(self, node: Any, make: Callable[[Canonicaliser], Any], form: Hashable) -> Fragment:
        found = self._prints.fragment(node, make, self._learner, form)
        self.components.update(found.components)
        return found


def _nodes(config: Mapping[str, Any]) -> list[Any]:
    """Return the nodes of a resolved config that may count."""
    return [config.get(key) for key in _READ]


def _joined(parts: Any) -> Fragment:
    """Return canonical values as one, written down."""
    return parts if isinstance(parts, Fragment) else Fragment(parts, to_json(parts), {})


def _plain(document: Mapping[str, Any], plains: Mapping[str, str]) -> str:
    """Return the fingerprint of a document without code, its own and that of its inputs."""
    text = to_json({key: value for key, value in document.items() if key != "code"})
    for fingerprint, plain in plains.items():
        text = text.replace(f'"{fingerprint}"', f'"{plain}"')
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def files_by_path(prints: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the name of each local file of components by path → the hash of what it says.

    Of several files of one name all are there, numbered in the order of their hashes.
    """
    named: dict[str, set[str]] = {}
    for each in prints:
        for name, digest_ in each.items():
            named.setdefault(name, set()).add(digest_)
    return {
        f"{name} ({number})" if number > 1 else name: found
        for name, several in named.items()
        for number, found in enumerate(sorted(several), 1)
    }


def _with(training: Fragment, other: Mapping[str, Any]) -> Fragment:
    value = {**training.value, **other}
    return Fragment(value, to_json(value), {})


def _without_steps(training: Fragment) -> Fragment:
    without = {key: value for key, value in (training.value or {}).items() if key != "steps"}
    return Fragment(without, to_json(without), {})


def evaluation_fingerprint(
    config: Mapping[str, Any], inputs: Mapping[str, Input], *, schema: Schema, hashes: FileHashes
) -> str:
    """Return the fingerprint of one evaluation, as :meth:`Fingerprints.evaluation` does."""
    counted = {place: identity(value) for place, value in inputs.items()}
    return Fingerprints(schema, hashes).evaluation(config, counted)
