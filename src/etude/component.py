"""How a part is declared: a frozen dataclass, registered under its group and its name.

``src/etude/objective/advantage/bnpo.py`` holds the component ``bnpo`` of the group
``objective/advantage``: the folder is the group and the file is the name. The fields are the
config (:func:`option`, :func:`slot`, :func:`slots`), the methods are the behaviour and the
docstring's first sentence is what ``etude list`` prints. This module imports nothing heavy, and
component modules are only imported when they are built or when the schema is written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

T = TypeVar("T", bound=type)

FieldKind = Literal["result", "execution"]

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
    "optimizer": "how parameters move",
    "training": "how long, and on how many rows",
    "evaluation": "how a model is measured",
    "tracker": "where metrics go",
    "launcher": "where it runs",
    "recipe": "a pipeline of stages",
}


@dataclass(frozen=True)
class Need:
    """Something a component requires, provides or conflicts with.

    ``what`` is ``kind:name``: ``column:solution``, ``model:reference``, ``row:old_logprobs``,
    ``part:accuracy``, ``statistic:entropy``, ``loss:tokenwise``, ``groups:whole``,
    ``groups:fixed_size``, ``learner:policy_gradient``, ``trained:critic`` (another model that the
    stage trains, provided by what trains it), or ``component:<group>=<name>``.
    ``when`` limits it to configs where ``<field> <op> <literal>`` holds (``coef > 0``,
    ``mode == 'reward'``); ``why`` completes the sentence "<component> needs <what> …".
    """

    what: str
    when: str = ""
    why: str = ""


@dataclass(frozen=True)
class Declaration:
    """What :func:`component` recorded about a class."""

    group: str
    name: str
    source: str
    requires: tuple[Need, ...]
    provides: tuple[Need, ...]
    conflicts: tuple[Need, ...]


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
    etude gives them. Raises TypeError when the class is not a frozen dataclass or the name is
    taken by another class.
    """

    def register(cls: T) -> T:
        module = cls.__module__.split(".")
        own_group = group or "/".join(module[1:-1])
        own_name = name or module[-1]
        params = getattr(cls, "__dataclass_params__", None)
        if params is None or not params.frozen or "__dataclass_fields__" not in cls.__dict__:
            raise TypeError(f"{cls.__qualname__} must be a frozen dataclass to be a component")
        known = REGISTRY.get((own_group, own_name))
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise TypeError(
                f"{own_group}={own_name} is already {known.__module__}.{known.__qualname__}"
            )
        declaration = Declaration(
            own_group, own_name, source, _needs(requires), _needs(provides), _needs(conflicts)
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
    learners: Sequence[str] = (),
) -> Any:
    """Declare one config key of a component, with its default, meaning and limits.

    ``kind`` is ``result`` when the value can change what is computed and ``execution`` when it
    only changes how (such a key never enters a fingerprint). ``learners`` names the learners that
    read the key; empty means all. Mutable defaults (lists, dicts) are copied for each instance.
    """
    metadata = {
        "doc": doc,
        "kind": kind,
        "choices": tuple(choices) if choices is not None else None,
        "bounds": {
            k: v for k, v in {"ge": ge, "gt": gt, "le": le, "lt": lt}.items() if v is not None
        },
        "learners": tuple(learners),
    }
    if isinstance(default, (list, dict, set)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def slot(choice: str, doc: str = "") -> Any:
    """Declare a field filled by one component of the sub-group ``<group>/<field name>``."""
    return dataclasses.field(
        default=None, metadata={"doc": doc, "slot": "one", "choice": choice, "kind": "result"}
    )


def slots(*choices: str, doc: str = "") -> Any:
    """Declare a field filled by any number of components of a sub-group, keyed by name."""
    return dataclasses.field(
        default_factory=dict,
        metadata={"doc": doc, "slot": "many", "choice": choices, "kind": "result"},
    )
