"""Completion of groups, choices, keys and values in a shell; imports nothing heavy."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence

from etude.by_path.begun import places
from etude.cli.run_names import OF_RUNS, of_runs
from etude.cli.texts import COMMANDS
from etude.cli.typed_places import TypedPlaces
from etude.config.installation import Installation, installed
from etude.config.values import shown
from etude.errors import ConfigError, Fault

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
        if words[0] == "list" and current.startswith((".", "/", "~")):
            return sorted(place for place in places(current) if place.startswith(current))
        if words[0] == "list":
            return [group for group in here.groups if group.startswith(current)]
        if words[0] in OF_RUNS:
            return of_runs(words, current)
        if words[0] == "verify":
            return _of_verify(current, words[1:], here)
        if words[0] not in ("show", "plan"):
            return []
        words = words[1:]
    if current.startswith("-"):
        return [flag for flag in _FLAGS if flag.startswith(current)]
    found = _values(current, words, here) if "=" in current else _keys(current, words, here)
    return sorted({each for each in found if each.startswith(current)})


def _of_verify(current: str, words: Sequence[str], here: Installation) -> list[str]:
    """Return what a word of `etude verify` may become; files are completed by the shell."""
    if current.startswith("-"):
        return [flag for flag in ("--help", "--json", "--traceback") if flag.startswith(current)]
    known = [word for word in words if "=" in word]
    found = _values(current, known, here) if "=" in current else _keys(current, known, here)
    read = ("verifier", "models", "model", "rollout", "execution", "seed")
    own = ("label=", "columns.") if "=" not in current else ()
    of_read = (each for each in found if each.partition("=")[0].partition(".")[0] in read)
    return sorted({each for each in (*of_read, *own) if each.startswith(current)})


def _keys(current: str, words: Sequence[str], here: Installation) -> Iterator[str]:
    for group in here.groups:
        if group != "sources" and ("/" not in group or "/" in current):
            yield f"{group}="
    yield from TypedPlaces(words, here).keys(current)


def _values(current: str, words: Sequence[str], here: Installation) -> Iterator[str]:
    key, _, typed = current.partition("=")
    done = typed.rpartition(",")[0]
    prefix = f"{key}={done}," if done else f"{key}="
    group, _, place = key.lstrip("+").partition("@")
    field = TypedPlaces(words, here).field(place or group.replace("/", "."))
    if group not in here.groups:
        group = (field.slot or field.slots or "") if field is not None else ""
    if group:
        yield from (f"{prefix}{choice}" for choice in here.choices(group))
        yield from (f"{prefix}{place}" for place in places(typed.rpartition(",")[2]))
    elif field is not None and field.choices:
        yield from (f"{prefix}{shown(choice)}" for choice in field.choices)
    elif field is not None and field.type == "bool":
        yield from (f"{prefix}true", f"{prefix}false")
