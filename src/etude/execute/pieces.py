"""Tensors that the ranks of a stage wrote in parts: read whole, or only some rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from etude.distributed.block import Block
from etude.errors import CheckpointError


@dataclass(frozen=True)
class Piece:
    """Rows ``start`` … ``stop`` of a tensor, in a file."""

    start: int
    stop: int
    file: Path


@dataclass(frozen=True)
class Pieces:
    """A tensor that lies in several files, each with some of its rows."""

    key: str
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]

    def rows(self, start: int, count: int) -> torch.Tensor:
        """Return ``count`` rows from ``start``; nothing else is read."""
        from safetensors import safe_open

        stop = start + count
        found: list[torch.Tensor] = []
        for piece in self.pieces:
            first, last = max(start, piece.start), min(stop, piece.stop)
            # A tensor without rows still has a type, which any piece tells.
            if first < last or (count == 0 and not found):
                with safe_open(piece.file, framework="pt", device="cpu") as file:
                    lines = file.get_slice(self.key)
                    found.append(lines[first - piece.start : max(first, last) - piece.start])
        return found[0] if len(found) == 1 else torch.cat(found)

    def whole(self) -> torch.Tensor:
        """Return all rows."""
        return self.rows(0, self.shape[0])


def described(parts: Mapping[str, Block]) -> dict[str, str]:
    """Return what a file of parts says about them in its header."""
    return {
        key: json.dumps({"start": part.start, "shape": list(part.shape)})
        for key, part in parts.items()
    }


def find(files: list[Path]) -> dict[str, Pieces]:
    """Return the tensors whose parts lie in ``files``. Raises CheckpointError where rows lack."""
    from safetensors import safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    places: dict[str, list[Piece]] = {}
    for path in files:
        with safe_open(path, framework="pt", device="cpu") as file:
            for key, text in (file.metadata() or {}).items():
                about = json.loads(text)
                count = file.get_slice(key).get_shape()[0]
                shapes[key] = tuple(about["shape"])
                piece = Piece(about["start"], about["start"] + count, path)
                places.setdefault(key, []).append(piece)
    found = {}
    for key, pieces in places.items():
        pieces.sort(key=lambda piece: piece.start)
        ends = [0, *(piece.stop for piece in pieces)]
        if [piece.start for piece in pieces] != ends[:-1] or ends[-1] != shapes[key][0]:
            held = ", ".join(f"{piece.start} to {piece.stop}" for piece in pieces)
            raise CheckpointError(
                f"{pieces[0].file.parent.parent} holds the rows {held} of {key}, which has "
                f"{shapes[key][0]}; the files of some ranks are missing"
            )
        found[key] = Pieces(key, shapes[key], tuple(pieces))
    return found
