"""docs/components/: a page for each config group with every component, key and preset of it.

`python -m etude.schema` writes them beside docs/methods.md, from the same descriptions that refuse
a wrong command.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from etude.config.methods_page import command_of, linked
from etude.config.need_words import said
from etude.config.read_yaml import head
from etude.config.reflect import first_sentence
from etude.config.values import bounds_in_words, kind_in_words, shown
from etude.config.write_yaml import is_generated
from etude.entries import ComponentInfo, NeedInfo, RuleInfo, Schema
from etude.fields import FieldInfo

#: Group → its page, below docs/components.
Site = Mapping[str, str]

_INDEX = """# Components

Everything that can be chosen and every key that can be set, by config group. These pages are
written by `python -m etude.schema` from the dataclasses, and a test holds them to the code.
`etude list GROUP` prints the choices of a group, those of your own files and of installed packages
among them, and `etude show OVERRIDES` every key as a command resolves it. How choices and keys are
typed: [config.md](../config.md). From a paper to its command: [methods.md](../methods.md).
"""

_ROOT = """## The root

What a command composes before any choice (`conf/etude.yaml`); a stage lays `stages.NAME` over it.
"""


def pages(schema: Schema, conf: Path, root: str) -> dict[str, str]:
    """Return path below docs/components → content of every page.

    ``conf`` holds the groups' presets, ``root`` is the text of the primary config.
    """
    groups = [group for group in schema.groups if _has_page(group, schema, conf)]
    site = {group: _path(group, groups) for group in groups}
    found = {path: _page(group, schema, conf, site) for group, path in site.items()}
    found["index.md"] = _index(site, schema, root)
    return found


def _has_page(group: str, schema: Schema, conf: Path) -> bool:
    return bool(schema.components.get(group)) or any((conf / group).glob("*.yaml"))


def _path(group: str, groups: Sequence[str]) -> str:
    """Return where a group's page lies: one with sub-groups is the first page of their folder."""
    has_subs = any(other.startswith(f"{group}/") for other in groups)
    return f"{group}/index.md" if has_subs else f"{group}.md"


def _index(site: Site, schema: Schema, root: str) -> str:
    """Return the page that lists the groups, sub-groups under the group they belong to."""
    lines = [_INDEX, "| group | what it is | typed |", "| --- | --- | --- |"]
    roots = list(schema.groups)
    for group in sorted(site, key=lambda group: (roots.index(group.split("/")[0]), group)):
        chosen = "[NAME]" if group in schema.lists else "NAME"
        link = f"[{group}]({site[group]})"
        lines.append(_row(link, text(schema.groups[group]), _code(f"{group}={chosen}")))
    return "\n".join([*lines, "", _ROOT, f"```yaml\n{root}```", ""])


def _page(group: str, schema: Schema, conf: Path, site: Site) -> str:
    doc = text(schema.groups[group])
    lines = [f"# {group}", "", f"{doc[:1].upper()}{doc[1:]}.", ""]
    subs = [sub for sub in site if sub.rpartition("/")[0] == group]
    if subs:
        links = ", ".join(f"[{sub}]({_between(group, sub, site)})" for sub in subs)
        lines += [f"Its parts have pages of their own: {links}.", ""]
    for info in schema.components.get(group, {}).values():
        lines += _component(info, schema, site)
    presets = list(_presets(group, conf))
    if presets:
        kind = "Recipes" if group == "recipe" else "Presets"
        lines += [f"## {kind}", ""]
        if group != "recipe":
            lines += ["Files that choose parts and values of what stands above.", ""]
        lines += ["| choice | what it is | source |", "| --- | --- | --- |", *presets, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _between(group: str, other: str, site: Site) -> str:
    """Return the relative link from a group's page to another's."""
    return posixpath.relpath(site[other], posixpath.dirname(site[group]) or ".")


def _component(info: ComponentInfo, schema: Schema, site: Site) -> Iterator[str]:
    yield f"## {info.name}"
    yield ""
    source = f" Source: {linked(text(info.source))}." if info.source else ""
    yield f"{text(info.doc)}{source}"
    yield ""
    if info.group != "sources":
        yield from ("```", command_of(info, schema), "```", "")
    facts = [*_needs("Needs", info.requires), *_needs("Excludes", info.conflicts)]
    facts += [_rule(rule) for rule in info.rules]
    if facts:
        yield from (*(f"- {fact}" for fact in facts), "")
    rows = list(_rows(info, site))
    if rows:
        yield from (
            "| key | value | default | what it is |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        )


def _needs(verb: str, needs: Sequence[NeedInfo]) -> Iterator[str]:
    for need in needs:
        when = f" where {_code(need.when)}" if need.when else ""
        why = f", {text(need.why)}" if need.why else ""
        yield f"{verb} {text(said(need.what))}{when}{why}."


def _rule(rule: RuleInfo) -> str:
    return f"Must hold: {_code(rule.must)}."


def _rows(info: ComponentInfo, site: Site) -> Iterator[str]:
    """Yield a row for each key; those of a struct stand below it with their whole path."""
    fields: list[tuple[str, FieldInfo]] = [(field.name, field) for field in info.fields.values()]
    if info.entries is not None and (entry := info.entries.entry("NAME")) is not None:
        fields.append(("NAME", entry))
    while fields:
        path, field = fields.pop(0)
        yield _row(_code(path), _value(field, info.group, site), _default(field), _doc(field))
        entry = field.entry("NAME")
        inner = field.struct or (entry.struct if entry is not None else None)
        below = f"{path}.NAME" if entry is not None else path
        for each in reversed(list((inner or {}).values())):
            fields.insert(0, (f"{below}.{each.name}", each))


def _value(field: FieldInfo, page: str, site: Site) -> str:
    group = field.slot or field.slots
    if group:
        link = f"[{group}]({_between(page, group, site)})" if group in site else _code(group)
        return f"several of {link}" if field.slots else f"one of {link}"
    if field.choices:
        return " or ".join(_code(shown(choice)) for choice in field.choices)
    kind = kind_in_words(field.type) if field.struct is None else "keys below"
    return text(" ".join(filter(None, (kind, bounds_in_words(field.bounds)))))


def _default(field: FieldInfo) -> str:
    if field.mandatory:
        return "must be set"
    if field.struct is not None and field.default is not None:
        return ""
    return _code(shown(field.default) or "''")


def _doc(field: FieldInfo) -> str:
    how = " (execution: it changes no result)" if field.kind == "execution" else ""
    return text(field.doc) + how


def _presets(group: str, conf: Path) -> Iterator[str]:
    """Yield a row for each file of a group that is no component's own."""
    folder = conf / group
    paths = folder.rglob("*.yaml") if group == "recipe" else folder.glob("*.yaml")
    for path in sorted(paths):
        if not is_generated(path):
            comment = head(path)
            name = path.relative_to(folder).with_suffix("").as_posix()
            sentence = text(first_sentence(comment.prose))
            yield _row(_code(f"{group}={name}"), sentence, linked(text(comment.source)))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


#: What Markdown or HTML would take for its own, and `|`, which would end a cell.
_MARKS: Mapping[str, str] = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}
_MARKED = re.compile(r"[&<>|]")


def text(words: str) -> str:
    """Return words that a page shows as they are, in a cell of a table too; ``code`` as code."""
    parts = re.finditer(r"``(.+?)``|([^`]+|`)", words)
    return "".join(_code(part[1]) if part[1] else _plain(part[2]) for part in parts)


def _plain(words: str) -> str:
    return re.sub(r"[*`\\\[\]]|(?<!\w)_|_(?!\w)", lambda found: f"\\{found[0]}", _safe(words))


def _code(words: str) -> str:
    """Return words as code; as HTML where a cell or a code span would not hold them."""
    return f"<code>{_safe(words)}</code>" if re.search(r"[`|]", words) else f"`{words}`"


def _safe(words: str) -> str:
    return _MARKED.sub(lambda found: _MARKS[found[0]], re.sub(r"\s+", " ", words))
