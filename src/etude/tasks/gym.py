"""The package reasoning_gym: its tasks, their items, and their own scorers.

It is imported when a task is asked for, and never to list, compose or plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from etude.errors import DataError

#: The package, and what is typed where it is missing.
PACKAGE = "reasoning_gym"
INSTALL = "pip install 'etude[reasoning_gym]'"


def installed() -> bool:
    """Tell whether the package is there."""
    return find_spec(PACKAGE) is not None


def made(items: Any, most: int) -> Iterator[Mapping[str, Any]]:
    """Yield a task's first items; those that the package itself fails to make are left out."""
    for place in range(most):
        try:
            item = items[place]
        except Exception:  # some tasks raise for some numbers, whatever their settings
            continue
        yield item


def dataset(task: str, config: Mapping[str, Any], where: str) -> Any:
    """Return a task's items; raises DataError for a task or settings that there are not.

    ``where`` is the key of the source, for messages.
    """
    factory = _factory(where)
    if task not in factory.DATASETS:
        near = get_close_matches(task, factory.DATASETS, 3, 0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        count = len(factory.DATASETS)
        raise DataError(f"{where}.task: {PACKAGE} has no task '{task}' among its {count}.{hint}")
    try:
        return factory.create_dataset(task, **config)
    except (AssertionError, TypeError, ValueError) as error:
        raise DataError(f"{where}.config: {PACKAGE}'s task {task} refuses it: {error}") from error


def levels(task: str, where: str) -> dict[str, tuple[float, float]]:
    """Return what a task's curriculum can vary: name → (0, its highest level); none has none."""
    factory = _factory(where)
    if not factory.has_curriculum(task):
        return {}
    known = factory.create_curriculum(task).attributes
    return {name: (0.0, float(len(each.levels) - 1)) for name, each in known.items()}


def at_levels(task: str, chosen: Mapping[str, int], defaults: Mapping[str, Any], where: str) -> Any:
    """Return items of a task at the levels of its curriculum that are chosen."""
    factory = _factory(where)
    curriculum = factory.create_curriculum(task)
    for name, level in chosen.items():
        curriculum.set_attr_level(name, level)
    made = curriculum.generate_configuration(dict(defaults))
    cls, _ = factory.DATASETS[task]
    return cls(config=made)


@lru_cache(maxsize=64)
def scorer(task: str) -> Any:
    """Return a task's own scorer: (answer, item) → share of it that is right, 0 to 1."""
    return _factory("verifier").get_score_answer_fn(task)


def _factory(where: str) -> Any:
    try:
        import reasoning_gym.factory
    except ImportError as error:
        raise DataError(
            f"{where} needs the package {PACKAGE}, which cannot be imported: {INSTALL}"
        ) from error
    return reasoning_gym.factory
