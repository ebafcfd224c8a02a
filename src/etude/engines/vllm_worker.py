"""What etude adds to the workers of vLLM: they take over a checkpoint, and say what they hold.

vLLM mixes :class:`EtudeWeights` into its worker class (``worker_extension_cls``) before the model
is made. On a CPU it would pack linear layers ahead, and a tied output layer would keep a copy of
its own that no reload reaches; without packing parameters keep the layout of the checkpoint, as on
a GPU, and loading is exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import vllm._custom_ops as ops
from safetensors import safe_open
from torch import Tensor

from etude.engines.sums import sums
from etude.model.folder import INDEX, WEIGHTS

ops._supports_onednn = False


class EtudeWeights:
    """Methods of a worker, called through ``collective_rpc``."""

    model_runner: Any

    def etude_load(self, folder: str) -> dict[str, Any]:
        """Take over every tensor of a checkpoint; return what :meth:`etude_held` does."""
        model = self.model_runner.model
        with torch.no_grad():
            loaded = model.load_weights(_tensors(Path(folder)))
        self._etude_folder = folder
        names = {name for name, _ in model.named_parameters()}
        missing = sorted(names - set(loaded)) if loaded is not None else []
        return {**self.etude_held(), "missing": missing}

    def etude_at(self) -> dict[str, str]:
        """Return the folder of the checkpoint that was taken over last; empty: none was."""
        return {"folder": getattr(self, "_etude_folder", "")}

    def etude_held(self) -> dict[str, Any]:
        """Return Σx and Σx² over the parameters, each counted once, and how the engine works."""
        total, squares = sums(p.detach() for p in self.model_runner.model.parameters())
        config = self.model_runner.vllm_config
        return {
            "total": total,
            "squares": squares,
            "missing": [],
            "block": int(config.cache_config.block_size),
            "logprobs_mode": str(config.model_config.logprobs_mode),
            "generation_config": str(config.model_config.generation_config),
        }


def _tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor of a checkpoint by name."""
    index = folder / INDEX
    if index.is_file():
        held = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted(set(held.values()))
    else:
        files = [WEIGHTS]
    for name in files:
        with safe_open(folder / name, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 (not a mapping)
                yield key, file.get_tensor(key)
