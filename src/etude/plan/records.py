"""JSON under ``outputs/``, read by who looks later: damage harms one file and is told by name.

A file may be torn, empty, of another shape, a folder, a dangling link or out of reach. Who reads it
gets None, as where there is none, and ``report`` is told which file it was and why.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Told what cannot be read: the file and why.
Report = Callable[[str], None]


def unsaid(message: str) -> None:
    """Let it pass: for who has no use for a file that cannot be read, and nobody to tell."""


@dataclass(frozen=True)
class Maybe:
    """A field that may be absent or null."""

    shape: Any


@dataclass(frozen=True)
class Each:
    """An object of any fields whose values have one shape."""

    shape: Any


#: The objects in the files that are read back. A type stands for its values, a dict for an object
#: that has at least these fields, a list for a list of its one element.
DONE = {
    "files": Each({"size": int}),
    "seconds": Maybe(float),
    "steps": Maybe(int),
    "attempts": Maybe(int),
}
MANIFEST = {"files": Each({"size": int, "sha256": str})}
STAGE = {
    "steps": Maybe(int),
    "lineage": Maybe(str),
    "fingerprint": Maybe(str),
    "plain": Maybe(str),
}
EVALUATION = {"of": Maybe(str), "config": Maybe(dict), "inputs": Maybe(dict)}
ATTEMPT = {
    "first_step": Maybe(int),
    "from": Maybe({"step": int, "attempt": int, "stage": Maybe(str)}),
    "owner": Maybe({"job": Maybe(str), "restart": Maybe(int), "host": Maybe(str)}),
    "host": Maybe(str),
}
FAILED = {"error": str, "step": Maybe(int), "at": Maybe(float), "rank": Maybe(int)}
MEASURED = {"metrics": Maybe(dict)}
_VIEWED = Maybe({"fingerprint": str})
RESULT = {
    "state": Maybe(str),
    "process": Maybe(dict),
    "problems": Maybe([str]),
    "runs": Maybe(
        [
            {
                "overrides": [str],
                "stages": [
                    {
                        "name": str,
                        "fingerprint": str,
                        "before": _VIEWED,
                        "after": _VIEWED,
                        "others": Maybe(Each({"before": _VIEWED, "after": _VIEWED})),
                        "waits_for": Maybe(str),
                        "models": Maybe(str),
                    }
                ],
            }
        ]
    ),
}
STEP = {"step": int}


def read_json(path: Path, shape: Any = dict, report: Report = unsaid) -> dict[str, Any] | None:
    """Return the JSON object in a file; None where there is none, or none of this shape.

    ``report`` is told of a file that is there and cannot be used.
    """
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            report(f"{path} cannot be read: it is a link to nothing")
        return None
    except OSError as error:
        report(f"{path} cannot be read: {error.strerror or error}")
        return None
    content, why = parsed(raw, shape)
    if why:
        report(f"{path} cannot be read: {why}")
    return content


def parsed(raw: bytes, shape: Any = dict) -> tuple[dict[str, Any] | None, str]:
    """Return the JSON object in some bytes, or None and why there is none of this shape."""
    if not raw.strip():
        return None, "it is empty"
    try:
        content = json.loads(raw)
    except UnicodeDecodeError:
        return None, "it is no UTF-8 text"
    except (ValueError, RecursionError) as error:
        return None, f"it is no JSON ({str(error)[:80]})"
    if not isinstance(content, dict):
        return None, "it holds no JSON object"
    why = next(_misfits(content, shape, ""), "")
    return (None, why) if why else (content, "")


def _misfits(value: Any, shape: Any, where: str) -> Iterator[str]:
    """Yield where a value has another shape: ``files.model.bin has no 'size'``."""
    if isinstance(shape, Maybe):
        if value is not None:
            yield from _misfits(value, shape.shape, where)
    elif isinstance(shape, Each):
        if not isinstance(value, Mapping):
            yield f"'{where}' is no object"
            return
        for key, item in value.items():
            yield from _misfits(item, shape.shape, _at(where, key))
    elif isinstance(shape, dict):
        if not isinstance(value, Mapping):
            yield f"'{where}' is no object"
            return
        for key, expected in shape.items():
            if key not in value and not isinstance(expected, Maybe):
                yield f"it has no '{_at(where, key)}'"
            else:
                yield from _misfits(value.get(key), expected, _at(where, key))
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"'{where}' is no list"
            return
        for number, item in enumerate(value):
            yield from _misfits(item, shape[0], _at(where, str(number)))
    elif not _is(value, shape):
        yield f"'{where}' is no {_KINDS[shape]}"


_KINDS = {int: "whole number", float: "finite number", str: "text", dict: "object"}


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, kind)


def _at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
