"""Inputs that someone gets wrong, or means badly, and what a person must get back.

A test file holds one group: a list of :class:`Hostile` under a name, and one test that hands each
of ``sampled(GROUP)`` to :func:`check`. In a plain run a sample of each group is tried, with
``ETUDE_HOSTILE=all`` every input.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from warm_commands import Ended, Place, left_over

#: How many inputs of a group are tried where not all are.
SAMPLE = 3

#: What no terminal should get from text that is not ours: everything below a space but newlines,
#: and the C1 controls.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Hostile:
    """One input: what is typed where, and what has to come of it.

    ``words`` follow the command. ``files`` (path → content) are written first. Everything of
    ``says`` must stand in what the command printed, and nothing of ``never``. ``code`` 2 also means
    that nothing was started: no stage, no evaluation.
    """

    name: str
    words: Sequence[str]
    says: Sequence[str]
    code: int = 2
    command: str = "train"
    never: Sequence[str] = ()
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 15.0  # to its end; a bound for what hangs, not a measurement


def sampled(group: Sequence[Hostile], sample: int = SAMPLE) -> list[Any]:
    """Return the inputs of a group to try, as parameters named after them; evenly spread."""
    names = [each.name for each in group]
    assert len(set(names)) == len(names), "two inputs of a group have one name"
    if os.environ.get("ETUDE_HOSTILE") == "all" or len(group) <= sample:
        chosen: Sequence[Hostile] = group
    else:
        chosen = [group[number * len(group) // sample] for number in range(sample)]
    return [pytest.param(each, id=each.name) for each in chosen]


def check(hostile: Hostile, here: Place) -> Ended:
    """Type a hostile input and hold what came of it; return how the command ended."""
    for name, content in hostile.files.items():
        path = here.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    before, work = _hashes(here.folder), _work(here.folder)
    started = here.start(hostile.command, *hostile.words, **hostile.env)
    ended = started.end()
    said = ended.out + ended.err
    assert ended.code == hostile.code, ended.said
    for text in hostile.says:
        assert text in _unwrapped(said), f"does not say {text!r}\n{ended.said}"
    for text in (*hostile.never, "Traceback (most recent call last)"):
        assert text not in said, f"says {text!r}\n{ended.said}"
    assert said.strip(), "ended without a word"
    control = _CONTROL.search(said)
    assert control is None, f"a control character {control[0]!r} reaches the terminal\n{ended.said}"
    assert ended.seconds < hostile.seconds, f"took {ended.seconds:.1f} s\n{ended.said}"
    assert not left_over(started.mark), "processes are left running"
    after = _hashes(here.folder)
    lost = [name for name, content in before.items() if after.get(name) != content]
    assert not lost, f"lost or changed: {lost}"
    if hostile.code == 2:
        begun = _work(here.folder) - work
        assert not begun, f"something was started: {begun}\n{ended.said}"
    return ended


def _unwrapped(said: str) -> str:
    """Return a text with each run of blanks and line ends as one space, beside itself as it is."""
    return said + "\n" + re.sub(r"\s+", " ", said)


def _work(folder: Path) -> set[Path]:
    return {*folder.glob("outputs/stages/*"), *folder.glob("outputs/evaluations/*")}


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and ".streams" not in str(path)
    }
