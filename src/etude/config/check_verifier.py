"""Verifiers in and beside each other: where they judge, whom they ask, and what they give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etude.config.declared_parts import declared
from etude.config.needs import Used, active
from etude.config.spelling import listed
from etude.config.values import is_interpolation
from etude.environment.interface import PARTS
from etude.errors import DataError
from etude.verifying.rates import read_rates

_BASE = "etude.verifier.opened:OpenedVerifier"


def misfits(used: Sequence[Used]) -> Iterator[tuple[str, str]]:
    """Yield a fault for each verifier, of those a stage uses, that could not judge as it is put."""
    verifiers = [each for each in used if each.info.group == "verifier"]
    for each in verifiers:
        yield from _unread_rates(each)
        inside = [other for other in verifiers if other.path.startswith(f"{each.path}.")]
        if each.info.in_stage:
            of_others = any(need.what == PARTS for need in each.info.provides)
            if not inside and not of_others and declared([each], each.path) is None:
                yield (
                    each.path,
                    f"{each.title} is not called before training and declares no parts:"
                    ' @component(provides=["part:NAME"]).',
                )
            continue
        opened = [other.title for other in inside if other.info.in_stage]
        if opened:
            yield (
                each.path,
                f"{each.title} judges in worker processes and wraps {listed(opened)}, which judges"
                f" in the process of the stage; what wraps it has to stand on {_BASE}.",
            )
        asked = [n.what for n in active(each.info.requires, each) if n.what.startswith("model:")]
        if asked:
            names = listed(what.partition(":")[2] for what in asked)
            yield (
                each.path,
                f"{each.title} asks for the model {names} and judges in worker processes, where no"
                f" model is; it has to stand on {_BASE}.",
            )


def _unread_rates(used: Used) -> Iterator[tuple[str, str]]:
    """Yield a fault for each file of measured error rates that there are none in."""
    for field in used.info.fields_in(used.node):
        file = used.node.get(field.name)
        if field.form != "rates file" or not isinstance(file, str) or is_interpolation(file):
            continue
        try:
            rates = read_rates(file)
        except DataError as problem:
            yield f"{used.path}.{field.name}", str(problem)
            continue
        if rates.false_positive + rates.false_negative >= 1:
            yield (
                f"{used.path}.{field.name}",
                f"names {file}, whose rates are {rates.false_positive:g} and"
                f" {rates.false_negative:g}, together 1 or more: a yes of that verifier says"
                " nothing of an answer, or the opposite.",
            )
