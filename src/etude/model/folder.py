"""What lies in a model's folder, looked at without loading it: which file is damaged, and how."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etude.errors import ModelError

INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
ADAPTER = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

_JSON = (
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "special_tokens_map.json",
    "added_tokens.json",
    ADAPTER,
)
_PICKLED = ("pytorch_model*.bin", "adapter_model.bin", "*.pt", "*.pth", "*.ckpt")
_VOCABULARIES = (
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
    "tekken.json",
    "*.model",
    "*.tiktoken",
)

#: Bytes; the format's own limit.
_LONGEST_HEADER = 100_000_000

#: Bits of an element, by the name safetensors has for its dtype.
_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8}
_BITS |= {"U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8, "C64": 64}


def check_folder(folder: Path, *, custom_code: bool = False) -> dict[str, str]:
    """Return tensor → file of the weights in a model's folder, every file looked at.

    ``custom_code`` says that code of the folder's own may read a tokenizer in a way of its own.
    Raises ModelError with every file that is missing, torn or not what it should be.
    """
    tensors, faults = look(folder, custom_code=custom_code)
    if faults:
        raise ModelError(f"{folder} cannot be used as a model: " + "; ".join(faults))
    return tensors


def look(folder: Path, *, custom_code: bool = False) -> tuple[dict[str, str], list[str]]:
    """Return tensor → file of a model's folder, and what is wrong with it, file by file."""
    faults = [fault for name in _JSON if (fault := _torn(folder / name))]
    adapter = (folder / ADAPTER).is_file()
    if not adapter and not (folder / "config.json").is_file():
        faults.append("config.json is not there")
    tensors, torn = _weights(folder, adapter=adapter)
    faults += torn
    if not custom_code and not any(any(folder.glob(name)) for name in _VOCABULARIES):
        faults.append(
            "there is no tokenizer (tokenizer.json); write it there with "
            "tokenizer.save_pretrained(FOLDER)"
        )
    if not faults and not adapter:
        faults += _too_deep(folder, len(tensors))
    return tensors, faults


def _weights(folder: Path, *, adapter: bool) -> tuple[dict[str, str], list[str]]:
    single = folder / (ADAPTER_WEIGHTS if adapter else WEIGHTS)
    if single.is_file():
        names, fault = header(single)
        return dict.fromkeys(names, single.name), [fault] if fault else []
    if not adapter and (folder / INDEX).is_file():
        return _sharded(folder)
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    if pickled:
        return {}, [
            f"{pickled[0]} is a pickle, which can run any code when it is opened, and is not read; "
            "write the weights as safetensors: python -c 'from transformers import "
            f'AutoModelForCausalLM as M; M.from_pretrained("{folder}").save_pretrained("NEW")\''
        ]
    return {}, [f"there are no weights ({single.name})"]


def _sharded(folder: Path) -> tuple[dict[str, str], list[str]]:
    if fault := _torn(folder / INDEX):
        return {}, [fault]
    shards = json.loads((folder / INDEX).read_text(encoding="utf-8")).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        return {}, [f"{INDEX} names no weights (weight_map)"]
    names = {str(name) for name in shards.values()}
    odd = sorted(name for name in names if Path(name).name != name)
    if odd:
        return {}, [f"{INDEX} names a file outside the folder: {odd[0]!r}"]
    absent = sorted(name for name in names if not (folder / name).is_file())
    if absent:
        count = f"{len(absent)} of its {len(names)} files"
        return {}, [f"{INDEX} names {count} that are not there: {', '.join(absent[:5])}"]
    faults, held = [], {}
    for name in sorted(names):
        found, fault = header(folder / name)
        faults += [fault] if fault else []
        held[name] = set(found)
    lacking = sorted(key for key, name in shards.items() if key not in held[str(name)])
    if lacking and not faults:
        faults.append(
            f"{shards[lacking[0]]} lacks {len(lacking)} tensors that {INDEX} says it holds "
            f"({lacking[0]})"
        )
    return {str(key): str(name) for key, name in shards.items()}, faults


def header(path: Path) -> tuple[dict[str, Any], str | None]:
    """Return the tensors that a safetensors file describes, and what is wrong with the file."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(8)
        length = int.from_bytes(head, "little")
        if len(head) < 8 or length > min(size - 8, _LONGEST_HEADER):
            kind = "is empty" if not head else "is torn or no safetensors file"
            return {}, f"{path.name} {kind} ({size:,} bytes)"
        text = stream.read(length)
    try:
        content = json.loads(text)
        tensors = {name: each for name, each in content.items() if name != "__metadata__"}
        ends = [_end(each) for each in tensors.values()]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}, f"{path.name} has a header that cannot be read"
    whole = 8 + length + max(ends, default=0)
    if size != whole:
        return tensors, f"{path.name} has {size:,} bytes where its tensors need {whole:,}"
    if not tensors:
        return tensors, f"{path.name} holds no tensor"
    return tensors, None


def _end(tensor: dict[str, Any]) -> int:
    """Return where a tensor ends in its file; raises ValueError where its sizes contradict."""
    start, end = tensor["data_offsets"]
    bits = _BITS.get(tensor["dtype"])
    for size in tensor["shape"]:
        bits = None if bits is None else bits * size
    if bits is not None and bits != (end - start) * 8:
        raise ValueError("shape and bytes differ")
    return int(end)


def _torn(path: Path) -> str | None:
    """Return what is wrong with a JSON file; None where it is not there or holds an object."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        empty = path.stat().st_size == 0
        why = "is empty" if empty else f"is not JSON ({str(error).splitlines()[0]})"
        return f"{path.name} {why}"
    return None if isinstance(content, dict) else f"{path.name} is no JSON object"


def _too_deep(folder: Path, tensors: int) -> Iterator[str]:
    """Yield a fault where config.json asks for more layers than there are tensors."""
    config = json.loads((folder / "config.json").read_bytes())
    inner = config.get("text_config")
    for each in (config, inner if isinstance(inner, dict) else {}):
        for key in ("num_hidden_layers", "n_layer", "num_layers"):
            layers = each.get(key)
            if isinstance(layers, int) and layers > tensors:
                yield f"config.json says {key}={layers:,} and the weights are {tensors:,} tensors"
