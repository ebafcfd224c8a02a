"""States that several ranks wrote in parts are read whole, and by any other number of ranks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from etude.distributed.block import Block, rows_of
from etude.errors import CheckpointError
from etude.execute import checkpoint, tree
from etude.plan import layout

#: Rows of the tensors below: odd, fewer than ranks, and one.
SHAPES = {"matrix": (7, 3), "vector": (5,), "narrow": (2, 4), "single": (1, 6)}


def whole() -> dict[str, Any]:
    """Return a state as one process has it."""
    draws = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.randn(shape, generator=draws).to(
            torch.bfloat16 if name == "narrow" else torch.float32
        )
        for name, shape in SHAPES.items()
    }
    return {"model": tensors, "optimizer": {0: {"step": torch.tensor(3.0)}}, "rows": [1, "é"]}


def span(count: int, rank: int, size: int) -> tuple[int, int]:
    """Return the rows that a rank holds: start and count."""
    each = -(-count // size)
    start = min(rank * each, count)
    return start, min(each, count - start)


def of_rank(state: dict[str, Any], rank: int, size: int) -> dict[str, Any]:
    """Return a state as one of several ranks has it."""
    parts = {}
    for name, tensor in state["model"].items():
        start, count = span(len(tensor), rank, size)
        parts[name] = Block(tensor[start : start + count], tuple(tensor.shape), start)
    return {**state, "model": parts}


def save(folder: Path, ranks: int) -> Path:
    """Write the state by so many ranks, with a manifest."""
    files: dict[str, Any] = {}
    folder.mkdir()
    for rank in range(ranks):
        files |= tree.save(of_rank(whole(), rank, ranks), folder, rank)
    (folder / layout.MANIFEST).write_text(json.dumps({"step": 1, "files": files}))
    return folder


def equal(a: Any, b: Any) -> bool:
    """Return whether two states are equal to the bit."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    return bool(a == b)


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_one_process_reads_what_any_number_of_ranks_wrote(tmp_path: Path, ranks: int) -> None:
    assert equal(whole(), tree.load(save(tmp_path / "state", ranks)))


@pytest.mark.parametrize(("wrote", "reads"), [(2, 2), (2, 3), (3, 2), (4, 3), (1, 5)])
def test_another_number_of_ranks_reads_its_rows(tmp_path: Path, wrote: int, reads: int) -> None:
    found = tree.load(save(tmp_path / "state", wrote), whole=False)
    for name, tensor in whole()["model"].items():
        stored = found["model"][name]
        assert stored.shape == tuple(tensor.shape)
        for rank in range(reads):
            start, count = span(len(tensor), rank, reads)
            read = rows_of(stored, start, count)
            assert read.dtype == tensor.dtype
            assert torch.equal(read, tensor[start : start + count])


def test_a_rank_reads_no_rows_but_its_own(tmp_path: Path) -> None:
    folder = save(tmp_path / "state", 2)
    other = folder / "rank_1" / tree.TENSORS
    content = bytearray(other.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    content[start:] = b"\xff" * (len(content) - start)
    other.write_bytes(content)
    found = tree.load(folder, whole=False)["model"]
    assert torch.equal(rows_of(found["matrix"], 0, 4), whole()["model"]["matrix"][:4])
    assert not torch.equal(rows_of(found["matrix"], 4, 3), whole()["model"]["matrix"][4:])


@pytest.mark.parametrize("damage", ["missing", "truncated", "corrupt"])
def test_damage_to_the_file_of_one_rank_is_found_and_named(tmp_path: Path, damage: str) -> None:
    folder = save(tmp_path / "state", 3)
    checkpoint.verify(folder)
    file = folder / "rank_1" / tree.TENSORS
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(
            content[:-1] + (b"" if damage == "truncated" else bytes([content[-1] ^ 1]))
        )
    with pytest.raises(CheckpointError, match=rf"rank_1.*{damage}"):
        checkpoint.verify(folder)
    if damage == "missing":
        with pytest.raises(CheckpointError, match=r"of model\.\w+, .* some ranks are missing"):
            tree.load(folder)


def test_a_state_without_parts_is_written_by_the_first_rank_alone(tmp_path: Path) -> None:
    assert list(tree.save(whole(), tmp_path, 0)) == [tree.TENSORS, tree.STATE]
    assert tree.save(whole(), tmp_path, 1) == {}
