"""`etude list`: what can be chosen, one line each, with the paper it comes from."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator

from etude.cli.frame import warn
from etude.component import GROUPS
from etude.config.installation import Choice, Installation, installed
from etude.config.read_yaml import head_comment
from etude.config.reflect import first_sentence
from etude.config.spelling import did_you_mean, listed
from etude.config.write_yaml import is_generated
from etude.errors import ConfigError, Fault
from etude.schema import ComponentInfo

_DOC = 72


def main(argv: list[str]) -> int:
    """Print the choices of the groups that are named, or of all."""
    here = installed()
    groups = [word.strip("/").rstrip("=") for word in argv if not word.startswith("-")]
    faults = [
        Fault(f"etude list {group}", f"there is no group '{group}'.{_near(group, here)}")
        for group in groups
        if group not in here.groups
    ]
    if faults:
        raise ConfigError(faults)
    warn(here.warnings)
    sections = [_section(group, here) for group in groups or GROUPS]
    print("\n\n".join("\n".join(section) for section in sections))
    return 0


def _near(group: str, here: Installation) -> str:
    near = did_you_mean(group, here.groups)
    if near:
        return near
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
    comment = head_comment(choice.path)
    info = _component(choice, here)
    sentence = first_sentence(comment.partition("Source:")[0]) or (info.doc if info else "")
    _, _, source = comment.partition("Source:")
    learner = info.learner or "" if info is not None else ""
    return (
        choice.name,
        learner,
        sentence.rstrip("."),
        source.strip() or (info.source if info else ""),
    )


def _component(choice: Choice, here: Installation) -> ComponentInfo | None:
    own = here.schema.find(choice.group, choice.name)
    if own is not None and is_generated(choice.path):
        return own
    if choice.group not in here.schema.components:
        return None
    return here.schema.find(choice.group, here.component_name(choice.group, choice.name))


def _parts(group: str, here: Installation) -> Iterator[str]:
    """Yield one line for each sub-group with the names of its choices."""
    subs = here.schema.sub_groups(group)
    if not subs:
        return
    yield ""
    width = max(len(sub.rpartition("/")[2]) for sub in subs)
    screen = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100
    for sub, many in subs.items():
        short = sub.rpartition("/")[2]
        names = " ".join(here.choices(sub)) or "(none)"
        how = f"{sub}=[…]" if many else f"{sub}=…"
        text = textwrap.wrap(f"{names}  ({how})", max(40, screen - width - 4))
        yield f"  {short:<{width}}  {text[0]}"
        for rest in text[1:]:
            yield f"  {'':<{width}}  {rest}"
