"""Calling a person's function with what it asks for; what goes wrong names its file and line."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any

from etude.by_path.load import attribute_of, is_of
from etude.by_path.place import Place


class CallError(Exception):
    """A person's function that raised, or returned what cannot be used; the text says where.

    ``cause`` is the class of what it raised, None where it returned something.
    """

    says_where = True

    def __init__(self, text: str, cause: type[Exception] | None = None) -> None:
        super().__init__(text)
        self.cause = cause


def told(error: Exception, original: Path) -> str:
    """Return an error with the last line of a person's own files that it came through."""
    where = original.name
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or where).name}:{error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_of(frame.filename, original)]
    if own:
        where = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
    return f"{type(error).__name__}: {error} ({where})"


@dataclass(frozen=True)
class Call:
    """A function of a file with the values of its options, ready to be called or sent away.

    ``asks`` are the names that it is given by the caller.
    """

    file: Path
    original: Path
    attribute: str
    line: int
    asks: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, place: Place, options: Mapping[str, Any]) -> Call:
        """Return the call of a function that lies at a place."""
        return cls(
            place.file, place.original, place.attribute, place.line, place.asks, dict(options)
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave the function itself where it is: whoever is sent the call imports it."""
        return {key: value for key, value in self.__dict__.items() if key != "function"}

    @cached_property
    def function(self) -> Any:
        """Return the function, imported when it is first needed; raises CallError."""
        try:
            return attribute_of(self.file, self.original, self.attribute)
        except Exception as error:
            raise CallError(self.told(error)) from error

    @property
    def title(self) -> str:
        """Return the function with the line it is defined in."""
        return f"{self.attribute} ({self.original.name}:{self.line})"

    def __call__(self, given: Mapping[str, Any]) -> Any:
        """Return what the function returns; raises CallError where it raises."""
        function = self.function
        try:
            return function(**{name: given[name] for name in self.asks}, **self.options)
        except Exception as error:
            raise CallError(self.told(error)) from error

    def told(self, error: Exception) -> str:
        """Return an error with the line of the person's own file that it came from."""
        return told(error, self.original)

    def truth(self, value: Any, of: str) -> bool:
        """Return a returned value that says yes or no; raises CallError for any other.

        Nothing else is taken for a no: a function that forgets to return would drop everything.
        """
        shown = type(value).__name__
        if callable(item := getattr(value, "item", None)):
            with suppress(ValueError, TypeError, RuntimeError):  # a tensor of several says below
                value = item()
        if isinstance(value, Real) and value in (0, 1):
            return bool(value)
        said = f"{value!r}, a {shown}" if isinstance(value, Real) else f"a {shown}"
        if value is None:
            said = "nothing (None)"
        raise self.unusable(f"{said}; it returns true or false for one {of}")

    def unusable(self, what: str) -> CallError:
        """Return the error of a returned value that cannot be used."""
        return CallError(f"{self.title} returned {what}")
