"""What a stage moved between two checkpoints, read from files as models are."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from etude.measures.weights import compare

METHOD = "update_sparsity"
CONFIG = {"dtype", "tolerances"}
INPUTS = {"before", "after"}


def written(folder: Path, name: str, weights: dict[str, Any], dtype: Any) -> Path:
    path = folder / f"{name}.safetensors"
    save_file({key: torch.tensor(value).to(dtype) for key, value in weights.items()}, path)
    return path


def run(case: Any) -> None:
    dtype = getattr(torch, case.config.take("dtype"))
    tolerances = case.config.take("tolerances")
    with tempfile.TemporaryDirectory() as folder:
        before, after = (
            written(Path(folder), name, case.inputs.take(name), dtype) for name in INPUTS_IN_ORDER
        )
        update = compare(before, [after], tolerances=tolerances).updates[0]
    case.check("exact_zero_fraction", update.exact_zero)
    for tolerance in tolerances:
        case.check(f"sparsity_tol_{tolerance:g}", update.sparsity(tolerance))
    case.check("nonzero_fraction_per_matrix", {p.name: p.density for p in update.parameters})
    layers = {str(layer): share for layer, share in update.density_by_layer().items()}
    case.check("layer_mean_nonzero_fraction", layers)
    ranked = {p.name: [p.rank, p.full] for p in update.parameters if p.rank is not None}
    case.check("update_rank_and_max", ranked)
    case.check("mean_rank_fraction", update.mean_rank_fraction)


INPUTS_IN_ORDER = ("before", "after")
