"""A state tree on disk, equal to the bit when read back: tensors.safetensors and state.json.

Dicts keep their order and their int keys, tuples stay tuples, leaves are tensors or JSON scalars.
Tensors that share memory are written one by one and come back apart. Where several ranks hold a
tensor in parts, each writes its own to ``rank_<r>/tensors.safetensors``, and the first one all the
rest.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from etude.distributed.block import Block
from etude.errors import CheckpointError
from etude.execute import pieces
from etude.execute.atomic import writing
from etude.execute.watchdog import progress

TENSORS = "tensors.safetensors"
STATE = "state.json"

#: Names of the safetensors format.
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.complex64: "C64",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}
_CHUNK = 1 << 26


def save(tree: Any, folder: Path, rank: int = 0) -> dict[str, dict[str, Any]]:
    """Write a tree into a folder; return file name → {size, sha256} of what was written.

    Hashes are taken of the bytes as they are written, so a file that the disk damages later does
    not match. Of several ranks each writes its own parts, the first one what all hold alike. Raises
    StorageError, and CheckpointError for a leaf of another kind.
    """
    leaves = _Leaves({}, {})
    text = json.dumps(_encode(tree, "state", leaves), ensure_ascii=False)
    contents: dict[str, Iterator[bytes | memoryview]] = {}
    if rank == 0:
        contents = {TENSORS: _safetensors(leaves.tensors), STATE: iter([text.encode()])}
    if leaves.parts:
        own = {key: part.local for key, part in leaves.parts.items()}
        about = pieces.described(leaves.parts)
        contents[f"rank_{rank}/{TENSORS}"] = _safetensors(own, about)
    files = {}
    for name, chunks in contents.items():
        with writing(folder / name) as stream:
            files[name] = _write(stream, chunks)
    return files


def load(folder: Path, *, whole: bool = True) -> Any:
    """Return the tree in a folder, tensors on the CPU. Raises CheckpointError naming the folder.

    With ``whole`` False a tensor that was written in parts is a :class:`~.pieces.Pieces`, of which
    nothing was read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        content = json.loads((folder / STATE).read_text(encoding="utf-8"))
        tensors = load_file(folder / TENSORS, device="cpu")
        parts = pieces.find(sorted(folder.glob(f"rank_*/{TENSORS}")))
        read = {key: found.whole() if whole else found for key, found in parts.items()}
        return _decode(content, tensors, read)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"{folder} cannot be read: {error}") from error


@dataclass(frozen=True)
class _Leaves:
    """The tensors of a tree by the names they get in files: whole ones, and this rank's parts."""

    tensors: dict[str, torch.Tensor]
    parts: dict[str, Block]

    def free(self, key: str) -> str:
        """Return a name that is not taken."""
        taken = len(self.tensors) + len(self.parts)
        return key if key not in self.tensors and key not in self.parts else f"{key}#{taken}"


def _write(stream: IO[bytes], chunks: Iterator[bytes | memoryview]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        stream.write(chunk)
        progress()
        digest.update(chunk)
        size += len(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


def _encode(value: Any, where: str, leaves: _Leaves) -> Any:
    if isinstance(value, (torch.Tensor, Block)):
        tensor = value.local if isinstance(value, Block) else value
        if tensor.dtype not in _DTYPES or tensor.layout != torch.strided or tensor.is_meta:
            raise CheckpointError(
                f"{where}: a {tensor.layout} tensor of {tensor.dtype} has no file form"
            )
        key = leaves.free(where.removeprefix("state."))
        if isinstance(value, Block):
            leaves.parts[key] = value
            return {"$part": key}
        leaves.tensors[key] = value
        return {"$tensor": key}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        pairs = [(key, _encode(item, f"{where}.{key}", leaves)) for key, item in value.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key, _ in pairs):
            return dict(pairs)
        if not all(isinstance(key, (str, int)) for key, _ in pairs):
            raise CheckpointError(f"{where}: a key of a state is a string or an int")
        return {"$dict": [list(pair) for pair in pairs]}
    if isinstance(value, (list, tuple)):
        items = [_encode(item, f"{where}.{place}", leaves) for place, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    raise CheckpointError(
        f"{where}: a {type(value).__name__} cannot be kept in a checkpoint; a state holds tensors, "
        "dicts, lists, numbers, strings, booleans and None"
    )


def _decode(value: Any, tensors: Mapping[str, torch.Tensor], parts: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors, parts) for item in value]
    if not isinstance(value, dict):
        return value
    if "$tensor" in value:
        return tensors[value["$tensor"]]
    if "$part" in value:
        return parts[value["$part"]]
    if "$tuple" in value:
        return tuple(_decode(item, tensors, parts) for item in value["$tuple"])
    if "$dict" in value:
        return {key: _decode(item, tensors, parts) for key, item in value["$dict"]}
    return {key: _decode(item, tensors, parts) for key, item in value.items()}


def _safetensors(
    tensors: Mapping[str, torch.Tensor], about: Mapping[str, str] | None = None
) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a safetensors file one tensor at a time, ``about`` in its header.

    Written here rather than by the library, which wants tensors that share memory cloned, holds
    all bytes at once and reports a full disk as an error of its own.
    """
    # Wide types first keeps every tensor aligned, as the format's readers expect.
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {"__metadata__": dict(about)} if about else {}
    end = 0
    for name in order:
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text)) + text
    for name in order:
        flat = tensors[name].detach().to("cpu").contiguous().reshape(-1)
        if flat.numel():
            data = memoryview(flat.view(torch.uint8).numpy().data)
            for start in range(0, len(data), _CHUNK):
                yield data[start : start + _CHUNK]
