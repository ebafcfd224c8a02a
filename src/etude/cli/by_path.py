"""`etude list ./reward.py`: what a person's file offers, and how each of it is chosen."""

from __future__ import annotations

from collections.abc import Iterator

from etude.by_path import files
from etude.by_path.describe import offered
from etude.by_path.kinds import KINDS
from etude.by_path.reference import missing, read
from etude.config.quoting import pasted
from etude.config.values import kind_in_words, shown
from etude.entries import ComponentInfo, Schema
from etude.errors import ConfigError, Fault
from etude.fields import FieldInfo


def section(name: str, schema: Schema) -> list[str]:
    """Return the lines about a place, or about everything in a file; raises ConfigError."""
    reference = read(name)
    if not reference.file.is_file():
        raise ConfigError([Fault(f"etude list {name}", missing(reference))])
    bundle = files.read(reference.file)
    if bundle.problems:
        raise ConfigError([Fault(f"etude list {name}", "\n  ".join(bundle.problems))])
    names = [reference.attribute] if reference.attribute else offered(bundle.tree)
    lines: list[str] = []
    for each in names:
        lines += [*([""] if lines else []), *_one(f"{reference.shown}:{each}", schema)]
    return lines


def _one(name: str, schema: Schema) -> Iterator[str]:
    fitting = [info for group in KINDS if (info := schema.find(group, name)) is not None]
    own = [info for info in fitting if _names_of(info)] or fitting
    # Some may ask for any column; what has a place of its own is meant for that.
    own = [info for info in own if not KINDS[info.group].columns] or own
    if not own:
        yield name
        yield from (f"  {problem}" for problem in schema.problems("verifier", name))
        return
    info = own[0]
    yield f"{name}  {info.doc}".rstrip()
    place = info.place
    assert place is not None  # it was found by its place
    for each in own if place.is_function else ():
        key = "sources.NAME" if each.group == "sources" else each.group
        yield f"  {pasted(f'{key}={name}')}"
    if place.asks:
        yield f"  asks for  {', '.join(_asked(ask, info) for ask in place.asks)}"
    if place.parts:
        yield f"  parts     {', '.join(place.parts)}"
    options = place.options if place.is_function else tuple(info.fields)
    for number, key in enumerate(options):
        head = "options" if number == 0 else ""
        yield f"  {head:<8}  {key}: {_option(info.fields[key])}"


def _names_of(info: ComponentInfo) -> bool:
    """Tell whether a function asks for what its place alone gives, and not only for columns."""
    asks = info.place.asks if info.place is not None else ()
    return not KINDS[info.group].given.keys().isdisjoint(asks)


def _asked(name: str, info: ComponentInfo) -> str:
    kind = KINDS[info.group]
    if name in kind.given:
        return name
    role = kind.role_of(name)
    return f"{name} (a column)" if role is None else f"{name} (of models.{role})"


def _option(field: FieldInfo) -> str:
    kind = " or ".join(map(shown, field.choices)) if field.choices else kind_in_words(field.type)
    usual = "to be set" if field.mandatory else f"{shown(field.default)} by default"
    doc = "" if field.doc.startswith(("option of ", "field of ")) else f"  {field.doc}"
    return f"{kind}, {usual}{doc}"
