"""Work that one rank does for all, or all at once, so that all go on alike or fail alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from etude.distributed.world import current
from etude.errors import EtudeError, StageError

Result = TypeVar("Result")

_BY_ALL = "_etude_met_by_all"

#: Opens a block that a request to stop ends; what :func:`apart` does its work in.
_ended_by: Callable[[], AbstractContextManager[None]] = nullcontext


def by_main(work: Callable[[], Result]) -> Result:
    """Return on every rank what ``work`` gives on the first; what it raises, all raise.

    ``work`` holds no meeting of its own.
    """
    world = current()
    if world.is_alone:
        return work()
    told: tuple[bool, Any] = (False, None)
    mine: Exception | None = None
    if world.is_main:
        told, mine = _tried(work)
    good, value = world.broadcast(told)
    if not good:
        raise _marked(mine or value)
    return value


def by_all(work: Callable[[], Result]) -> list[Result]:
    """Return what ``work`` gives on each rank, by rank; where one raises, all do.

    ``work`` holds no meeting of its own. A rank that failed raises its own error, the others that
    of the first that did.
    """
    world = current()
    if world.is_alone:
        return [work()]
    told, mine = _tried(work)
    found = world.gather(told)
    if mine is not None:
        raise _marked(mine)
    for good, value in found:
        if not good:
            raise _marked(value)
    return [value for _, value in found]


def apart(work: Callable[[], Result]) -> list[Result]:
    """Return what ``work`` gives on each rank, as :func:`by_all`, for work that may be cut short.

    Inside :func:`cut_short_by`, a request to stop that one rank hears ends its work there, and all
    raise Interrupted here.
    """

    def watched() -> Result:
        with _ended_by():
            return work()

    return by_all(watched)


@contextmanager
def cut_short_by(at_once: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Let a request to stop end the block; raise Interrupted, and on every rank where one heard it.

    ``at_once`` opens a block that a request ends by Interrupted wherever it is. Alone that is the
    whole block. Several ranks have to end at one point, so with them it is the work they do
    :func:`apart`.
    """
    global _ended_by
    if current().is_alone:
        with at_once():
            yield
        return
    before, _ended_by = _ended_by, at_once
    try:
        yield
    finally:
        _ended_by = before


def met_by_all(error: BaseException) -> bool:
    """Tell whether all ranks raised an error at one point, so that they may go on together."""
    return getattr(error, _BY_ALL, False)


def _marked(error: Exception) -> Exception:
    setattr(error, _BY_ALL, True)
    return error


def _tried(work: Callable[[], Any]) -> tuple[tuple[bool, Any], Exception | None]:
    try:
        return (True, work()), None
    except Exception as error:  # its place is with all ranks: it is raised there
        return (False, portable(error)), error


def portable(error: Exception) -> EtudeError:
    """Return an error in a form that other processes can be sent."""
    if isinstance(error, EtudeError):
        return error
    return StageError(f"{type(error).__name__}: {error}")
