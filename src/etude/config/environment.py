"""What a config takes from the environment is kept as it was written, and read where it is used.

``${oc.env:HF_TOKEN}`` may stand for a secret. Whatever is stored, shown or sent (run folders,
resolved configs, W&B) holds the text as written; :func:`read` gives what it stands for to the
component that is built. Only where a key is a number, a truth value or one of some choices, which
no secret is, is it read at once.
"""

from __future__ import annotations

import re
from typing import Any

#: An interpolation's resolver that reads the environment.
_READS = "oc.env"

#: An interpolation that stands for another key of the config.
_NAMES_KEYS = re.compile(r"\$\{(?!\s*oc\.(?:env|decode|create):)")

#: ``${oc.env:NAME}`` or ``${oc.env:NAME,default}``.
_VARIABLE = re.compile(r"\$\{\s*oc\.env:\s*([A-Za-z_]\w*)\s*(?:,\s*([^{}]*))?\}")

_NOT_FOUND = re.compile(r"Environment variable '(.*?)' not found")

_OPENING = re.compile(r"\\*\$\{|\}")


class Unset(ValueError):
    """An environment variable that is not set; the text names it."""


def taken_by(value: Any) -> bool:
    """Tell whether a value is a text that takes something from the environment."""
    return isinstance(value, str) and "${" in value and _READS in value


def readable(value: Any) -> bool:
    """Tell whether a value is a text of the environment alone, naming no other key."""
    return taken_by(value) and not _NAMES_KEYS.search(value)


def read(value: Any) -> Any:
    """Return what a text with ``${oc.env:…}`` stands for now, and any other value as it is.

    Raises Unset where a variable is not set and no default is written.
    """
    if not readable(value):
        return value
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        return OmegaConf.create({"value": value})["value"]
    except OmegaConfBaseException as error:
        said = str(error).splitlines()[0]
        unset = _NOT_FOUND.search(said)
        raise Unset(f"the environment has no variable {unset[1]}" if unset else said) from error


def in_shell(line: str) -> str:
    """Return a line of shell in which ``${oc.env:X}`` is ``${X}``: the shell reads it, not we."""
    return _VARIABLE.sub(
        lambda found: f"${{{found[1]}}}" if found[2] is None else f"${{{found[1]}:-{found[2]}}}",
        line,
    )


def decoded(value: Any) -> Any:
    """Return the number or truth value that a variable's text spells, else the text."""
    if not isinstance(value, str):
        return value
    word = value.strip()
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return value


def escaped(tree: Any) -> Any:
    """Return a tree in which resolving leaves what reads the environment as it is written."""
    if isinstance(tree, dict):
        return {key: escaped(item) for key, item in tree.items()}
    if isinstance(tree, list):
        return [escaped(item) for item in tree]
    return _escaped(tree) if taken_by(tree) else tree


def _escaped(text: str) -> str:
    r"""Return ``${oc.env:X,${seed}}`` as ``\${oc.env:X,${seed}}``: ``seed`` is still resolved."""
    starts: list[int] = []
    kept: set[int] = set()
    for found in _OPENING.finditer(text):
        if found[0] != "}":
            starts.append(-1 if len(found[0]) % 2 else found.end() - 2)  # odd: it is escaped
        elif starts:
            start = starts.pop()
            if start >= 0 and _READS in text[start : found.end()]:
                kept.add(start)
    return "".join(f"\\{each}" if place in kept else each for place, each in enumerate(text))
