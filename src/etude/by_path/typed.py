"""Places as they are typed on a command line, in the form that Hydra's grammar reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from etude.by_path.reference import is_reference
from etude.config import quoting

#: A home folder at the beginning of a value, of a choice of a sweep or of an item of a list.
_HOME = re.compile(r"(?P<before>^|[,\[]\s*)~(?=/)")

#: One source as a key of the command line.
_SOURCE = re.compile(r"sources\.[^.]+")

#: What the grammar would take for the end of a text.
_SEPARATES = frozenset(",[]{}()=\"'")


def readable(override: str) -> str:
    """Return an override with the places in its value as the grammar reads them.

    ``~`` is the home folder, and a place with letters that the grammar does not know is put in
    quotes. Everything else is returned as it is.
    """
    key, equals, value = override.partition("=")
    if ".py" not in value:
        return override
    home = str(Path.home())
    value = _HOME.sub(lambda found: found["before"] + home, value)
    if is_reference(value) and not value.isascii() and _SEPARATES.isdisjoint(value):
        value = quoting.text(value)
    return key + equals + value


def as_component(key: str, value: Any) -> Any:
    """Return the value of a key: a place given for a whole source is its ``name``."""
    if is_reference(value) and _SOURCE.fullmatch(key.lstrip("+")):
        return {"name": value}
    return value
