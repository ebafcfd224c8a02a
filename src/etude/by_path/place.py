"""What is known of a component by path beyond what every component's description holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """Where a component by path lies and what it is made of.

    ``file`` is what is read (maybe a run's copy), ``original`` where the file lay when the command
    was typed: modules are told that one as their ``__file__``, and messages name it. ``asks`` are
    the names that a function is given and ``options`` those of its own; both are empty for a class,
    of which ``is_function`` is false. ``parts`` are the names of the parts that a verifier's
    function returns, None where only calling it tells. ``prints`` maps each local file to the hash
    of what it says (``main`` is the component's own), and ``modules`` are those of etude that these
    files import.
    """

    file: Path
    original: Path
    attribute: str
    line: int
    is_function: bool
    asks: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    parts: tuple[str, ...] | None = None
    prints: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    main: str = ""

    @property
    def says(self) -> str:
        """Return the hash of what its files say: which one says what, and not where they lie.

        What the file itself is called says nothing; the names of those it imports stand in it.
        """
        named = sorted(
            ("" if name == self.main else name, said) for name, said in self.prints.items()
        )
        return hashlib.sha256(repr(named).encode()).hexdigest()
