"""Whether the weights that were loaded are those that the config and the files speak of."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import nn

from etude.errors import ModelError
from etude.notices import notice

#: Tables that older files hold and every model makes anew.
_TABLES = re.compile(r"(inv_freq|attn\.(masked_)?bias|attention\.(masked_)?bias)$")

_NUMBER = re.compile(r"\.\d+(?=\.|$)")


def refuse_other(model: nn.Module, report: Mapping[str, Any], where: str) -> None:
    """Refuse weights that are not the model's: transformers would go on with random ones.

    ``report`` is transformers' loading info. Raises ModelError naming the first of those that are
    missing, of another shape, or left over although the model has their like. Others that are left
    over (a head for another task) are told of.
    """
    if report["mismatched_keys"]:
        name, stored, wanted = sorted(report["mismatched_keys"])[0]
        raise ModelError(
            f"{where}: {len(report['mismatched_keys'])} weights have another shape than its "
            f"config.json asks for ({name} is {list(stored)} in the file and {list(wanted)} in the "
            "model); the files belong to different models"
        )
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ModelError(
            f"{where} lacks {len(missing)} of the weights its config.json asks for "
            f"({missing[0]}, …); the files are incomplete or belong to another model"
        )
    extra = sorted(name for name in report["unexpected_keys"] if not _TABLES.search(name))
    own = [name for name in extra if _of_the_model(name, model)]
    if own:
        raise ModelError(
            f"{where} holds {len(own)} weights that its config.json leaves no place for "
            f"({own[0]}, …), so it would be another model; the files belong to different models"
        )
    if extra:
        notice(f"{where}: {len(extra)} weights are not of the language model, as {extra[0]}")


def _of_the_model(name: str, model: nn.Module) -> bool:
    """Return whether a weight would be the model's under a slightly different config.

    That is one more layer, expert or shard of what is there, or a bias beside a weight.
    """
    there = {_NUMBER.sub(".N", each) for each, _ in model.named_parameters()}
    if _NUMBER.sub(".N", name) in there:
        return True
    parent = name.rpartition(".")[0]
    return bool(parent) and any(each == f"{parent}.weight" for each, _ in model.named_parameters())


def refuse_infinite(model: nn.Module, where: str, files: Mapping[str, str]) -> None:
    """Raise ModelError where a weight is nan or infinite; ``files`` names the file of each."""
    for name, values in model.named_parameters():
        if not values.is_floating_point() or bool(torch.isfinite(values).all()):
            continue
        wrong = int((~torch.isfinite(values)).sum())
        file = _file_of(name, files)
        raise ModelError(
            f"{where}{file}: {wrong:,} of the {values.numel():,} numbers of {name} are nan or "
            "infinite, so nothing it computes means anything; take the weights from an earlier "
            "model"
        )


def _file_of(name: str, files: Mapping[str, str]) -> str:
    """Return ``/FILE`` for the file that holds a weight; names in files may have another root."""
    tail = name.removeprefix("model.")
    found: Collection[str] = {file for key, file in files.items() if key.endswith(tail)}
    found = found or set(files.values())
    return f"/{min(found)}" if len(found) == 1 else ""
