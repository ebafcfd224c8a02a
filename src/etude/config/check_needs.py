"""What the components of a stage ask of it: rules, columns, needs and conflicts, each alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from etude.component import FIXED_SIZE, UNEQUAL_SIZES
from etude.config import (
    asked_evaluations,
    check_data,
    check_rules,
    evaluations,
    hidden_columns,
    needs,
)
from etude.config.installation import Installation
from etude.config.keys import at
from etude.config.need_words import said
from etude.config.needs import Used
from etude.config.spelling import did_you_mean, listed
from etude.config.values import shown
from etude.schema import Schema

#: What is required of the machine: a package that an extra of etude's brings, under its name.
_PACKAGE = "package:"

#: What parts require that compare the answers to a prompt; all of them are told of together.
_SEVERAL = "answers:several"


def unmet(
    used: list[Used],
    has: Mapping[str, str],
    config: dict[str, Any],
    trained: set[str] | None,
    installation: Installation,
) -> Iterator[tuple[str, str]]:
    """Yield what the components of a stage ask for and do not find, in the order of ``used``.

    ``has`` is what the stage provides (:func:`etude.config.needs.provided`) and ``trained`` are the
    groups that its objective reads, None where it says none. What only shows between components
    that compare answers is told by :func:`alone`, and what is asked of a verifier's parts by
    :mod:`etude.config.check_parts`.
    """
    schema = installation.schema
    roles = [key for key in config.get("models") or {} if key != "name"]
    asked: set[tuple[str, str]] = set()
    for each in used:
        yield from check_rules.broken(each, config)
        yield from hidden_columns.hidden(each, config, schema)
        for need in needs.active(each.info.requires, each):
            if need.what.startswith("column:") and each.path.startswith("environments."):
                continue  # of the rows that name it, which are known when they are read
            if need.what.startswith("column:"):
                yield from check_data.column(
                    each, need.what, need.why, config, has, installation, trained
                )
            elif need.what.startswith(_PACKAGE):
                yield from _not_installed(each, need.what.removeprefix(_PACKAGE), need.why)
            elif need.what.startswith(asked_evaluations.KIND):
                named = (each.path, need.what.partition("@")[0])
                if named not in asked:  # at the start and in training alike: told once
                    yield from _unasked(each, need.what, need.why, has, config)
                asked.add(named)
            elif need.what not in has and need.what != _SEVERAL and not _is_part(need.what):
                yield "", missing(each, need.what, need.why, used, schema, roles)
        for need in needs.active(each.info.conflicts, each):
            if need.what in has and has[need.what] != each.title:
                other = has[need.what]
                reason = need.why or "they exclude each other"
                yield "", f"{each.title} cannot be used with {other}: {reason}."


def alone(
    used: list[Used], has: Mapping[str, str], config: Mapping[str, Any], schema: Schema
) -> Iterator[tuple[str, str]]:
    """Yield a fault where answers are compared with others to their prompt and there are none."""
    if _SEVERAL in has:
        return
    asking = [u for u in used if any(n.what == _SEVERAL for n in needs.active(u.info.requires, u))]
    if asking:
        giving = needs.conditions_of(_SEVERAL, used)
        key = min(giving, key=lambda condition: condition.count(".")).split()[0]  # the plainest
        lines = [
            f"is {shown(at(config, key))}, so there is nothing to compare an answer with; several"
            f" answers to each prompt are compared by {listed(u.title for u in asking)}."
        ]
        for each in asking:
            if others := needs.content_with(each, has, schema):
                lines.append(f"  {each.info.group}={others[0]}  compares none")
        yield key, "\n".join(lines)


def missing(
    used: Used, what: str, why: str, every: list[Used], schema: Schema, roles: Sequence[str]
) -> str:
    """Return how it is told that nothing provides what a component needs, and what would."""
    reason = f" {why}" if why else ""
    if what == FIXED_SIZE:
        others = [u.title for u in every if needs.gives(u, UNEQUAL_SIZES)]
        return f"{used.title} needs groups of one size{reason}; {listed(others)} plans others."
    lines = [f"{used.title} needs {said(what)}{reason}; nothing here provides it."]
    kind, _, name = what.partition(":")
    if name == needs.SAMPLER:
        lines.append(f"  stages.STAGE.{name}=start  gives it (or base, a stage, a folder)")
    elif kind == "model":
        lines[0] += did_you_mean(name, roles)
        elsewhere = "a folder; in a run also start, a stage, STAGE.OUTPUT"
        lines.append(f"  models.{name}=base  gives it (or {elsewhere})")
    if kind == "component":
        lines.append(f"  {name}")
    if kind not in ("model", "component"):
        keys = needs.conditions_of(what, every)
        lines += [f"  {key}  gives it" for key in keys]
        if not keys:
            lines += [f"  {choice}  has it" for choice in needs.providers(what, schema)[:4]]
    return "\n".join(lines)


def _not_installed(used: Used, package: str, why: str) -> Iterator[tuple[str, str]]:
    """Yield a fault where a package is missing that a component works with."""
    if find_spec(package) is None:
        reason = f" {why}" if why else ""
        yield (
            used.path,
            f"{used.title} needs the package {package}{reason}, which is not installed:"
            f" pip install 'etude[{package}]'",
        )


def _unasked(
    used: Used, what: str, why: str, has: Mapping[str, str], config: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield why an evaluation that a component asks for cannot be made."""
    reason = f" {why}" if why else ""
    try:
        name, _ = asked_evaluations.of_need(what)
    except ValueError:
        every = what.partition("@")[2] or "no"
        yield used.path, f"asks for an evaluation every {every} steps; it is a number above 0."
        return
    if f"{asked_evaluations.KIND}{name}" not in has:
        there = list(evaluations.views(config))
        off = "which is switched off" if name in there else "which there is not"
        near = "" if name in there else did_you_mean(name, there)
        lines = [f"asks for {said(what)}{reason}, {off}.{near}"]
        place = "evaluation" if name == evaluations.MAIN else f"evaluations.{name}.evaluation"
        lines += [f"  {place}=pass_at_k  gives it"]
        yield used.path, "\n".join(lines)


def _is_part(what: str) -> bool:
    """Return whether a part of the verifier is needed: those are judged by ``check_parts``."""
    return what.startswith("part:")
