"""How far two updates moved the same weights, against chance."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from etude.measures.weights import compare

METHOD = "update_sparsity"
CONFIG = {"n"}
INPUTS = {"updated_1", "updated_2"}


def run(case: Any) -> None:
    n = case.config.take("n")
    moved = [torch.tensor(case.inputs.take(f"updated_{which}")).float() for which in (1, 2)]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.safetensors" for name in ("base", "one", "two")]
        for path, values in zip(paths, [torch.zeros(n), *moved], strict=True):
            save_file({"weights": values}, path)
        found = compare(paths[0], paths[1:])
    overlap = found.overlaps[0, 1]
    case.check("o1", overlap.of_first)
    case.check("o2", overlap.of_second)
    case.check("random_baseline_o1", overlap.chance_of_first)
    case.check("random_baseline_o2", overlap.chance_of_second)
    case.check("sparsity_1", found.updates[0].exact_zero)
    case.check("sparsity_2", found.updates[1].exact_zero)
    case.check("jaccard", overlap.jaccard)
