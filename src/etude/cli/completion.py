"""Completion of groups, choices, keys and values in a shell; imports nothing heavy."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence

from etude.cli.run_names import OF_RUNS, of_runs
from etude.cli.texts import COMMANDS
from etude.component import GROUPS
from etude.config.installation import Installation, installed
from etude.config.read_yaml import read_yaml
from etude.config.root_yaml import DEFAULTS
from etude.config.settings import ROOT_ONLY
from etude.config.spelling import root_fields, stage_fields
from etude.config.values import shown
from etude.errors import ConfigError, Fault
from etude.schema import ComponentInfo, FieldInfo, Schema

_BASH = """\
_etude_complete() {
    local word="${COMP_LINE:0:$COMP_POINT}"
    word="${word##* }"
    local choices
    choices=$(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" \\
        "${COMP_WORDS[0]}" -sc query=bash 2>/dev/null)
    COMPREPLY=($(compgen -W "$choices" -- "$word"))
    local before="${word%"${word##*[=:]}"}"
    if [[ -n "$before" && "$COMP_WORDBREAKS" == *=* ]]; then
        local i
        for i in "${!COMPREPLY[@]}"; do COMPREPLY[$i]="${COMPREPLY[$i]#"$before"}"; done
    fi
}
complete -o nospace -o default -F _etude_complete train evaluate etude
"""
_ZSH = "autoload -Uz compinit bashcompinit; compinit; bashcompinit\n" + _BASH
_FISH = """\
for name in train evaluate etude
    complete -c $name -f -a \\
        '(env COMP_LINE=(commandline -cp) $name -sc query=fish | string split " ")'
end
"""
_INSTALL = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_UNINSTALL = {
    "bash": "complete -r train evaluate etude 2>/dev/null; unset -f _etude_complete\n",
    "zsh": "complete -r train evaluate etude 2>/dev/null; unset -f _etude_complete\n",
    "fish": "for name in train evaluate etude; complete -c $name -e; end\n",
}
_FLAGS = ("--help", "--multirun", "--cfg", "--resolve", "--package", "--info", "--traceback")


def complete(command: str, asked: str) -> int:
    """Print a shell's script (``install=bash``) or the candidates of a line (``query=bash``)."""
    action, _, shell = asked.partition("=")
    scripts = {"install": _INSTALL, "uninstall": _UNINSTALL}.get(action)
    if action == "query":
        line = os.environ.get("COMP_LINE", "")
        line = line[: int(os.environ.get("COMP_POINT") or len(line))]
        print(" ".join(candidates(command, line, installed())))
        return 0
    if scripts is None or shell not in scripts:
        message = f"is install=SHELL or uninstall=SHELL; shells: {', '.join(_INSTALL)}."
        raise ConfigError([Fault(f"--shell-completion {asked}", message)])
    print(scripts[shell], end="")
    return 0


def candidates(command: str, line: str, here: Installation) -> list[str]:
    """Return the words that the last word of a command line may become."""
    try:
        words = shlex.split(line)
    except ValueError:
        return []  # an open quote
    current = words.pop() if words and not line.endswith(" ") else ""
    words = words[1:]
    if command == "etude":
        if not words:
            return [name for name in COMMANDS if name.startswith(current)]
        if words[0] == "list":
            return [group for group in here.groups if group.startswith(current)]
        if words[0] in OF_RUNS:
            return of_runs(words, current)
        if words[0] not in ("show", "plan"):
            return []
        words = words[1:]
    if current.startswith("-"):
        return [flag for flag in _FLAGS if flag.startswith(current)]
    found = _values(current, words, here) if "=" in current else _keys(current, words, here)
    return sorted({each for each in found if each.startswith(current)})


def _chosen(words: Sequence[str], here: Installation) -> dict[str, str]:
    """Return group → choice: the defaults, and what earlier words choose."""
    chosen = dict(DEFAULTS)
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key in here.groups:
            chosen[key] = value
    return chosen


def _component(group: str, chosen: dict[str, str], here: Installation) -> ComponentInfo | None:
    choice = chosen.get(group)
    if choice is None:
        return None
    return here.schema.find(group, here.component_name(group, choice))


def _keys(current: str, words: Sequence[str], here: Installation) -> Iterator[str]:
    chosen = _chosen(words, here)
    for group in here.groups:
        if group != "sources" and ("/" not in group or "/" in current):
            yield f"{group}="
    yield from _root_keys("", "", chosen, here)
    for stage in _stages(chosen, here):
        head = f"stages.{stage}."
        if not current.startswith(head):
            yield head
            continue
        yield from (f"{head}{name}=" for name in stage_fields())
        yield from _root_keys(head, current, chosen, here)
        yield from (f"{head}{group}=" for group in GROUPS if group not in ROOT_ONLY)


def _root_keys(
    head: str, current: str, chosen: dict[str, str], here: Installation
) -> Iterator[str]:
    if not head:
        yield from _of_fields(root_fields(), "", here.schema)
    for group in GROUPS:
        if group in ("sources", "recipe") or (head and group in ROOT_ONLY):
            continue
        info = _component(group, chosen, here)
        if info is not None:
            yield from _of_fields(info.fields, f"{head}{group}.", here.schema)
    if not head:
        for source in here.choices("sources"):
            info = here.schema.find("sources", here.component_name("sources", source))
            if info is not None:
                yield from _of_fields(info.fields, f"sources.{source}.", here.schema)


def _of_fields(fields: Mapping[str, FieldInfo], head: str, schema: Schema) -> Iterator[str]:
    for name, field in fields.items():
        if field.struct is not None:
            yield from _of_fields(field.struct, f"{head}{name}.", schema)
        elif field.slot is not None and isinstance(field.default, str):
            info = schema.find(field.slot, field.default)
            if info is not None:
                yield from _of_fields(info.fields, f"{head}{name}.", schema)
        elif field.slots is None and field.dict_of is None:
            yield f"{head}{name}="


def _stages(chosen: dict[str, str], here: Installation) -> list[str]:
    recipe = here.choice("recipe", chosen["recipe"])
    return list(read_yaml(recipe.path).get("stages") or {}) if recipe is not None else []


def _values(current: str, words: Sequence[str], here: Installation) -> Iterator[str]:
    key, _, typed = current.partition("=")
    done = typed.rpartition(",")[0]
    prefix = f"{key}={done}," if done else f"{key}="
    bare = key.lstrip("+").partition("@")[0]
    if bare.startswith("stages."):
        bare = ".".join(bare.split(".")[2:])
    group = bare.replace(".", "/")
    if group in here.groups:
        yield from (f"{prefix}{choice}" for choice in here.choices(group))
        return
    field = _field(bare, _chosen(words, here), here)
    if field is None:
        return
    if field.choices:
        yield from (f"{prefix}{shown(choice)}" for choice in field.choices)
    elif field.type == "bool":
        yield from (f"{prefix}true", f"{prefix}false")


def _field(path: str, chosen: dict[str, str], here: Installation) -> FieldInfo | None:
    head, *rest = path.split(".")
    info = _component(head, chosen, here)
    fields = info.fields if info is not None else root_fields()
    names = rest if info is not None else [head, *rest]
    field: FieldInfo | None = None
    for name in names:
        field = fields.get(name)
        if field is None:
            return None
        fields = field.struct or {}
        if field.slot is not None and isinstance(field.default, str):
            part = here.schema.find(field.slot, field.default)
            fields = part.fields if part is not None else {}
    return field
