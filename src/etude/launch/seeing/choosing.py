"""Which stage of a run a person means: by name, by the head of its folder, or by overrides."""

from __future__ import annotations

from collections.abc import Sequence

from etude.errors import StorageError
from etude.launch.seeing.asked import Asked, Piece

_LISTED = 12


def the_stage(asked: Asked, words: Sequence[str]) -> Piece:
    """Return the piece that ``words`` name: ``rl``, ``rl-3c1e`` or ``3c1e``, and ``seed=2 …``.

    Raises StorageError when none fits, or more than one; the message lists them.
    """
    found = [piece for piece in asked.pieces.values() if all(_fits(piece, word) for word in words)]
    if len(found) == 1:
        return found[0]
    typed = " ".join(words)
    if not found:
        listed = _listed(list(asked.pieces.values()))
        raise StorageError(f"{asked.name} has no stage '{typed}'; it has {listed}")
    raise StorageError(
        f"'{typed}' fits {len(found)} stages of {asked.name}; add an override or more of the "
        f"name: {_listed(found)}"
    )


def _fits(piece: Piece, word: str) -> bool:
    if "=" in word:
        return word in piece.overrides
    whole = f"{piece.name}-{piece.fingerprint}"
    by_fingerprint = len(word) >= 3 and piece.fingerprint.startswith(word)
    return word == piece.name or ("-" in word and whole.startswith(word)) or by_fingerprint


def _listed(pieces: Sequence[Piece]) -> str:
    some = [" ".join((piece.head, *piece.overrides)) for piece in pieces[:_LISTED]]
    more = f" and {len(pieces) - _LISTED} more" if len(pieces) > _LISTED else ""
    return ", ".join(some) + more
