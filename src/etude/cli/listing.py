"""`etude list`: what can be chosen, one line each, with the paper it comes from."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from etude.by_path.reference import is_reference
from etude.cli import by_path
from etude.cli.frame import tell, warn
from etude.cli.typed_places import TypedPlaces
from etude.component import GROUPS
from etude.config.installation import Choice, Installation, installed
from etude.config.quoting import pasted
from etude.config.read_yaml import head
from etude.config.reflect import first_sentence
from etude.config.spelling import did_you_mean, listed
from etude.config.write_yaml import is_generated
from etude.errors import ConfigError, Fault
from etude.fields import is_own
from etude.schema import ComponentInfo, FieldInfo

_DOC = 72


def main(argv: list[str]) -> int:
    """Print the choices of the groups that are named, or of all; of a file, what it offers.

    A group may be named by a place that it fills (``models.judge.model``), after the choices that
    put the place there (``objective=relift``).
    """
    here = installed()
    words = [word for word in argv if not word.startswith("-")]
    if words and all(map(is_reference, words)):
        tell("\n\n".join("\n".join(by_path.section(word, here.schema)) for word in words))
        return 0
    chosen = [word for word in words if word.partition("=")[2]]
    named = [word.strip("/").rstrip("=") for word in words if word not in chosen]
    groups = [_group(name, chosen, here) for name in named]
    faults = [
        Fault(f"etude list {group}", f"there is no group '{group}'.{_near(group, here)}")
        for group in groups
        if group not in here.groups
    ]
    if faults:
        raise ConfigError(faults)
    warn(here.warnings)
    sections = [_section(group, here) for group in groups or GROUPS]
    tell("\n\n".join("\n".join(section) for section in sections))
    return 0


def _group(name: str, chosen: Sequence[str], here: Installation) -> str:
    """Return the group that is named, itself or by a place; what names none stays as it is."""
    if name in here.groups or "." not in name:
        return name
    field = TypedPlaces(chosen, here).field(name)
    found = (field.slot or field.slots) if field is not None else None
    return found or (group if (group := name.replace(".", "/")) in here.groups else name)


def _near(group: str, here: Installation) -> str:
    near = did_you_mean(group, here.groups)
    if near:
        return near
    if "." in group:
        return " A place is known with the choices that make it: etude list objective=relift PLACE."
    holders = [other for other in here.groups if group in here.choices(other)]
    if holders:
        return f" It is a choice: {', '.join(f'{holder}={group}' for holder in holders)}."
    return f" There are {listed(GROUPS, 20)}."


def _section(group: str, here: Installation) -> list[str]:
    head = f"{group}  {here.groups[group]}".rstrip()
    return [head, *_table(group, here), *_parts(group, here)]


def _table(group: str, here: Installation) -> list[str]:
    rows = [row(choice, here) for choice in here.choices(group).values()]
    if not rows:
        return ["  (none)"]
    names = max(len(name) for name, *_ in rows)
    learners = max(len(learner) for _, learner, *_ in rows)
    docs = min(_DOC, max(len(doc) for _, _, doc, _ in rows))
    lines = []
    for name, learner, doc, source in rows:
        head = f"  {name:<{names}}  " + (
            f"{learner.replace('_', ' '):<{learners}}  " if learners else ""
        )
        wrapped = textwrap.wrap(doc, docs) or [""]
        lines.append(f"{head}{wrapped[0]:<{docs}}  {source}".rstrip())
        lines += [f"{' ' * len(head)}{rest}" for rest in wrapped[1:]]
    return lines


def row(choice: Choice, here: Installation) -> tuple[str, str, str, str]:
    """Return a choice's name, learner, first sentence and source."""
    said = head(choice.path)
    info = _component(choice, here)
    sentence = first_sentence(said.prose) or (info.doc if info else "")
    learner = info.learner or "" if info is not None else ""
    return (
        choice.name,
        learner,
        sentence.rstrip("."),
        said.source or (info.source if info else ""),
    )


def _component(choice: Choice, here: Installation) -> ComponentInfo | None:
    own = here.schema.find(choice.group, choice.name)
    if own is not None and is_generated(choice.path):
        return own
    if choice.group not in here.schema.components:
        return None
    return here.schema.find(choice.group, here.component_name(choice.group, choice.name))


def _parts(group: str, here: Installation) -> Iterator[str]:
    """Yield one line for each slot of the group's components with what may fill it."""
    slots = [*_own_slots(group, here), *_other_slots(group, here)]
    if not slots:
        return
    yield ""
    width = max(len(title) for title, _, _ in slots)
    screen = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100
    for title, names, how in slots:
        text = textwrap.wrap(f"{names}  ({how})", max(40, screen - width - 4))
        yield f"  {title:<{width}}  {text[0]}"
        for rest in text[1:]:
            yield f"  {'':<{width}}  {rest}"


def _own_slots(group: str, here: Installation) -> Iterator[tuple[str, str, str]]:
    """Yield (title, choices, how one is chosen) of each sub-group."""
    for sub, many in here.schema.sub_groups(group).items():
        names = " ".join(here.choices(sub)) or "(none)"
        yield sub.rpartition("/")[2], names, pasted(f"{sub}=[…]") if many else f"{sub}=…"


def _other_slots(group: str, here: Installation) -> Iterator[tuple[str, str, str]]:
    """Yield (title, what is chosen, how) of each slot that another group's components fill."""
    for info in here.schema.components.get(group, {}).values():
        place = group.replace("/", ".") + (f".{info.name}" if group in here.schema.lists else "")
        for path, slot in _slots(info):
            if not is_own(slot, group):
                yield f"{info.name}.{path}", f"any {slot}", f"{place}.{path}=…"


def _slots(info: ComponentInfo) -> Iterator[tuple[str, str]]:
    """Yield (path, group) of each place in a component that a file can be chosen for."""
    for field in info.fields_in({"ROLE": None}):
        if field.holds_parts:
            yield from _in_field(field, field.name)


def _in_field(field: FieldInfo, path: str) -> Iterator[tuple[str, str]]:
    if field.slot:
        yield path, field.slot
    elif field.slots:
        yield f"{path}.KEY", field.slots
    elif field.holds_parts:
        entry = field.entry("KEY")
        for each in (field.struct or {}).values() if entry is None else [entry]:
            yield from _in_field(each, f"{path}.{each.name}")
