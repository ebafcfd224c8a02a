"""How a part is declared: a frozen dataclass, registered under its group and its name.

``src/etude/objective/advantage/bnpo.py`` holds the component ``bnpo`` of the group
``objective/advantage``: the folder is the group and the file is the name. The fields are the
config (:func:`option`, :func:`slot`, :func:`slots`), the methods are the behaviour and the
docstring's first sentence is what ``etude list`` prints. This module imports nothing heavy, and
component modules are only imported when they are built or when the schema is written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

T = TypeVar("T", bound=type)

FieldKind = Literal["result", "execution"]

#: What a text (or each text of a list, or key of a mapping) has to be beyond its type: a regular
#: expression, one with a group, a part of the verifier, such a part or ``reward`` (their sum), a
#: part of ``data_mix.train``, only not empty, or a line of shell, which reads the environment for
#: itself where it runs. A *reference* (plan/references.py) names what was made elsewhere: a model,
#: rows of a stage, the samples of an evaluation, or the state of a component (config/states.py).
TextForm = Literal[
    "regex",
    "regex with group",
    "part",
    "part or reward",
    "training part",
    "metric",
    "filled",
    "shell",
    "model reference",
    "rows reference",
    "samples reference",
    "state reference",
    "rates file",
]

#: The config groups at the root, in the order a person reads them.
GROUPS: dict[str, str] = {
    "model": "the model that is trained",
    "models": "the other models a stage may ask for (reference, critic, teacher, …)",
    "objective": "what is optimised, and the learner that does it",
    "data_mix": "which rows of which sources, in which proportion and form",
    "sources": "where data lies; never overlaid by a stage",
    "verifier": "what turns an answer into named parts",
    "reward_weighting": "how named parts become one reward",
    "curriculum": "what changes from step to step",
    "rollout": "how answers are sampled",
    "environment": "what episodes are played with: tools, turns that are answered, rewards",
    "environments": "environments that rows name, each under a name of its own",
    "optimizer": "how parameters move",
    "training": "how long, and on how many rows",
    "evaluation": "how a model is measured",
    "evaluations": "what else a model is measured by, each under a name of its own",
    "tracker": "where metrics go",
    "launcher": "where it runs",
    "recipe": "a pipeline of stages",
}


@dataclass(frozen=True)
class Need:
    """Something a component requires, provides or conflicts with.

    ``what`` is ``kind:name``: ``column:solution``, ``model:reference``, ``row:old_logprobs``,
    ``part:accuracy``, ``statistic:entropy``, ``loss:tokenwise``, ``groups:whole``,
    ``groups:fixed_size`` (met unless something provides ``groups:unequal``),
    ``learner:policy_gradient``, ``metric:NAME`` (that an evaluation gives), ``writes:reader`` (a
    trained role that an episode has write rows, which it learns from), ``trained:critic`` (a
    role of ``models`` that the stage trains, provided by what trains it), ``changes:reference`` (a
    model of the stage, ``rollout.model_from`` included, whose weights what provides it changes),
    ``evaluation:main@2`` (that evaluation after every second step, before its checkpoint),
    ``evaluation:main@start`` (before the first step),
    ``written:chosen`` (a column of the rows that a stage writes, provided by its objective),
    ``package:reasoning_gym`` (a package that the extra of that name brings),
    ``rows:episodes`` (rows made for an environment that is its own source),
    ``characters:400`` (the most that a row of a source has, provided by one that makes its rows),
    or ``component:<group>=<name>``. A field in braces stands for its value: ``model:{role}`` is the
    model whose role the field ``role`` names.
    ``when`` limits it to configs where ``<field> <op> <literal>`` holds (``coef > 0``,
    ``mode == 'reward'``); ``why`` completes the sentence "<component> needs <what> …".
    """

    what: str
    when: str = ""
    why: str = ""


#: What a part requires whose arithmetic takes as many answers of one prompt as of another.
FIXED_SIZE = "groups:fixed_size"
#: What a component provides that plans groups of unequal size.
UNEQUAL_SIZES = "groups:unequal"

#: What a reward weighting provides whose reward of a row depends on more than the rows of its
#: group: a filter that goes by rewards, which sees one group at a time, refuses it.
OF_BATCH = "reward:of_batch"
#: Why a filter that goes by rewards refuses it.
BEFORE_BATCH = "a group is kept or not before the batch that its rewards depend on is there"
#: What a reward weighting provides that returns advantages: shaping that changes rewards, and does
#: not add to them, refuses it.
ADVANTAGES = "reward:advantages"
#: The same of one whose parts have values of their own where there is a critic: any other cannot
#: go with one, which predicts the one reward.
ADVANTAGES_BY_VALUE = "reward:advantages_by_value"

#: What advantages provide that stay as they are when all rewards of a step are multiplied by one
#: number.
SCALE_FREE = "advantage:scale_free"

#: What advantages provide that are the reward itself, with no baseline and nothing that divides it.
AS_GIVEN = "advantage:as_given"

#: What an engine provides that shows the logits of every token, and why a part asks for it that
#: combines those of several models.
SHOWS_LOGITS = "engine:logits"
TO_COMBINE = "to combine those of several models at every token"

#: What an engine provides that holds weights of its own beside the trainer, all the time.
BESIDE = "engine:beside"

#: What a curriculum provides that leaves every step as the config has it.
STEPS_ALIKE = "steps:alike"


@dataclass(frozen=True)
class Rule:
    """A condition that the values of a component must meet, judged when a config is composed.

    A class lists its own as ``rules: ClassVar[tuple[Rule, ...]]``; those of its bases hold too.
    ``must`` is a condition (``config/conditions.py``): its names are fields (``alpha < beta``) and,
    after ``stage.``, keys of the whole stage (``stage.rollout.temperature > 0``); what a null
    leaves open is met. ``says`` completes "<key> …" and says what to type; ``{alpha}`` in it stands
    for a value and ``{path}`` for where the component lies. ``key`` is the key at fault, by default
    the first that ``must`` names.
    """

    must: str
    says: str
    key: str = ""


@dataclass(frozen=True)
class Declaration:
    """What :func:`component` recorded about a class."""

    group: str
    name: str
    source: str
    requires: tuple[Need, ...]
    provides: tuple[Need, ...]
    conflicts: tuple[Need, ...]


#: How the names of packages begin that hold the files of components by path.
BY_PATH = "etude_by_path_"

REGISTRY: dict[tuple[str, str], type] = {}


def _needs(items: Sequence[Need | str]) -> tuple[Need, ...]:
    return tuple(item if isinstance(item, Need) else Need(item) for item in items)


def component(
    *,
    source: str = "",
    requires: Sequence[Need | str] = (),
    provides: Sequence[Need | str] = (),
    conflicts: Sequence[Need | str] = (),
    group: str | None = None,
    name: str | None = None,
) -> Callable[[T], T]:
    """Register a frozen dataclass as a component; put it above ``@dataclass(frozen=True)``.

    Group and name follow from the module (``etude.objective.advantage.bnpo``); a package outside
    etude gives them. What a base class lists as ``base_requires`` is required too. Raises TypeError
    when the class is not a frozen dataclass or the name is taken by another class.
    """

    def register(cls: T) -> T:
        module = cls.__module__.split(".")
        own_group = group or "/".join(module[1:-1])
        # A person's file may hold several; what they stand for is said where they are chosen.
        by_path = module[0].startswith(BY_PATH)
        own_name = name or (f"{'.'.join(module)}:{cls.__qualname__}" if by_path else module[-1])
        params = getattr(cls, "__dataclass_params__", None)
        if params is None or not params.frozen or "__dataclass_fields__" not in cls.__dict__:
            raise TypeError(f"{cls.__qualname__} must be a frozen dataclass to be a component")
        known = REGISTRY.get((own_group, own_name))
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise TypeError(
                f"{own_group}={own_name} is already {known.__module__}.{known.__qualname__}"
            )
        of_bases = [need for base in cls.__mro__ for need in base.__dict__.get("base_requires", ())]
        declaration = Declaration(
            own_group,
            own_name,
            source,
            (*of_bases, *_needs(requires)),
            _needs(provides),
            _needs(conflicts),
        )
        cls.declaration = declaration  # type: ignore[attr-defined]
        REGISTRY[own_group, own_name] = cls
        return cls

    return register


def option(
    default: Any = dataclasses.MISSING,
    doc: str = "",
    *,
    kind: FieldKind = "result",
    choices: Sequence[Any] | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    items: int | None = None,
    form: TextForm | None = None,
    form_when: str = "",
    read_by: str = "",
    escapes: bool = False,
) -> Any:
    """Declare one config key of a component, with its default, meaning and limits.

    Limits are those of each item where the value is a list, and ``items`` is how many it has at
    least. ``form`` is what a text has to be beyond text (:data:`TextForm`); in a nested struct
    ``form_when`` limits it to where a condition on the other fields holds.
    ``kind`` is ``result`` when the value can change what is computed and ``execution`` when it
    only changes how (such a key never enters a fingerprint). ``read_by`` is a condition on the
    traits of a learner (``learner/traits.py``: ``groups``, ``not samples``, ``row == 'pair'``) that
    tells which read the key; empty means all. With ``escapes``, ``\\n``, ``\\t`` and ``\\r`` in
    its texts are the characters they stand for, however they were typed. Mutable defaults (lists,
    dicts) are copied for each instance.
    """
    metadata = {
        "doc": doc,
        "kind": kind,
        "choices": tuple(choices) if choices is not None else None,
        "bounds": {
            k: v
            for k, v in {"ge": ge, "gt": gt, "le": le, "lt": lt, "items": items}.items()
            if v is not None
        },
        "form": form or "",
        "form_when": form_when,
        "read_by": read_by,
        "escapes": escapes,
    }
    if isinstance(default, (list, dict, set)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def slot(
    choice: str, doc: str = "", *, group: str = "", read_by: str = "", follows: bool = False
) -> Any:
    """Declare a field filled by one component, or by none where ``choice`` is empty.

    Its group is the sub-group ``<group>/<field name>`` of the class's own, or ``group``, which may
    be any (``slot("adamw", "…", group="optimizer")``); a plain dataclass used as a struct names it.
    ``read_by`` tells which learners read it, as for :func:`option`; evaluations then do not. With
    ``follows`` what is set there is laid over the stage's own node of that group, as a stage is
    over the root, and what is not set is the stage's.
    """
    metadata = {"doc": doc, "slot": "one", "choice": choice, "group": group, "kind": "result"}
    more = {"read_by": read_by, "follows": follows}
    return dataclasses.field(default=None, metadata={**metadata, **more})


def slots(*choices: str, doc: str = "", group: str = "", read_by: str = "") -> Any:
    """Declare a field filled by any number of components, each under a key of its own.

    Those of the sub-group ``<group>/<field name>`` are chosen as a list, and a stage replaces them
    as a whole. With ``group``, which may be any, each is an entry that is chosen, changed and taken
    away by itself. ``choices`` are there by default, under their names. Keys have no order: where
    order matters it is a field of its own. ``read_by`` is as for :func:`slot`.
    """
    metadata = {"doc": doc, "slot": "many", "choice": choices, "group": group, "kind": "result"}
    return dataclasses.field(default_factory=dict, metadata={**metadata, "read_by": read_by})


def entries(default: Mapping[str, Any] | None = None, doc: str = "", *, short: str = "") -> Any:
    """Declare the one field that takes every other key of the component's node.

    Its annotation is ``Mapping[str, Struct]``: ``models: {name: default, judge: {load: …}}`` gives
    the entry ``judge``. A stage lays entries one by one over the root's, and null takes one away;
    ``default`` are those that the component's YAML begins with. ``short`` names the key of Struct
    that a bare text stands for (``judge: FOLDER``).
    """
    return dataclasses.field(
        default_factory=lambda: dict(default or {}),
        metadata={"doc": doc, "entries": True, "short": short, "kind": "result"},
    )
